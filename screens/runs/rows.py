"""How an entry of the Runs & gates screen is drawn as a row of a list. Pure."""

from __future__ import annotations

from screens.formats import local_time
from screens.runs.source import Entry
from screens.widgets.virtual_list import Cell

WORD_WIDTH = 9
TIME_WIDTH = 12
LEAST_BESIDE = 12
TITLE_SHARE = 0.45
STYLES = {"good": "good", "amber": "warn", "bad": "bad", "none": "muted"}
MARKS = {"good": "●", "amber": "◐", "bad": "✗", "none": "·"}


def entry_cells(entry: Entry, width: int) -> list[Cell]:
    """Mark, title, what stands beside it, a word for its state, and when."""
    style = STYLES[entry.state]
    room = width - WORD_WIDTH - 3
    timed = room - TIME_WIDTH - 1 >= 2 * LEAST_BESIDE
    room -= (TIME_WIDTH + 1) if timed else 0
    title_width = max(LEAST_BESIDE, round(room * TITLE_SHARE)) if room >= 2 * LEAST_BESIDE else room
    cells = [
        Cell(f"{MARKS[entry.state]} ", 2, style=style),
        Cell(entry.title, title_width - 1, style="strong"),
        Cell(" "),
    ]
    if room - title_width >= LEAST_BESIDE:
        cells += [Cell(entry.beside, room - title_width - 1, style="muted"), Cell(" ")]
    cells.append(Cell(entry.word, WORD_WIDTH, style=style))
    if timed:
        cells += [Cell(" "), Cell(local_time(entry.at), TIME_WIDTH, style="muted")]
    return cells
