"""The Train screen: every run, the chosen one as charts and gauges, and the keys that steer it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from lab.errors import LabError
from lab.safetext import safe_line
from screens.actions import bindings
from screens.formats import compact_number, join_fitting
from screens.shell import LabScreen
from screens.training.book import RunBook
from screens.training.chart_grid import ChartGrid
from screens.training.gauges import gauges, strip
from screens.training.hardware import Usage, UsageMeter
from screens.training.rows import event_cells, newest_first, run_cells, runs_header
from screens.training.samples import SampleTape
from screens.training.source import RunLine, RunSource
from screens.training.steering import Steering
from screens.widgets.step_chart import StepChart
from screens.widgets.virtual_list import VirtualList
from store.errors import StoreError

if TYPE_CHECKING:
    from lab.train.folder import RunFolder
    from lab.train.watch import RunTail
    from screens.training.start import Wanted

View = Literal["charts", "samples", "log"]
VIEWS: tuple[View, ...] = ("charts", "samples", "log")
POLL_S = 0.05
RETRY_S = 1.0
DRAW_EVERY = 2
LIST_EVERY = 20
MOST_OVERLAID = 4
FAR = 10
MARKS_ROOM = 1
BORDER_ROOM = 4
ROOMY_HEIGHT = 46


class FilterBox(Input):
    """The line that filters runs; letters are text while it has the focus."""

    takes_text = True


class RunsHeader(Widget):
    """The names of the columns of the list of runs."""

    def render(self) -> Content:
        return runs_header(self.size.width - MARKS_ROOM - 2)


class TrainingScreen(LabScreen):
    """Left the runs and the gauges of the chosen one, right its charts, below its samples and events."""

    ID = "training"
    CSS_PATH = "training.tcss"
    BINDINGS = bindings("training")
    AUTO_FOCUS: ClassVar[str | None] = "#runs"

    def __init__(self) -> None:
        super().__init__()
        self.source: RunSource
        self.steering: Steering
        self.book: RunBook | None = None
        self.run: RunLine | None = None
        self.view: View = "charts"
        self._ids: list[str] = []
        self._wanted: str | None = None
        self._filter = ""
        self._tail: RunTail | None = None
        self._others: list[RunBook] = []
        self._meter = UsageMeter()
        self._usage = Usage()
        self._gauged: tuple[Any, ...] = ()
        self._drawn: tuple[Any, ...] = ()
        self._log_drawn: tuple[Any, ...] = ()
        self._pinned: int | None = None
        self._visible = asyncio.Event()
        self._seen_changes = -1

    # -- layout ----------------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        with Vertical(id="left"):
            with Vertical(id="runs-pane", classes="pane"):
                yield FilterBox(placeholder="filter by name, model or objective", id="run-filter")
                yield RunsHeader(id="runs-header")
                yield VirtualList(
                    run_cells,
                    lambda run: run.id,
                    selectable=True,
                    openable=False,
                    empty="No runs yet: N starts one.",
                    id="runs",
                )
            with (
                Vertical(id="gauges-pane", classes="pane"),
                VerticalScroll(can_focus=False, id="gauges-scroll"),
            ):
                yield Static(id="gauges")
        with Vertical(id="main"):
            yield ChartGrid(id="charts")
            with Horizontal(id="below"):
                with Vertical(id="samples-pane", classes="pane") as pane:
                    pane.border_title = Content("Samples on probes")
                    yield SampleTape(id="samples")
                with Vertical(id="log-pane", classes="pane") as pane:
                    pane.border_title = Content("Events")
                    yield VirtualList(
                        event_cells,
                        lambda event: (event.at, event.step, event.name, event.words),
                        openable=False,
                        empty="Nothing happened yet.",
                        id="log",
                    )

    @property
    def runs(self) -> VirtualList[RunLine]:
        return self.query_one("#runs", VirtualList)

    @property
    def charts(self) -> ChartGrid:
        return self.query_one(ChartGrid)

    def set_ready(self) -> None:
        self.source = RunSource(self.lab.home, self.lab.store)
        self.steering = Steering(self.lab, self.source, self.choose)
        self._visible.set()
        self._show_view("charts")
        self.lab.spawn(self._follow(), "follow a run")

    def on_screen_suspend(self, event: events.ScreenSuspend) -> None:
        super().on_screen_suspend(event)
        self._visible.clear()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self._visible.set()
        super().on_screen_resume(event)

    # -- following -------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Take in what the chosen run writes, while this screen is in front."""
        while self.is_attached:
            await self._visible.wait()
            tail, book = self._tail, self.book
            if tail is not None and book is not None:
                try:
                    records = await asyncio.to_thread(tail.poll)
                except (OSError, StoreError, ValueError):
                    # A journal that is just being moved, or a half-written line: it is there the next time.
                    await asyncio.sleep(RETRY_S)
                    continue
                if tail is self._tail:
                    book.take(records)
            await asyncio.sleep(POLL_S)

    def tick(self) -> None:
        if self._ticks % LIST_EVERY == 1 or (
            self.lab.store.changes != self._seen_changes and self._ticks % 4 == 0
        ):
            self._seen_changes = self.lab.store.changes
            self.lab.latest("read runs", self._reload)
        if self._ticks % DRAW_EVERY == 0:
            self._draw()

    async def _reload(self) -> None:
        """The list again; the cursor stays on its run, wherever that is now."""
        self.steering.reap()
        source, ids = self.source, await self.source.ids(self._filter)
        chosen = self._wanted or (self.run.id if self.run else None)
        self._ids = ids

        async def page(offset: int, limit: int) -> Sequence[RunLine]:
            lines = await source.page(ids[offset : offset + limit])
            if any(line.is_ahead_of_the_store for line in lines):
                self.lab.store.ingest_soon()
            return lines

        if chosen in ids:
            self.runs.cursor = ids.index(chosen)
        self.runs.show(len(ids), page, keep_cursor=True)
        self.runs.empty = (
            "No run matches; Backspace clears the filter." if self._filter else "No runs yet: N starts one."
        )
        if not ids:
            self._choose_none()
        if self.run is not None:
            folder = source.folder(self.run.id)
            self._usage = self._meter.measure(folder.read_heartbeat() if folder else None)
        if self._others:
            await self._read_others()
        self._draw_titles()

    @on(VirtualList.Moved, "#runs")
    def _run_moved(self, event: VirtualList.Moved) -> None:
        event.stop()
        row, index = self.runs.current, self.runs.cursor
        if row is None or index >= len(self._ids) or self._ids[index] != row.id:
            return
        if row.id == self._wanted:
            # Only now: until its row has come, the list may be read again with the cursor on the run before.
            self._wanted = None
        before, self.run = self.run, row
        revived = row.is_live and self._tail is None
        if before is None or before.id != row.id or revived:
            self._choose(row)

    def _choose(self, run: RunLine) -> None:
        self._tail, self.book = None, None
        self._pinned = self.charts.cursor = None
        self._meter, self._usage = UsageMeter(), Usage()
        self.lab.latest("read a run", self._open, run)
        self._draw_gauges(run, RunBook(run.id))
        self._draw_titles()

    def choose(self, run_id: str) -> None:
        """Put the cursor on a run, as soon as it is in the list."""
        self._wanted = run_id
        self.lab.latest("read runs", self._reload)

    def _choose_none(self) -> None:
        self.run = self.book = self._tail = None

    async def _open(self, run: RunLine) -> None:
        """A run that is over comes from the store; one that may go on is read from its journals."""
        from lab.train.watch import RunTail

        folder = self.source.folder(run.id)
        book, tail = None, None
        if (run.presence in ("ended", None) or folder is None) and self.lab.store.state != "failed":
            await self.lab.store.read_now()
            book = await self.source.book(run.id)
        if book is None and folder is not None:
            tail, book = RunTail(self.lab.home, folder), RunBook(run.id)
            await asyncio.to_thread(_catch_up, book, tail)
        if self.run is not None and self.run.id == run.id:
            self.book, self._tail = book, tail
            if book is not None and not book.name:
                book.name = run.name

    # -- drawing ---------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        """What has changed since the last time, in the panes that are in sight."""
        book, run = self.book, self.run
        if book is None or run is None:
            return
        self.steering.tell_answers(book)
        facts = (book.run_id, book.revision, run, self._usage, self.size)
        if facts != self._gauged:
            self._gauged = facts
            self._draw_gauges(run, book)
        state = (book.run_id, book.revision, self.size, self.view)
        if state == self._drawn:
            return
        self._drawn = state
        if self.view == "charts":
            self.charts.room = self._room()
            self.charts.show(book, self._others)
        if self.query_one("#samples-pane").display:
            self.query_one(SampleTape).show(list(reversed(book.samples)), book.may_answer)
        self._draw_log(book)

    def _room(self) -> int:
        if self.app.size.width < 100 or self.app.size.height < 32:
            return 1
        return 6 if self.app.size.width >= 160 else 4

    def _draw_gauges(self, run: RunLine, book: RunBook) -> None:
        pane = self.query_one("#gauges", Static)
        width = max(20, self.query_one("#gauges-scroll").scrollable_content_region.width)
        if self.app.size.width < 100 or self.app.size.height < 32:
            pane.update(strip(run, book, self._usage, width))
        else:
            dense = self.app.size.height < ROOMY_HEIGHT
            pane.update(gauges(run, book, self._usage, width, dense=dense))

    def _draw_log(self, book: RunBook) -> None:
        mark = (book.run_id, len(book.events), book.events[-1] if book.events else None)
        if mark != self._log_drawn:
            self._log_drawn = mark
            self.query_one("#log", VirtualList).show_rows(newest_first(list(book.events)))

    def _draw_titles(self) -> None:
        pane = self.query_one("#runs-pane")
        n = len(self._ids)
        pane.border_title = Content(f"Runs · {n:,}")
        marked = len(self.runs.selected)
        words = [f"{marked} marked"] if marked else []
        if self._filter:
            words.append(f"“{safe_line(self._filter)}”")
        pane.border_subtitle = Content(" · ".join(words))
        side = self.query_one("#gauges-pane")
        if self.run is not None:
            room = side.size.width - BORDER_ROOM
            side.border_title = Content(safe_line(join_fitting([self.run.name], room)))
            side.border_subtitle = Content(
                safe_line(join_fitting([self.run.model, self.run.objective], room))
            )

    # -- the view and the cursor -----------------------------------------------------------------------------

    def _show_view(self, view: View) -> None:
        self.view = view
        for name in VIEWS:
            self.set_class(name == view, f"-view-{name}")

    def action_view(self) -> None:
        self._show_view(VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)])
        self.call_after_refresh(self._draw)

    def action_charts_on(self) -> None:
        self._turn(1)

    def action_charts_back(self) -> None:
        self._turn(-1)

    def _turn(self, by: int) -> None:
        self.charts.turn(by)
        if self.book is not None:
            self.charts.show(self.book, self._others)

    def action_right(self) -> None:
        self._move(1)

    def action_left(self) -> None:
        self._move(-1)

    def action_far_right(self) -> None:
        self._move(FAR)

    def action_far_left(self) -> None:
        self._move(-FAR)

    def _move(self, by: int) -> None:
        if self.book is not None:
            series = self.book.series_of("train", "loss_nats")
            self._pinned = series.next_step(self.charts.cursor, by)
            self.charts.point_at(self._pinned)

    def action_no_cursor(self) -> None:
        if self.query_one(FilterBox).has_focus:
            self._leave_filter()
        else:
            self._pinned = None
            self.charts.point_at(None)

    @on(StepChart.Pointed)
    def _pointed(self, event: StepChart.Pointed) -> None:
        event.stop()
        if event.pinned:
            self._pinned = event.step
        self.charts.point_at(self._pinned if event.step is None else event.step)

    # -- overlay ---------------------------------------------------------------------------------------------

    @on(VirtualList.SelectionChanged, "#runs")
    def _marked(self, event: VirtualList.SelectionChanged) -> None:
        event.stop()
        selected = self.runs.selected
        while len(selected) > MOST_OVERLAID:
            del selected[next(iter(selected))]
        self._draw_titles()
        self.lab.latest("overlay runs", self._read_others)

    async def _read_others(self) -> None:
        chosen = self.run.id if self.run else ""
        wanted = [run_id for run_id in self.runs.selected if run_id != chosen][: MOST_OVERLAID - 1]
        await self.lab.store.open.wait()
        self._others = [await self.source.loss(str(run_id)) for run_id in wanted]
        self._drawn = ()

    # -- filter ----------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        box = self.query_one(FilterBox)
        box.add_class("-open")
        box.focus()

    @on(Input.Changed, "#run-filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        self._filter = event.value
        self.lab.latest("read runs", self._reload)

    @on(Input.Submitted, "#run-filter")
    def _leave_filter(self) -> None:
        box = self.query_one(FilterBox)
        box.set_class(bool(box.value), "-open")
        self.runs.focus()

    def action_clear(self) -> None:
        box = self.query_one(FilterBox)
        box.value = ""
        box.remove_class("-open")
        self.runs.unselect_all()

    # -- steering --------------------------------------------------------------------------------------------

    def action_new(self) -> None:
        self.steering.new()

    def action_pause(self) -> None:
        if self.run is not None:
            self.steering.pause_or_resume(self.run)

    def action_stop_run(self) -> None:
        if self.run is not None:
            self.steering.stop(self.run)

    def action_save(self) -> None:
        if self.run is not None:
            self.steering.send(self.run, "save")

    def action_change(self) -> None:
        if self.run is not None and self.book is not None:
            self.steering.change(self.run, self.book)

    def action_go_on(self) -> None:
        if self.run is not None:
            self.steering.go_on(self.run)

    def action_roll_back(self) -> None:
        if self.run is not None:
            self.steering.roll_back(self.run)

    def action_rematch(self) -> None:
        """The run's adapter against what was there before, on Curate."""
        folder = self.source.folder(self.run.id) if self.run is not None else None
        if folder is None:
            self.lab.tell("There is no run here with an adapter.")
        else:
            self.lab.spawn(self._rematch(folder), "new against old")

    async def _rematch(self, folder: RunFolder) -> None:
        from screens.curate.screen import CurateScreen

        curate = await self.lab.show_screen("curate")
        assert isinstance(curate, CurateScreen)
        await curate.rematch(folder)

    def start_on(self, wanted: Wanted) -> None:
        """Open the window that starts a run, filled in."""
        self.steering.wanted = wanted
        self.steering.new()

    def action_refresh(self) -> None:
        self.lab.store.ingest_soon()
        self.lab.latest("read runs", self._reload)

    def copy_text(self) -> str | None:
        """The run's id, and what is read at the cursor."""
        if self.run is None or self.book is None:
            return None
        lines = [f"{self.run.name}  {self.run.id}"]
        cursor = self.charts.cursor
        for (source, name), series in sorted(self.book.series.items()):
            point = series.at(cursor) if cursor is not None else None
            value = point.mean if point is not None else series.last
            lines.append(f"{source}.{name}  {compact_number(value)}")
        return "\n".join(lines)


def _catch_up(book: RunBook, tail: RunTail) -> None:
    try:
        book.take(tail.poll())
    except ValueError as error:
        raise LabError(f"the journals of run {book.run_id[-8:]} cannot be read: {error}") from error
