"""As many charts of a run as the terminal has room for, with one cursor over all of them."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Grid, Vertical
from textual.content import Content
from textual.widget import Widget

from screens.training.book import RunBook
from screens.training.charts import ChartSpec, charts_of, overlay
from screens.widgets.step_chart import StepChart

SLOTS = 6


class ChartGrid(Grid):
    """Slots for charts; which run charts they show is turned by pages."""

    DEFAULT_CSS = """
    ChartGrid { grid-gutter: 0; height: 1fr; }
    ChartGrid > .slot { display: none; }
    ChartGrid > .slot.-used { display: block; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor: int | None = None
        self.room = SLOTS
        self._first = 0
        self._charts: list[ChartSpec] = []

    def compose(self) -> ComposeResult:
        for number in range(SLOTS):
            with Vertical(id=f"slot-{number}", classes="pane slot"):
                yield StepChart()

    @property
    def shown(self) -> Sequence[ChartSpec]:
        """The charts in sight."""
        return self._charts[self._first : self._first + self.room]

    def turn(self, by: int) -> None:
        """The next page of charts, or the one before; one by one where there is room for one."""
        n = len(self._charts)
        if n > self.room:
            pages = -(-n // self.room)
            self._first = ((self._first // self.room + by) % pages) * self.room

    def show(self, book: RunBook, others: Sequence[RunBook]) -> None:
        """Draw the run; with `others` the loss chart lays their losses over its own."""
        self._charts = charts_of(book)
        if self._first >= len(self._charts):
            self._first = 0
        shown = self.shown
        self._lay_out(len(shown))
        for number, slot in enumerate(self.query(".slot")):
            slot.set_class(number < len(shown), "-used")
            if number < len(shown):
                self._fill(slot, shown[number], book, others)
                slot.border_subtitle = Content(self._page_words() if number == len(shown) - 1 else "")

    def _fill(self, slot: Widget, spec: ChartSpec, book: RunBook, others: Sequence[RunBook]) -> None:
        laid_over = spec.id == "loss" and bool(others)
        data = overlay([book, *others]) if laid_over else spec.draw(book)
        title = f"Training loss of {1 + len(others)} runs" if laid_over else spec.heading(book)
        slot.border_title = Content(title)
        last_step = data.last_step if laid_over else book.step
        slot.query_one(StepChart).show(data, last_step, self.cursor)

    def point_at(self, cursor: int | None) -> None:
        """Move the cursor of all charts."""
        self.cursor = cursor
        for chart in self.query(StepChart):
            chart.point_at(cursor)

    def _lay_out(self, n: int) -> None:
        columns = 1 if n == 1 else 2 if n <= 4 else 3
        if self.size.width < 100 and n == 2:
            columns = 1
        rows = -(-n // columns)
        if (self.styles.grid_size_columns, self.styles.grid_size_rows) != (columns, rows):
            self.styles.grid_size_columns, self.styles.grid_size_rows = columns, rows

    def _page_words(self) -> str:
        n = len(self._charts)
        if n <= self.room:
            return ""
        last = min(n, self._first + self.room)
        here = f"chart {last}" if self.room == 1 else f"charts {self._first + 1}–{last}"
        return f"{here} of {n} · [ ]"
