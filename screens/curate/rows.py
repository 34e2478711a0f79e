"""A pair as a row of the list of all pairs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from screens.widgets.virtual_list import Cell

if TYPE_CHECKING:
    from lab.preference.verdicts import Standing
    from store.queries.judgements import ListedPair
    from store.records import JudgementRecord

MARKS = {"left": "✓", "right": "✓", "tie": "=", "both_bad": "✗", "skip": "–"}
MARK, SIGNS, SOURCE, PROBE = 2, 3, 11, 22
LEAST_PROMPT = 24
CURSOR_MARK = 2


def pairs_header(width: int) -> Content:
    """The names of the columns."""
    cells = ["".ljust(CURSOR_MARK + MARK + SIGNS), "from".ljust(SOURCE)]
    if _has_probe(width):
        cells.append("probe".ljust(PROBE))
    return Content.styled("".join([*cells, "prompt"]), "$muted")


def pair_cells(pair: ListedPair, width: int, standing: Standing) -> list[Cell]:
    """What this rater said of a pair, and what it asks; not which answer won."""
    verdict = latest(pair.pair_id, pair.passes, standing)
    mark = MARKS.get(verdict.verdict or "", " ") if verdict else "·"
    signs = "⚑" if standing.flags.get(pair.pair_id) else ""
    signs += "✎" if standing.notes.get(pair.pair_id) else ""
    cells = [
        Cell(mark, MARK, style="good" if verdict else "muted"),
        Cell(signs, SIGNS, style="warn"),
        Cell(pair.source, SOURCE, style="muted"),
    ]
    room = width - MARK - SIGNS - SOURCE
    if _has_probe(width):
        cells.append(Cell(f"{pair.probe_id or '–'}", PROBE, style="accent"))
        room -= PROBE
    return [*cells, Cell(pair.prompt_start, room)]


def latest(pair_id: str, passes: int, standing: Standing) -> JudgementRecord | None:
    """A rater's last verdict on a pair; `passes` is how often the store knows it was judged."""
    for pass_number in range(passes + 1, -1, -1):
        verdict = standing.verdicts.get((pair_id, pass_number))
        if verdict is not None:
            return verdict
    return None


def _has_probe(width: int) -> bool:
    return width - MARK - SIGNS - SOURCE - PROBE >= LEAST_PROMPT
