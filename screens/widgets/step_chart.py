"""The widget of a chart over steps: a legend with the values read at the cursor, axes, and the drawing."""

from __future__ import annotations

from bisect import bisect_left
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from lab.safetext import safe_line
from screens.formats import MISSING, clip
from screens.widgets.chart import Band
from screens.widgets.step_plot import ChartData, Line, Picture, Rule, plot_steps

__all__ = ["Band", "ChartData", "Line", "Rule", "StepChart"]

LINES = ("first", "second", "third", "fourth")
STYLES = (*LINES, *(f"{name}-soft" for name in LINES), "target", "floor", "axis", "cursor", "strong")
LEGENDS = ((20, True), (12, True), (8, True), (12, False), (6, False))


class StepChart(Widget):
    """Several series over the steps of a run. Moving the mouse over it, or a click, asks for a cursor."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"step--{name}" for name in (*STYLES, "band", "warn")}
    DEFAULT_CSS = """
    StepChart {
        height: 1fr;
        .step--first { color: $primary; }
        .step--second { color: $secondary; }
        .step--third { color: $success; }
        .step--fourth { color: $error; }
        .step--first-soft { color: $primary 45%; }
        .step--second-soft { color: $secondary 45%; }
        .step--third-soft { color: $success 45%; }
        .step--fourth-soft { color: $error 45%; }
        .step--target { color: $success 80%; }
        .step--floor { color: $foreground 35%; }
        .step--axis { color: $muted; }
        .step--strong { color: $foreground; text-style: bold; }
        .step--cursor { background: $primary 28%; }
        .step--band { background: $success 14%; }
        .step--warn { background: $warning 18%; }
    }
    """

    class Pointed(Message):
        """The mouse is on a step (None: it left); `pinned` by a click."""

        def __init__(self, step: int | None, pinned: bool = False) -> None:
            super().__init__()
            self.step = step
            self.pinned = pinned

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor: int | None = None
        self.times_drawn = 0
        self._data = ChartData()
        self._last_step = 0
        self._picture = Picture()
        self._axis_width = 5
        self._looks: dict[tuple[str, bool, bool], Style] = {}

    def show(self, data: ChartData, last_step: int, cursor: int | None = None) -> None:
        """Draw `data` from step 0 to `last_step`; the legend reads at `cursor`, or else the newest values."""
        if data.band_style != self._data.band_style:
            self._looks.clear()
        self._data, self._last_step, self.cursor = data, last_step, cursor
        self._plot()
        self.refresh()

    def point_at(self, cursor: int | None) -> None:
        """Move the cursor only: nothing is plotted again."""
        if cursor != self.cursor:
            self.cursor = cursor
            self.refresh()

    def on_resize(self) -> None:
        self._plot()
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._looks.clear()

    def _plot(self) -> None:
        width, height = self.size.width, self.size.height - 2
        if width < 1 or height < 1:
            self._picture = Picture()
            return
        self.times_drawn += 1
        picture = plot_steps(self._data, width - self._axis_width, height, self._last_step)
        wanted = max((len(label) for label in picture.labels.values()), default=0) + 1
        if wanted != self._axis_width and picture.labels:
            self._axis_width = wanted
            picture = plot_steps(self._data, width - wanted, height, self._last_step)
        self._picture = picture

    # -- drawing ---------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        if y == 0:
            segments = self._legend()
        elif y <= len(self._picture.rows):
            segments = [Segment(self._label(y - 1), self._look("axis")), *self._cells(y - 1)]
        else:
            segments = self._foot() if y == self.size.height - 1 else []
        return Strip(segments).crop_extend(0, self.size.width, self.rich_style)

    def _legend(self) -> list[Segment]:
        """A mark, a name and a value for each line, shorter where there is little room."""
        entries = next(
            (found for found in map(self._entries, LEGENDS) if _width_of(found) <= self.size.width + 2),
            self._entries(LEGENDS[-1]),
        )
        return [segment for entry in entries for segment in entry]

    def _entries(self, form: tuple[int, bool]) -> list[list[Segment]]:
        """The legend's entries with labels of at most so many cells, with their values or without."""
        label_width, valued = form
        entries = []
        for line in self._data.lines:
            label = clip(safe_line(line.label), label_width)
            entry = [Segment("● ", self._look(line.style)), Segment(f"{label} ", self._look("axis"))]
            if valued:
                entry.append(Segment(f"{self._read(line)}  ", self._look("strong")))
            entries.append(entry)
        return entries

    def _read(self, line: Line) -> str:
        if line.series is None:
            return MISSING
        if self.cursor is None:
            return MISSING if line.series.last is None else line.show(line.series.last)
        point = line.series.at(self.cursor)
        return MISSING if point is None else line.show(point.mean)

    def _steps_read(self) -> str:
        """ "step 412", or the stretch over which the values at the cursor are means."""
        if self.cursor is None:
            return ""
        stride = getattr(self._data.lines[0].series, "stride", 1) if self._data.lines else 1
        point = self._data.lines[0].series.at(self.cursor) if self._data.lines[0].series else None
        if stride > 1 and point is not None:
            points = self._data.lines[0].series.points if self._data.lines[0].series else ()
            index = bisect_left(points, point.step, key=lambda stretch: stretch.step)
            first = points[index - 1].step + 1 if index else min(1, point.step)
            return f"steps {first:,}–{point.step:,}" if first < point.step else f"step {point.step:,}"
        return f"step {self.cursor:,}"

    def _label(self, row: int) -> str:
        label = self._picture.labels.get(row)
        width = self._axis_width - 1
        return f"{label:>{width}}┤" if label is not None else " " * width + "│"

    def _foot(self) -> list[Segment]:
        """The ends of the axis; between them its middle, or the steps that the legend is read at."""
        axis = self._look("axis")
        width = max(0, self.size.width - self._axis_width)
        if not self._picture.rows:
            return []
        left, right = " " * self._axis_width + "0", f"{self._last_step:,} steps"
        half = f"{self._last_step // 2:,}" if width > 40 and self._last_step > 1 else ""
        middle = self._steps_read() or half
        before = max(1, self._axis_width + (width - len(middle)) // 2 - len(left))
        after = self.size.width - len(left) - before - len(middle) - len(right)
        if after < 1:
            before, right = max(1, self.size.width - len(left) - len(middle)), ""
        look = axis if self.cursor is None else self._look("strong")
        return [Segment(left + " " * before, axis), Segment(middle, look), Segment(" " * after + right, axis)]

    def _cells(self, row: int) -> list[Segment]:
        chars, styles = self._picture.rows[row], self._picture.styles[row]
        banded, cursor = row in self._picture.banded, self._cursor_cell(len(chars))
        segments: list[Segment] = []
        for x, (character, name) in enumerate(zip(chars, styles, strict=True)):
            style = self._look(name, banded, x == cursor)
            if segments and segments[-1].style is style:
                segments[-1] = Segment(segments[-1].text + character, style)
            else:
                segments.append(Segment(character, style))
        return segments

    def _look(self, name: str, banded: bool = False, marked: bool = False) -> Style:
        key = (name, banded, marked)
        if key not in self._looks:
            style = self.rich_style
            if name:
                style += Style(color=self.get_component_rich_style(f"step--{name}").color)
            if name == "strong":
                style += Style(bold=True)
            if banded:
                band = f"step--{self._data.band_style}"
                style += Style(bgcolor=self.get_component_rich_style(band).bgcolor)
            if marked:
                style += Style(bgcolor=self.get_component_rich_style("step--cursor").bgcolor)
            self._looks[key] = style
        return self._looks[key]

    def _cursor_cell(self, width: int) -> int | None:
        if self.cursor is None or not self._last_step:
            return None
        return min(width * 2 - 1, self.cursor * (width * 2 - 1) // self._last_step) // 2

    # -- mouse -----------------------------------------------------------------------------------------------

    def _step_under(self, x: int) -> int | None:
        width = self.size.width - self._axis_width
        cell = x - self._axis_width
        if not self._picture.rows or width < 2 or not 0 <= cell < width:
            return None
        return round(cell * self._last_step / (width - 1))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self.post_message(self.Pointed(self._step_under(event.x)))

    def on_leave(self, _: events.Leave) -> None:
        self.post_message(self.Pointed(None))

    def on_click(self, event: events.Click) -> None:
        self.post_message(self.Pointed(self._step_under(event.x), pinned=True))


def _width_of(entries: list[list[Segment]]) -> int:
    return sum(cell_len(segment.text) for entry in entries for segment in entry)
