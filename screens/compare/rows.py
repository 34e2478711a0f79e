"""Rows of the lists: past comparisons, and the pairs of one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from screens.compare.score_panel import delta_words
from screens.formats import clip, local_time
from screens.widgets.virtual_list import Cell

if TYPE_CHECKING:
    from store.queries import ComparisonRow, PairRow

DELTA = 7
TOTAL = 7
SEED = 5
WHEN = 13
PROGRESS = 9
INSTRUMENT = 14
WIDE = 100
UNCHANGED = 0.5


def comparison_cells(row: ComparisonRow, width: int) -> list[Cell]:
    """When, what against what, of which battery, how far it is, by which instrument."""
    with_instrument = width >= WIDE
    room = width - WHEN - PROGRESS - 12 - (INSTRUMENT if with_instrument else 0)
    half = max(8, (room - 5) // 2)
    done = row.finished >= row.planned
    cells = [
        Cell(local_time(row.at), WHEN, style="muted"),
        Cell(row.left_words, half),
        Cell("  ⟷  ", style="muted"),
        Cell(row.right_words, half, style="accent"),
        Cell(" "),
        Cell(row.battery, 11, style="muted"),
        Cell(f"{row.finished}/{row.planned}", PROGRESS, right=True, style="good" if done else "warn"),
    ]
    return (
        [*cells, Cell(" "), Cell(f"{row.instrument} {row.version}", INSTRUMENT - 1, style="muted")]
        if with_instrument
        else cells
    )


def comparisons_header(width: int) -> Content:
    """The names of the columns, over `comparison_cells` of the same width."""
    with_instrument = width >= WIDE
    half = max(8, (width - WHEN - PROGRESS - 12 - (INSTRUMENT if with_instrument else 0) - 5) // 2)
    instrument = " instrument" if with_instrument else ""
    line = f"  {'when':<{WHEN}}{'left':<{half}}     {'right':<{half}} {'probes':<11}{'pairs':>{PROGRESS}}"
    return Content.styled(clip(line + instrument, width + 2), "$muted")


def pair_cells(row: PairRow, width: int, blind: bool, rated: bool) -> list[Cell]:
    """A mark (better, worse, same text, broken), the probe, both totals where there is room, the delta."""
    mark, mark_style = ("●", "mark") if rated else (" ", "") if blind else mark_of(row)
    name = name_of(row)
    if blind:
        return [Cell(mark, 2, style=mark_style), Cell(name, width - 2)]
    with_totals = width >= 46
    numbers = DELTA + (2 * TOTAL if with_totals else 0)
    answered = row.left_generation_id is not None and row.right_generation_id is not None
    cells = [
        Cell(mark, 2, style=mark_style),
        Cell(name, max(6, width - numbers - 2), style="" if answered else "muted"),
    ]
    if with_totals:
        cells += [Cell(_total(row.left_total), TOTAL, right=True, style="muted")]
        cells += [Cell(_total(row.right_total), TOTAL, right=True, style="muted")]
    shown = delta_words(row.delta) if row.delta is not None else "" if not answered else "–"
    return [*cells, Cell(shown, DELTA, right=True, style=_delta_style(row.delta))]


def pairs_header(width: int, blind: bool) -> Content:
    if blind:
        return Content.styled(clip("  probe (● rated)", width), "$muted")
    with_totals = width >= 46
    totals = f"{'left':>{TOTAL}}{'right':>{TOTAL}}" if with_totals else ""
    name = max(6, width - DELTA - len(totals) - 2)
    return Content.styled(f"    {'probe':<{name}}{totals}{'Δ':>{DELTA}}", "$muted")


def name_of(row: PairRow) -> str:
    """The probe's id, or how a free prompt begins."""
    return row.probe_id or row.prompt_start


def mark_of(row: PairRow) -> tuple[str, str]:
    """A sign and its style: broken before anything else, then better, worse, or the same text."""
    if row.left_modes or row.right_modes:
        return "!", "warn"
    if row.same_text:
        return "=", "muted"
    if row.delta is None:
        return " ", ""
    if row.delta > UNCHANGED:
        return "▲", "good"
    return ("▼", "warn") if row.delta < -UNCHANGED else ("·", "muted")


def _total(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _delta_style(delta: float | None) -> str:
    if delta is None or abs(delta) <= UNCHANGED:
        return "muted"
    return "good" if delta > 0 else "warn"
