"""A score as rows and words: what each dimension adds and found, and the instrument's known faults. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from lab.safetext import safe_line
from screens.formats import MISSING, clip, nats
from screens.widgets.bars import bar
from screens.widgets.virtual_list import Cell

if TYPE_CHECKING:
    from lab.measure.rubric import Account, DimensionAccount
    from lab.measure.words import WordEntropy
    from lab.measure.zones import Zone
    from screens.widgets.gauge import EntropyReading

VALUE, WEIGHT, ADDS = 6, 7, 8
NAME = 21
LEAST_BAR = 8
MATCH_WIDTH = 40
LABEL = 5
ROOMY = 11


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A row of the table: a dimension, or the total (`dimension` None). `scale` is worth the whole bar."""

    account: Account
    dimension: DimensionAccount | None
    scale: float


def rows_of(account: Account) -> list[ScoreRow]:
    """The total, then the dimensions in the instrument's order."""
    scale = max(
        (max(abs(entry.contribution), entry.most or 0.0) for entry in account.dimensions), default=0.0
    )
    return [
        ScoreRow(account, None, scale),
        *(ScoreRow(account, entry, scale) for entry in account.dimensions),
    ]


def figure(value: float | None) -> str:
    """A value as a count where it is one, else with two decimals."""
    if value is None:
        return MISSING
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.2f}"


def points(value: float) -> str:
    """What a dimension adds or takes: signed, two decimals; nothing is a dot."""
    return f"{value:+.2f}" if value else "·"


def name_of(dimension: str) -> str:
    return dimension.replace("_", " ")


def score_cells(row: ScoreRow, width: int) -> list[Cell]:
    """Name, value, weight where there is room, what it adds, and a bar of that."""
    with_weight = width >= NAME + VALUE + WEIGHT + ADDS
    numbers = VALUE + ADDS + (WEIGHT if with_weight else 0)
    bar_width = width - numbers - NAME - 1
    bar_width = bar_width if bar_width >= LEAST_BAR else 0
    name_width = min(NAME, width - numbers) if bar_width else width - numbers
    if row.dimension is None:
        return _total_cells(row.account, name_width, numbers)
    entry = row.dimension
    sign = "good" if entry.contribution > 0 else "warn"
    cells = [
        Cell(name_of(entry.name), name_width, style="" if entry.contribution else "muted"),
        Cell(figure(entry.value), VALUE, right=True, style="" if entry.value else "muted"),
    ]
    if with_weight:
        times = "" if entry.weight is None else f"× {entry.weight:g}"
        cells.append(Cell(times, WEIGHT, right=True, style="muted"))
    cells.append(
        Cell(points(entry.contribution), ADDS, right=True, style=sign if entry.contribution else "muted")
    )
    return [*cells, *_bar_cells(entry, row.scale, bar_width, sign)] if bar_width else cells


def _total_cells(account: Account, name_width: int, numbers: int) -> list[Cell]:
    total = MISSING if account.total is None else f"{account.total:.2f}"
    cells = [Cell("total", name_width, style="strong"), Cell(total, numbers, right=True, style="strong")]
    return cells if account.maximum is None else [*cells, Cell(f" of {account.maximum:g}", style="muted")]


def _bar_cells(entry: DimensionAccount, scale: float, width: int, sign: str) -> list[Cell]:
    """What it adds as a bar, with a faint rest up to the most that it could add."""
    filled, _ = bar(abs(entry.contribution), scale, width)
    room = bar(entry.most, scale, width)[0] if entry.most else ""
    rest = "─" * max(0, len(room) - len(filled))
    return [Cell(" "), Cell(filled, style=sign), Cell(rest, style="muted")]


def score_header(width: int) -> Content:
    """The names of the columns, over `score_cells` of the same width (two cells of marks before them)."""
    with_weight = width >= NAME + VALUE + WEIGHT + ADDS
    numbers = VALUE + ADDS + (WEIGHT if with_weight else 0)
    wide = width - numbers - NAME - 1 >= LEAST_BAR
    name_width = min(NAME, width - numbers) if wide else width - numbers
    weight = f"{'weight':>{WEIGHT}}" if with_weight else ""
    return Content.styled(
        f"  {'dimension':<{name_width}}{'value':>{VALUE}}{weight}{'adds':>{ADDS}}", "$muted"
    )


def explained(row: ScoreRow, kept: float | None, width: int, height: int) -> Content:
    """What stands behind a row: the words of a dimension, the instrument and its known faults.

    Where there is little room (`height` lines) a dimension is shown without its instrument.
    """
    if row.dimension is None:
        return _instrument(row.account, kept)
    found = _dimension(row.dimension, width)
    return found if height < ROOMY else Content("\n\n").join([found, _instrument(row.account, kept)])


def _instrument(account: Account, kept: float | None) -> Content:
    lines = [Content.styled(safe_line(account.description), "$foreground 85%")]
    lines += [Content.styled(f"Reason: {safe_line(reason)}.", "$warning") for reason in account.reasons]
    if account.total is None:
        undefined = "Undefined here: the probe or the base answer that it needs is not known."
        lines.append(Content.styled(undefined, "$warning"))
    if kept is not None and account.total is not None:
        lines.append(_kept(kept, account.total))
    if account.known_faults:
        lines.append(Content.styled("Known faults", "bold $warning"))
        lines += [
            Content.styled(f"• {safe_line(fault)}", "$foreground 70%") for fault in account.known_faults
        ]
    return Content("\n").join(lines)


def _kept(kept: float, total: float) -> Content:
    if abs(kept - total) < 0.005:
        return Content.styled(f"The store keeps {kept:.2f}: the same.", "$muted")
    words = f"The store keeps {kept:.2f}, which is not the same: the definition was edited."
    return Content.styled(words, "$error")


def _dimension(entry: DimensionAccount, width: int) -> Content:
    lines = [Content.assemble((name_of(entry.name), "bold"), (f"  {_worth(entry)}", "$muted"))]
    if entry.matches:
        lines.append(_matches(entry))
    elif entry.value is None:
        lines.append(Content.styled("Undefined for this text.", "$muted"))
    elif not entry.measures:
        lines.append(Content.styled("Nothing was found.", "$muted"))
    if entry.measures:
        reads = ", ".join(name.replace("_", " ") for name in entry.measures)
        lines.append(Content.styled(clip(f"Reads {reads}.", max(width, LABEL)), "$muted"))
    return Content("\n").join(lines)


def _worth(entry: DimensionAccount) -> str:
    parts = [figure(entry.value)]
    if entry.weight is not None:
        parts.append(f"× {entry.weight:g}")
    said = " ".join(parts)
    if entry.most is not None:
        said += f", at most {entry.most:g}" + (": full" if entry.is_full else "")
    return said


def _matches(entry: DimensionAccount) -> Content:
    parts: list[Content] = []
    for match in entry.matches:
        word = "blank line" if not match.text.strip() else clip(safe_line(match.text), MATCH_WIDTH)
        times = f" ×{match.n}" if match.n > 1 else ""
        parts.append(Content.assemble((word, "bold $primary"), (times, "$foreground 70%")))
    return Content("  ").join(parts)


def entropy_figures(
    reading: EntropyReading, n_tokens: int, words: WordEntropy | None, zone: Zone | None, width: int
) -> Content:
    """Both entropies of the answer, each under its own name, never mixed, and always with its n."""
    return Content("\n").join([_predictive(reading, n_tokens, width), *_words(words, zone, width)])


def _predictive(reading: EntropyReading, n_tokens: int, width: int) -> Content:
    if reading.mean_nats is None:
        return _line("H_t", [("no trace was kept", "")], width)
    figures = [
        ("mean", f"{nats(reading.mean_nats)} nats"),
        ("n", f"{n_tokens:,} tokens"),
        ("p90", nats(reading.p90_nats)),
        ("max", nats(reading.greatest_nats)),
    ]
    return _line("H_t", figures, width)


def _words(words: WordEntropy | None, zone: Zone | None, width: int) -> Sequence[Content]:
    if words is None:
        return ()
    figures = [
        ("", f"{nats(words.word_entropy_nats)} nats"),
        ("n", f"{words.words:,} words"),
        ("zone", zone.name) if zone else ("too short to zone", ""),
    ]
    if words.window_mean_nats is not None:
        figures.append(("100-word windows", nats(words.window_mean_nats)))
    return (_line("H_w", figures, width),)


def _line(label: str, figures: Sequence[tuple[str, str]], width: int) -> Content:
    """The first figures that fit, the most important first."""
    shown = Content.styled(f"{label:<{LABEL}}", "bold $foreground 90%")
    for name, value in figures:
        gap = " " if name and value else ""
        part = Content.assemble((f"{name}{gap}", "$muted"), (value, "bold"), "   ")
        if shown.cell_length + part.cell_length - 3 > width:
            break
        shown += part
    return shown
