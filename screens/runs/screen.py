"""The Runs & gates screen: curricula, gates, safety strips, experiments, adapters, each with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from screens.actions import bindings
from screens.runs.detail import adapter_detail, experiment_detail, gate_detail, strip_detail
from screens.runs.rows import entry_cells
from screens.runs.source import KINDS, Entry, Kind, RunsSource
from screens.runs.steering import CurriculumSteering
from screens.runs.story import story_detail
from screens.shell import ActionBar, LabScreen
from screens.widgets.text_scroll import TextScroll
from screens.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from store.queries.curricula import CurriculumRow

READ_EVERY = 10
INGEST_EVERY = 40
EMPTY = {
    "curricula": "No curriculum yet: lantern curriculum run FILE.yaml begins one.",
    "gates": "Nothing judged yet: lantern gate RUN judges a run's adapter.",
    "strips": "No safety strip yet: lantern gate strip RUN measures one.",
    "experiments": "No experiment yet: N writes the first hypothesis down.",
    "adapters": "No adapter yet: a training run makes one.",
}
ROOM = 2


def report_arguments(entry: Entry) -> tuple[str, str] | None:
    """What `lantern report` is to write for an entry; None where there is nothing to report."""
    if entry.kind == "curricula":
        return "curriculum", entry.id
    run_id = getattr(entry.thing, "run_id", None) or getattr(
        getattr(entry.thing, "record", None), "run_id", None
    )
    return ("run", run_id) if run_id else None


class KindBar(ActionBar):
    """What the list shows; the brackets change it."""

    DEFAULT_CSS = "KindBar { height: 1; }"
    kind: Kind = "curricula"

    def render(self) -> Content:
        parts = []
        for kind in KINDS:
            style = "bold $background on $primary" if kind == self.kind else "$foreground 75%"
            parts.append(Content.styled(f" {kind} ", style))
        return Content("").join(parts)


class RunsScreen(LabScreen):
    """Left the list of one kind, right what the entry under the cursor says in full."""

    ID = "runs"
    CSS_PATH = "runs.tcss"
    BINDINGS = bindings("runs")
    AUTO_FOCUS: ClassVar[str | None] = "#entries"

    def __init__(self) -> None:
        super().__init__()
        self.source: RunsSource
        self.steering: CurriculumSteering
        self.kind: Kind = "curricula"
        self.entry: Entry | None = None
        self._entries: dict[Kind, list[Entry]] = {}
        self._seen_changes = -1
        self._drawn: tuple[Any, ...] = ()

    def compose_body(self) -> ComposeResult:
        with Vertical(id="entries-pane", classes="pane"):
            yield KindBar(id="kinds")
            yield VirtualList(entry_cells, lambda entry: (entry.kind, entry.id), openable=False, id="entries")
        with Vertical(id="detail-pane", classes="pane"), TextScroll(id="detail-scroll"):
            yield Static(id="detail")

    @property
    def entries(self) -> VirtualList[Entry]:
        return self.query_one("#entries", VirtualList)

    def set_ready(self) -> None:
        self.source = RunsSource(self.lab.store)
        self.steering = CurriculumSteering(self.lab)
        self._show_kind()

    def tick(self) -> None:
        store = self.lab.store
        if self._ticks % INGEST_EVERY == 0 and self.steering.reap():
            store.ingest_soon()
        if self.source.is_open and store.changes != self._seen_changes and self._ticks % READ_EVERY == 0:
            self._seen_changes = store.changes
            self.lab.latest("read gates", self._reload)

    def on_resize(self, _: events.Resize) -> None:
        self._drawn = ()
        self.call_after_refresh(self._draw_soon)

    # -- the list --------------------------------------------------------------------------------------------

    def _show_kind(self) -> None:
        bar = self.query_one(KindBar)
        bar.kind = self.kind
        bar.refresh()
        self.query_one("#entries-pane").border_title = Content("Runs & gates")
        if self.source.is_open and self.is_current:
            self.lab.latest("read gates", self._reload)

    async def _reload(self) -> None:
        """The list of this kind again; the cursor stays on its entry, wherever that is now."""
        kind = self.kind
        found = await self.source.entries(kind)
        if kind != self.kind:
            return
        self._entries[kind] = found
        chosen = self.entry.id if self.entry is not None and self.entry.kind == kind else None
        places = {entry.id: place for place, entry in enumerate(found)}

        async def page(offset: int, limit: int) -> Sequence[Entry]:
            return found[offset : offset + limit]

        self.entries.empty = EMPTY[kind]
        if chosen in places:
            self.entries.cursor = places[chosen]
        self.entries.show(len(found), page, keep_cursor=chosen in places)
        if not found:
            self.entry = None
        self._drawn = ()
        self._draw_soon()

    @on(VirtualList.Moved)
    def _moved(self, event: VirtualList.Moved) -> None:
        event.stop()
        if isinstance(event.row, Entry):
            self.entry = event.row
            self._draw_soon()

    # -- the detail ------------------------------------------------------------------------------------------

    def _draw_soon(self) -> None:
        self.lab.latest("show a gate", self._draw)

    async def _draw(self) -> None:
        pane = self.query_one("#detail-scroll", TextScroll)
        width = max(24, pane.scrollable_content_region.width - ROOM)
        entry = self.entry
        drawn = (entry.kind, entry.id, entry.at, width) if entry else (self.kind, width)
        if drawn == self._drawn:
            return
        text = await self._content(entry, width) if entry else Content.styled(EMPTY[self.kind], "$muted")
        if entry is not self.entry:
            return
        if drawn[:2] != self._drawn[:2]:
            pane.scroll_home(animate=False)
        self._drawn = drawn
        self.query_one("#detail", Static).update(text)

    async def _content(self, entry: Entry, width: int) -> Content:
        thing: Any = entry.thing
        match entry.kind:
            case "curricula":
                story = await self.source.story(entry.id)
                return story_detail(story, width) if story else Content("It is not in the store any more.")
            case "gates":
                return gate_detail(thing, width)
            case "strips":
                run_id = thing.record.run_id
                return strip_detail(thing, await self.source.trend(run_id) if run_id else (), width)
            case "experiments":
                return experiment_detail(thing, width)
            case "adapters":
                return adapter_detail(thing, width)

    # -- actions ---------------------------------------------------------------------------------------------

    def action_kind_on(self) -> None:
        self._change_kind(1)

    def action_kind_back(self) -> None:
        self._change_kind(-1)

    def _change_kind(self, by: int) -> None:
        self.kind = KINDS[(KINDS.index(self.kind) + by) % len(KINDS)]
        self.entry = None
        self._show_kind()

    def action_refresh(self) -> None:
        self.lab.store.ingest_soon()
        self.lab.latest("read gates", self._reload)

    def action_new(self) -> None:
        from screens.runs.dialogs import ExperimentDialog

        one: Any = self.entry.thing if self.entry and self.entry.kind == "experiments" else None
        self.lab.push_screen(ExperimentDialog(one), self._note_down)

    def _note_down(self, record: Any) -> None:
        if record is not None:
            self.kind = "experiments"
            self.lab.spawn(self._save(record), "keep an experiment")

    async def _save(self, record: Any) -> None:
        await self.lab.store.save([record])
        self._show_kind()
        self.lab.tell("written down")

    def action_go_on(self) -> None:
        if (row := self._curriculum()) is not None:
            self.steering.go_on(row)

    def action_roll_back(self) -> None:
        if (row := self._curriculum()) is not None:
            self.steering.roll_back(row)

    def _curriculum(self) -> CurriculumRow | None:
        if self.entry is None or self.entry.kind != "curricula":
            self.lab.tell("That is for a curriculum: choose one.")
            return None
        row: CurriculumRow = self.entry.thing
        return row

    def action_report(self) -> None:
        """Write what the entry is about as files, where the lab keeps reports."""
        wanted = report_arguments(self.entry) if self.entry else None
        if wanted is None:
            self.lab.tell("A report is written of a curriculum, and of an adapter that a run made.")
            return
        self.lab.spawn(self._report(wanted), "write a report")

    async def _report(self, wanted: Sequence[str]) -> None:
        from screens.commands import lantern

        folder = self.lab.home.path / "reports"
        self.lab.tell("Writing the report …")
        await lantern(self.lab.home, "report", *wanted, "--out", str(folder))
        self.lab.tell(f"Written to {folder}")

    def copy_text(self) -> str | None:
        return str(self.query_one("#detail", Static).content) or None
