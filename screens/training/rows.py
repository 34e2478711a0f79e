"""How a run and an event are drawn as rows of a list. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from screens.formats import compact_number, local_time
from screens.training.book import Event
from screens.training.source import RunLine
from screens.widgets.bars import trend
from screens.widgets.virtual_list import Cell

STATE_WIDTH = 11
STEP_WIDTH = 13
LOSS_WIDTH = 6
TREND_WIDTH = 8
MODEL_WIDTH = 14
LEAST_NAME = 10
STEP_OF_EVENT = 6
NAMED_FROM = 42
TIMED_FROM = 60

_STATE_STYLES = {"running": "good", "paused": "warn", "starting": "warn", "failed": "warn", "dead": "warn"}
_LEVEL_STYLES = {"warning": "warn", "error": "bad"}
_NAME_WIDTH = 10


def state_of(run: RunLine) -> str:
    """One word for where a run stands."""
    if run.presence == "presumed dead":
        return f"dead {ago(run.silent_s)}"
    if run.presence == "not started":
        return "starting" if not run.words else "failed"
    if run.is_live:
        return str(run.presence)
    return run.ending or "ended"


def ago(seconds: float | None) -> str:
    """How long ago, in its greatest unit: "40 s", "3 min", "2 h", "5 d"."""
    if seconds is None:
        return ""
    for limit, unit_s, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // unit_s)} {unit}"
    return f"{int(seconds // 86_400)} d"


def steps_of(run: RunLine) -> str:
    """ "412/1,200"."""
    return f"{run.step:,}/{run.planned_steps:,}" if run.planned_steps else f"{run.step:,}"


def columns(width: int) -> tuple[int, bool, bool, bool]:
    """The width of the name, and whether there is room for the steps, for the trend and for the model."""
    room = width - STATE_WIDTH - LOSS_WIDTH - 1
    trends = room - TREND_WIDTH - 2 >= LEAST_NAME
    room -= (TREND_WIDTH + 2) if trends else 0
    steps = room - STEP_WIDTH - 1 >= LEAST_NAME
    room -= (STEP_WIDTH + 1) if steps else 0
    model = room - MODEL_WIDTH - 1 >= LEAST_NAME
    room -= (MODEL_WIDTH + 1) if model else 0
    return room, steps, trends, model


def run_cells(run: RunLine, width: int) -> list[Cell]:
    """One run: name, where it stands, steps, loss, a small trend."""
    name_width, steps, trends, model = columns(width)
    state = state_of(run)
    style = _STATE_STYLES.get(state.partition(" ")[0], "muted")
    cells = [Cell(run.name, name_width - 1, style="strong"), Cell(" ")]
    if model:
        cells += [Cell(run.model, MODEL_WIDTH, style="muted"), Cell(" ")]
    cells.append(Cell(state, STATE_WIDTH, style=style))
    if steps:
        cells += [Cell(steps_of(run), STEP_WIDTH, right=True), Cell(" ")]
    cells += [Cell(compact_number(run.loss_nats), LOSS_WIDTH, right=True)]
    if trends:
        cells += [Cell("  "), Cell(trend(run.trend, TREND_WIDTH), TREND_WIDTH, style="accent")]
    return cells


def runs_header(width: int) -> Content:
    """The names of the columns over the list of runs."""
    name_width, steps, trends, model = columns(width)
    text = "  " + f"{'run':<{name_width}}"
    if model:
        text += f"{'model':<{MODEL_WIDTH + 1}}"
    text += f"{'state':<{STATE_WIDTH}}"
    if steps:
        text += f"{'step':>{STEP_WIDTH}} "
    text += f"{'loss':>{LOSS_WIDTH}}"
    if trends:
        text += "  trend"
    return Content.styled(text, "$muted")


def event_cells(event: Event, width: int) -> list[Cell]:
    """One event: step, name, words; where it is narrow the words alone, in wide panes the time too."""
    style = _LEVEL_STYLES.get(event.level, "")
    cells = [Cell(f"{event.step:,}", STEP_OF_EVENT, right=True, style="muted"), Cell("  ")]
    room = width - STEP_OF_EVENT - 2
    if room >= NAMED_FROM:
        cells += [Cell(event.name, _NAME_WIDTH, style=style or "accent"), Cell(" ")]
        room -= _NAME_WIDTH + 1
    at = local_time(event.at)
    timed = room >= TIMED_FROM
    room -= len(at) + 2 if timed else 0
    cells.append(Cell(event.words or event.name, max(1, room), style=style))
    return [*cells, Cell(f"  {at}", style="muted")] if timed else cells


def newest_first(events: Sequence[Event]) -> list[Event]:
    return list(reversed(events))
