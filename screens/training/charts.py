"""Which charts a run can show, and what is drawn in each. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from screens.formats import compact_number, size
from screens.training.book import RunBook
from screens.training.series import Point
from screens.widgets.step_chart import Band, ChartData, Line, Rule

LINE_STYLES = ("first", "second", "third", "fourth")
FILTERED_S = "s_hat"


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """A chart: `draw` gives what is in it, `present` says whether the run has data for it.

    `unit` is a word, or depends on the run.
    """

    id: str
    title: str
    unit: str | Callable[[RunBook], str]
    present: Callable[[RunBook], bool]
    draw: Callable[[RunBook], ChartData]

    def heading(self, book: RunBook) -> str:
        """Title and unit."""
        unit = self.unit if isinstance(self.unit, str) else self.unit(book)
        return f"{self.title} · {unit}" if unit else self.title


def charts_of(book: RunBook) -> list[ChartSpec]:
    """The charts for which the run has data, the most telling first; loss is always there."""
    return [chart for chart in CHARTS if chart.present(book)] or [CHARTS[0]]


def _has(source: str, *names: str) -> Callable[[RunBook], bool]:
    return lambda book: any(book.has(source, name) for name in names)


def _points(book: RunBook, source: str, name: str) -> Sequence[Point]:
    series = book.series.get((source, name))
    return series.points if series is not None else ()


def _line(
    book: RunBook, source: str, name: str, label: str, style: str, show: Callable[[float], str] | None = None
) -> Line:
    series = book.series.get((source, name))
    return Line(label, series, style, show or compact_number, dots=source != "train")


def _loss(book: RunBook) -> ChartData:
    return ChartData(
        lines=(
            _line(book, "train", "loss_nats", "train", "first"),
            _line(book, "valid", "loss_nats", "held-out", "second"),
        )
    )


def overlay(books: Sequence[RunBook]) -> ChartData:
    """The training losses of several runs, a color each; a name that occurs twice is told by its id."""
    names = [book.name or book.run_id[-8:] for book in books]
    lines = []
    for book, name, style in zip(books, names, LINE_STYLES, strict=False):
        label = name if names.count(name) == 1 else f"{name} {book.run_id[-4:]}"
        lines.append(_line(book, "train", "loss_nats", label, style))
    return ChartData(lines=tuple(lines))


def _rate(book: RunBook) -> ChartData:
    return ChartData(lines=(_line(book, "train", "learning_rate", "rate", "first"),), from_zero=True)


def watched_share(book: RunBook) -> str:
    """The name of the S that the controller holds: of the weights, or of their way from the start."""
    return "s_from_init" if _scu(book).get("measure") == "from_init" else "s"


def _scu(book: RunBook) -> dict[str, object]:
    scu = book.settings.get("scu")
    return dict(scu) if isinstance(scu, dict) else {}


def deadband(book: RunBook) -> Band | None:
    """Where λ is held: around the target, relative for `pi` (|ln Ŝ/S*|), absolute for `legacy`."""
    target = book.last("scu", "target")
    if target is None:
        return None
    scu = _scu(book)
    legacy = scu.get("law") == "legacy"
    given = scu.get("deadband")
    width = float(given) if isinstance(given, int | float) else (0.003 if legacy else 0.005)
    if legacy:
        return Band(target - width, target + width)
    return Band(target * math.exp(-width), target * math.exp(width))


def _share(book: RunBook) -> ChartData:
    rules = []
    target, floor = book.last("scu", "target"), book.last("scu", "floor")
    if target is not None:
        rules.append(Rule(target, "target", "target"))
    if floor and watched_share(book) == "s":
        rules.append(Rule(floor, "floor", "floor"))
    band = deadband(book)
    return ChartData(
        lines=(
            _line(book, "scu", watched_share(book), "S", "first", percent),
            _line(book, "scu", FILTERED_S, "filtered", "second", percent),
        ),
        rules=tuple(rules),
        bands=(band,) if band else (),
        axis=_percent_mark,
    )


def _lambda(book: RunBook) -> ChartData:
    raw = Line("raw", book.series.get(("scu", "u_raw")), "second", _as_lambda, dots=True, exponent=True)
    return ChartData(lines=(raw, _line(book, "scu", "lambda", "clipped", "first")), log=True)


def _as_lambda(u: float) -> str:
    return compact_number(math.exp(min(u, 700.0)))


def entropy_sources(book: RunBook) -> list[str]:
    """The monitors that measure entropy on probes."""
    return sorted(
        {source for source, name in book.series if name == "entropy_nats" and book.has(source, name)}
    )


def _entropy(book: RunBook) -> ChartData:
    source = entropy_sources(book)[0]
    base = book.last(source, "base_entropy_nats")
    floor = book.last(source, "floor_entropy_nats")
    rules = [Rule(base, "base", "target")] if base is not None else []
    rules += [Rule(floor, "floor", "floor")] if floor is not None else []
    least, most = (book.last(source, f"base_{end}_entropy_nats") for end in ("least", "greatest"))
    return ChartData(
        lines=(_line(book, source, "entropy_nats", "H_t", "first"),),
        rules=tuple(rules),
        bands=(Band(least, most),) if least is not None and most is not None else (),
    )


def _word_entropy(book: RunBook) -> ChartData:
    source = entropy_sources(book)[0]
    base = book.last(source, "base_word_entropy_nats")
    floor = book.last(source, "floor_word_entropy_nats")
    rules = [Rule(base, "base", "target")] if base is not None else []
    rules += [Rule(floor, "floor", "floor")] if floor is not None else []
    return ChartData(
        lines=(
            _line(book, source, "word_entropy_nats", "H_w", "first"),
            _line(book, source, "window_entropy_nats", "windows", "second"),
        ),
        rules=tuple(rules),
    )


def _perplexity(kind: str) -> Callable[[RunBook], ChartData]:
    """A held-out perplexity with that of before the run, and the stretch from the warning to the rollback."""

    def draw(book: RunBook) -> ChartData:
        before = book.last("perplexity", f"{kind}_before")
        warn, back = (book.last("perplexity", f"{name}_percent") for name in ("warn", "rollback"))
        rules, bands = [], []
        if before is not None and warn is not None and back is not None:
            low, high = before * (1 + warn / 100), before * (1 + back / 100)
            rules = [Rule(before, "before", "target"), Rule(high, f"+{back:g} %", "floor")]
            bands = [Band(low, high)]
        line = _line(book, "perplexity", kind, "perplexity", "first")
        return ChartData(lines=(line,), rules=tuple(rules), bands=tuple(bands), band_style="warn")

    return draw


def _speed(book: RunBook) -> ChartData:
    return ChartData(lines=(_line(book, "train", "tokens_per_second", "now", "first"),), from_zero=True)


def _memory(book: RunBook) -> ChartData:
    line = _line(book, "train", "peak_memory_bytes", "peak", "first", bytes_words)
    return ChartData(lines=(line,), from_zero=True, axis=bytes_words)


def _margins(kind: str) -> Callable[[RunBook], ChartData]:
    """Rewards of one kind; those of different losses are different quantities and never share an axis."""
    return lambda book: ChartData(
        lines=(
            _line(book, "train", f"{kind}/margins", "train", "first"),
            _line(book, "valid", f"{kind}/margins", "held-out", "second"),
        ),
        rules=(Rule(0.0, "", "floor"),),
    )


def _rewards(kind: str) -> Callable[[RunBook], ChartData]:
    return lambda book: ChartData(
        lines=(
            _line(book, "train", f"{kind}/chosen", "chosen", "first"),
            _line(book, "train", f"{kind}/rejected", "rejected", "third"),
        ),
        rules=(Rule(0.0, "", "floor"),),
    )


def _log_ratios(book: RunBook) -> ChartData:
    return ChartData(
        lines=(
            _line(book, "train", "log_ratio/chosen", "chosen", "first"),
            _line(book, "train", "log_ratio/rejected", "rejected", "third"),
        ),
        rules=(Rule(0.0, "reference", "floor"),),
    )


def _accuracy(book: RunBook) -> ChartData:
    return ChartData(
        lines=(
            _line(book, "train", "rewards/accuracies", "train", "first", percent),
            _line(book, "valid", "rewards/accuracies", "held-out", "second", percent),
        ),
        rules=(Rule(0.5, "chance", "floor"),),
        axis=_percent_mark,
    )


def _below(book: RunBook) -> ChartData:
    line = _line(book, "train", "chosen_below_reference", "pairs", "first", percent)
    return ChartData(lines=(line,), from_zero=True, axis=_percent_mark)


def _reward_charts(kind: str, title: str, unit: str) -> tuple[ChartSpec, ChartSpec]:
    present = _has("train", f"{kind}/margins")
    return (
        ChartSpec(f"{kind}-margins", f"{title} margin", unit, present, _margins(kind)),
        ChartSpec(f"{kind}-rewards", f"{title}s", unit, present, _rewards(kind)),
    )


def loss_unit(book: RunBook) -> str:
    """What a run's loss is told in: of a pair, or of a token."""
    return "nats/token" if book.objective in ("", "sft") else "nats/pair"


def _gradient(book: RunBook) -> ChartData:
    return ChartData(lines=(_line(book, "train", "grad_norm", "norm", "first"),), from_zero=True)


def percent(value: float) -> str:
    """A share in per cent, three figures: "3.00 %"."""
    return f"{100 * value:#.3g}".rstrip(".") + " %"


def _percent_mark(value: float) -> str:
    return f"{compact_number(100 * value)} %"


def bytes_words(value: float) -> str:
    return size(int(value))


CHARTS: tuple[ChartSpec, ...] = (
    ChartSpec("loss", "Loss", loss_unit, _has("train", "loss_nats"), _loss),
    ChartSpec("log-ratios", "Log-ratios", "nats", _has("train", "log_ratio/chosen"), _log_ratios),
    *_reward_charts("rewards", "Reward", "β × nats"),
    *_reward_charts("orpo", "ORPO reward", "λ × nats/token"),
    *_reward_charts("simpo", "SimPO reward", "β × nats/token"),
    *_reward_charts("cpo", "CPO reward", "β × nats"),
    ChartSpec("accuracy", "Chosen preferred", "", _has("train", "rewards/accuracies"), _accuracy),
    ChartSpec("below", "Chosen below reference", "", _has("train", "chosen_below_reference"), _below),
    ChartSpec("share", "S: weights' share of bits", "", _has("scu", "s"), _share),
    ChartSpec("lambda", "λ", "log scale", _has("scu", "lambda"), _lambda),
    ChartSpec("entropy", "H_t on probes", "nats", lambda book: bool(entropy_sources(book)), _entropy),
    ChartSpec(
        "general", "General perplexity", "held out", _has("perplexity", "general"), _perplexity("general")
    ),
    ChartSpec("words", "H_w on probes", "nats", _has("probes", "word_entropy_nats"), _word_entropy),
    ChartSpec(
        "behavioral", "Perplexity", "held out", _has("perplexity", "behavioral"), _perplexity("behavioral")
    ),
    ChartSpec("rate", "Learning rate", "", _has("train", "learning_rate"), _rate),
    ChartSpec("speed", "Tokens per second", "", _has("train", "tokens_per_second"), _speed),
    ChartSpec("memory", "Peak memory", "", _has("train", "peak_memory_bytes"), _memory),
    ChartSpec("gradient", "Gradient norm", "", _has("train", "grad_norm"), _gradient),
)
