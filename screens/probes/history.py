"""A probe's history as text: a table of model × condition with both entropies and a small trend. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from lab.safetext import safe_line
from screens.formats import MISSING, clip, local_time, nats
from screens.widgets.bars import trend
from screens.widgets.virtual_list import Cell

if TYPE_CHECKING:
    from store.queries import AnswerRow, HistoryCell, ProbeRow

TREND = 8
NUMBERS_WIDTH = 4 + 6 + 6 + 6
WIDE_NAMES = 26
NARROW = 43
LEAST_TREND_NATS = 0.2


def history_title(cells: Sequence[HistoryCell]) -> str:
    """Names the model where there is only one; the table then needs no column for it."""
    models = {cell.model_name for cell in cells}
    return f"History · {safe_line(models.pop())}" if len(models) == 1 else "History"


def history_table(cells: Sequence[HistoryCell], width: int) -> Content:
    """Columns: model, condition, answers n, mean H_t and H_w in nats, mean words, trend of H_t over time."""
    if not cells:
        return Content.styled("No answers yet: R runs this probe.", "$muted")
    trend_width = TREND if width >= NUMBERS_WIDTH + WIDE_NAMES else 0
    names = max(12, width - NUMBERS_WIDTH - (trend_width + 2 if trend_width else 0))
    one_model = len({cell.model_name for cell in cells}) == 1
    widest = max(5, *(len(safe_line(cell.model_name)) for cell in cells))
    model_width = 0 if one_model else min(widest, names // 2)
    condition_width = names - model_width - (1 if model_width else 0)

    def names_of(model: str, condition: str) -> str:
        return (f"{_fit(model, model_width)} " if model_width else "") + _fit(condition, condition_width)

    header = f"{names_of('model', 'condition')}{'n':>4}{'H_t':>6}{'H_w':>6}{'words':>6}"
    rows = [Content.styled(header + ("  trend" if trend_width else ""), "$muted")]
    for cell in cells:
        words = MISSING if cell.mean_words is None else f"{cell.mean_words:.0f}"
        rows.append(
            Content.assemble(
                names_of(cell.model_name, cell.condition_name),
                (f"{cell.n:>4}", "$foreground 70%"),
                (f"{nats(cell.mean_entropy_nats):>6}", "bold"),
                (f"{nats(cell.mean_word_entropy_nats):>6}", "bold"),
                (f"{words:>6}", "$foreground 70%"),
                (
                    "  " + trend(cell.series, trend_width, LEAST_TREND_NATS) if trend_width else "",
                    "$secondary",
                ),
            )
        )
    return Content("\n").join(rows)


def probe_facts(probe: ProbeRow) -> Content:
    """Where a probe belongs and where it comes from, in one or two lines."""
    parts = [("battery ", "$muted"), (safe_line(probe.battery), "$foreground 80%")]
    parts += [("   domain ", "$muted"), (safe_line(probe.domain), "$foreground 80%")]
    if probe.subjects:
        parts += [("   about ", "$muted"), (safe_line(", ".join(probe.subjects)), "$foreground 80%")]
    if probe.source_probe:
        how = f"{probe.rephrase_type or 'rephrased'} of {probe.source_probe}"
        parts += [("   ", ""), (safe_line(how), "$foreground 80%")]
    if probe.origin != "shipped":
        parts += [("   from ", "$muted"), (safe_line(probe.origin), "$foreground 80%")]
    return Content.assemble(*parts)


def probe_cells(probe: ProbeRow, width: int) -> list[Cell]:
    """A row of the probe list: id, domain where there is room, number of answers."""
    count = str(probe.n_answers) if probe.n_answers else "·"
    domain_width = min(22, width - 5 - 31)
    if domain_width < 10:
        domain_width = 0
    cells = [
        Cell(
            probe.id,
            width - 5 - (domain_width + 1 if domain_width else 0),
            style="strong" if probe.n_answers else "",
        )
    ]
    if domain_width:
        cells += [Cell(" "), Cell(probe.domain, domain_width, style="muted")]
    return [*cells, Cell(count, 5, right=True, style="accent" if probe.n_answers else "muted")]


def answer_cells(answer: AnswerRow, width: int) -> list[Cell]:
    """A row of a probe's answers: when, under what, both entropies with n, how it begins."""
    when = local_time(answer.started_at)
    cells = [
        Cell(when if width >= NARROW else when[-5:], _when_width(width), style="muted"),
        Cell(answer.condition_name, 12),
        Cell(nats(answer.mean_entropy_nats), 5, right=True, style="strong"),
        Cell(nats(answer.word_entropy_nats), 5, right=True, style="strong"),
        Cell(MISSING if answer.words is None else str(answer.words), 6, right=True, style="muted"),
    ]
    left = _room_for_text(width)
    return [*cells, Cell("  "), Cell(answer.text_start, left, style="muted")] if left else cells


def answers_header(width: int) -> Content:
    columns = width - 3
    text = f"  {'when':<{_when_width(columns)}}{'condition':<12}{'H_t':>5}{'H_w':>5}{'words':>6}"
    return Content.styled(clip(text + ("  begins" if _room_for_text(columns) else ""), width), "$muted")


def _room_for_text(width: int) -> int:
    left = width - _when_width(width) - 12 - 16 - 2
    return left if left >= 8 else 0


def _when_width(width: int) -> int:
    """Day and time where there is room, else the time."""
    return 13 if width >= NARROW else 6


def _fit(text: str, width: int) -> str:
    from rich.cells import cell_len

    shown = clip(safe_line(text), width)
    return shown + " " * (width - cell_len(shown))
