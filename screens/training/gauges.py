"""The gauges of a run: progress, the controller, entropy, preference, hardware. Pure drawing."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from textual.content import Content

from lab.safetext import safe_line
from screens.formats import MISSING, clip, clock, compact_number, join_fitting, rate, share, size
from screens.training.book import RunBook
from screens.training.charts import entropy_sources, percent, watched_share
from screens.training.hardware import Usage
from screens.training.rows import state_of
from screens.training.source import RunLine
from screens.widgets.bars import bar_content
from screens.widgets.gauge import heading

REASON_LINES = 3
STATE_STYLES = {
    "tracking": "bold $success",
    "deadband hold": "bold $success",
    "measuring": "bold $secondary",
    "pinned low": "bold $warning",
    "pinned high": "bold $warning",
    "no authority": "bold $error",
    "held (non-finite)": "bold $error",
}


def gauges(run: RunLine, book: RunBook, usage: Usage, width: int) -> Content:
    """All gauges for which the run has data, one below the other, a blank line between them."""
    blocks = [_progress(run, book, width)]
    for block in (
        _controller(book, width),
        _entropy(book, width),
        _preference(book, width),
        _held_out(book, width),
        _hardware(run, book, usage, width),
    ):
        if block:
            blocks.append(block)
    return Content("\n\n").join(Content("\n").join(block) for block in blocks)


def strip(run: RunLine, book: RunBook, usage: Usage, width: int) -> Content:
    """The same in four lines, for narrow terminals."""
    lines = _progress(run, book, width)[1:]
    controller = _controller_words(book)
    if controller is not None:
        state, _ = controller
        parts = [f"S {_S(book)} of {_target(book)}", f"λ {compact_number(book.last('scu', 'lambda'))}", state]
        lines.append(Content.styled(join_fitting(parts, width), STATE_STYLES.get(state, "")))
    else:
        lines.append(Content.styled(join_fitting(_held_out_words(book), width), "$foreground 85%"))
    lines.append(Content.styled(join_fitting(hardware_words(run, book, usage), width), "$muted"))
    return Content("\n").join(lines[:4])


def _progress(run: RunLine, book: RunBook, width: int) -> list[Content]:
    planned = book.planned_steps or run.planned_steps
    step = max(book.step, run.step)
    done = f"{100 * step / planned:.0f} %" if planned else ""
    state = state_of(run)
    words = [f"step {step:,}/{planned:,}" if planned else f"step {step:,}"]
    if run.presence == "running":
        words.append(f"ETA {clock(book.eta_s)}")
        words.append(rate(book.last("train", "tokens_per_second")))
    style = "$success" if run.presence == "running" else "$warning" if run.is_live else "$muted"
    lines = [
        heading("Progress", done, width),
        bar_content(step, planned or 1, width, "$primary"),
        Content(join_fitting(words, width)),
    ]
    said = f"{state}: {run.words}" if run.words and not run.words.startswith(state) else run.words or state
    lines += [Content.styled(line, style) for line in _wrapped(said, width, 2)]
    return lines


def _controller_words(book: RunBook) -> tuple[str, str] | None:
    """The controller's state and its reason; None where the run has none."""
    words = book.words.get("scu", {})
    if not words and not book.has("scu", "s"):
        return None
    return safe_line(words.get("state", MISSING)), safe_line(words.get("reason", ""))


def _S(book: RunBook) -> str:  # noqa: N802 - the quantity's own name
    value = book.last("scu", watched_share(book))
    return MISSING if value is None else percent(value)


def _target(book: RunBook) -> str:
    target = book.last("scu", "target")
    return MISSING if target is None else percent(target)


def _controller(book: RunBook, width: int) -> list[Content]:
    said = _controller_words(book)
    if said is None:
        return []
    state, reason = said
    value, target = book.last("scu", watched_share(book)), book.last("scu", "target")
    floor = book.last("scu", "floor")
    lines = [heading("S against target", f"{_S(book)} of {_target(book)}", width)]
    if value is not None and target:
        lines.append(_against(value, target, width))
    if floor and watched_share(book) == "s":
        lines.append(Content.styled(f"floor at the start {percent(floor)}", "$muted"))
    lines.append(Content(""))
    lines.append(heading("λ", compact_number(book.last("scu", "lambda")), width))
    lines.append(Content.styled(clip(state, width), STATE_STYLES.get(state, "bold")))
    lines += [Content.styled(line, "$muted") for line in _wrapped(reason, width, REASON_LINES)]
    return lines


def _against(value: float, target: float, width: int) -> Content:
    """A bar of 0 to twice the target, which is the mark in its middle."""
    middle = width // 2
    filled = round(min(2.0, max(0.0, value / target)) * width / 2)
    style = "$success" if abs(value / target - 1) <= 0.05 else "$warning"
    cells = [("━", style) if x < filled else ("─", "$foreground 15%") for x in range(width)]
    cells[min(middle, width - 1)] = ("┃", "bold $foreground")
    return Content.assemble(*cells)


def _entropy(book: RunBook, width: int) -> list[Content]:
    lines: list[Content] = []
    for source in entropy_sources(book)[:1]:
        now, base = book.last(source, "entropy_nats"), book.last(source, "base_entropy_nats")
        lines.append(heading("Entropy on probes", f"{compact_number(now)} nats", width))
        if now is not None and base:
            change = 100 * (now / base - 1)
            lines.append(Content(f"base {compact_number(base)} · {change:+.0f} % relative to base"))
        words = book.words.get(source, {})
        if zone := words.get("zone"):
            before = words.get("base_zone")
            text = f"zone {safe_line(zone)}" + (f", base {safe_line(before)}" if before else "")
            lines.append(Content.styled(clip(text, width), "$muted"))
    return lines


def _preference(book: RunBook, width: int) -> list[Content]:
    if not book.has("train", "rewards/margins"):
        return []
    margin = book.last("train", "rewards/margins")
    accuracy = book.last("train", "rewards/accuracies")
    chosen, rejected = book.last("train", "rewards/chosen"), book.last("train", "rewards/rejected")
    lines = [
        heading("Preference", safe_line(book.objective), width),
        Content(f"margin {compact_number(margin)} · chosen preferred {share(accuracy)}"),
        Content(f"reward chosen {compact_number(chosen)} · rejected {compact_number(rejected)}"),
    ]
    if alarm := book.words.get("train", {}).get("alarm"):
        lines += [Content.styled(line, "bold $error") for line in _wrapped(f"▲ {alarm}", width, 2)]
    return lines


def _held_out_words(book: RunBook) -> list[str]:
    last = book.last("valid", "loss_nats")
    if last is None:
        return ["no held-out loss yet"]
    words = [f"held-out {compact_number(last)}"]
    if book.best is not None:
        words.append(f"best {compact_number(book.best[1])} at step {book.best[0]:,}")
    if (perplexity := book.last("valid", "perplexity")) is not None:
        words.append(f"perplexity {compact_number(perplexity)}")
    return words


def _held_out(book: RunBook, width: int) -> list[Content]:
    last = book.last("valid", "loss_nats")
    if last is None:
        return []
    perplexity = compact_number(book.last("valid", "perplexity"))
    lines = [heading("Held-out", f"{compact_number(last)} nats/token", width)]
    rest = [f"perplexity {perplexity}"]
    if book.best is not None:
        rest.append(f"best {compact_number(book.best[1])} at {book.best[0]:,}")
    lines.append(Content(join_fitting(rest, width)))
    return lines


def hardware_words(run: RunLine, book: RunBook, usage: Usage) -> list[str]:
    """CPU and memory of the run's process; what the model took at most, as the run reports it."""
    words = []
    if run.is_live and usage.cpu_share is not None:
        words.append(f"CPU {100 * usage.cpu_share:.0f} %")
    if run.is_live and usage.memory_bytes is not None:
        words.append(f"mem {size(usage.memory_bytes)}")
    if (peak := book.last("train", "peak_memory_bytes")) is not None:
        words.append(f"MLX peak {size(int(peak))}")
    if (gpu := book.last("train", "gpu_memory_bytes")) is not None:
        words.append(f"GPU {size(int(gpu))}")
    return words


def _hardware(run: RunLine, book: RunBook, usage: Usage, width: int) -> list[Content]:
    words = hardware_words(run, book, usage)
    return [heading("Hardware", "", width), Content(join_fitting(words, width))] if words else []


def _wrapped(text: str, width: int, most: int) -> Iterator[str]:
    """`text` in at most `most` lines, the last one cut where there is more."""
    lines = textwrap.wrap(safe_line(text), max(8, width))
    for number, line in enumerate(lines[:most], start=1):
        yield f"{clip(line, width - 2)} …" if number == most < len(lines) else line
