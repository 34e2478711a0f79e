"""The Probes screen: find probes, see their history, run them under conditions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input

from lab.safetext import safe_line
from screens.actions import bindings
from screens.formats import plural
from screens.probes.detail import ProbeDetail
from screens.probes.history import probe_cells
from screens.probes.run_pane import RunPane
from screens.probes.source import ProbeSource
from screens.shell import LabScreen
from screens.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from screens.probes.plan import RunPlan
    from screens.workbench import Answer
    from store.queries import BatteryCount, ProbeFilter, ProbeRow
    from store.records import ProbeRecord

SEARCH_AFTER_S = 0.15
RUN_EVERY = 3
OWN_BATTERY = "own"


class SearchBox(Input):
    """The search line; letters are text while it has the focus."""

    takes_text = True


class ProbesScreen(LabScreen):
    """Left the list, right the probe under the cursor, below what is running."""

    ID = "probes"
    CSS_PATH = "probes.tcss"
    BINDINGS = bindings("probes")
    AUTO_FOCUS: ClassVar[str | None] = "#probe-list"

    def __init__(self) -> None:
        super().__init__()
        self.source: ProbeSource | None = None
        self._seen_changes = -1
        self._probe: ProbeRow | None = None
        self._batteries: Sequence[BatteryCount] = ()
        self._which_shown: ProbeFilter | None = None

    # -- layout ----------------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        with Horizontal(id="columns"):
            with Vertical(id="list-pane", classes="pane"):
                yield SearchBox(placeholder="search ids, domains and prompts", id="search")
                yield VirtualList(
                    probe_cells,
                    lambda row: (row.battery, row.id),
                    selectable=True,
                    empty="The store is being read …",
                    id="probe-list",
                )
            yield ProbeDetail(id="probe-detail")
        with Container(id="run-pane", classes="pane"):
            yield RunPane()

    @property
    def rows(self) -> VirtualList[ProbeRow]:
        return self.query_one("#probe-list", VirtualList)

    @property
    def detail(self) -> ProbeDetail:
        return self.query_one(ProbeDetail)

    def set_ready(self) -> None:
        self.source = self.source or ProbeSource(self.lab.store)
        state = self.lab.state
        if state.search:
            box = self.query_one(SearchBox)
            with self.prevent(Input.Changed):
                box.value = safe_line(state.search)
            box.add_class("-open")
        self._draw_titles()

    # -- the list --------------------------------------------------------------------------------------------

    @property
    def _n_all(self) -> int:
        return sum(battery.n for battery in self._batteries)

    @property
    def which(self) -> ProbeFilter:
        from store.queries import ProbeFilter

        state = self.lab.state
        return ProbeFilter(
            text=state.search.strip(), batteries=tuple(state.batteries), domains=tuple(state.domains)
        )

    def tick(self) -> None:
        store = self.lab.store
        if store.open.is_set() and store.changes != self._seen_changes:
            self._seen_changes = store.changes
            self.reload()
        if self._ticks % RUN_EVERY == 0:
            self._draw_run()

    def reload(self) -> None:
        """Ask again what the filter shows; under the same filter the cursor stays where it is."""
        self.lab.latest("read probes", self._reload)

    async def _reload(self) -> None:
        assert self.source is not None
        source, which = self.source, self.which
        keep_cursor = which == self._which_shown
        total = await source.count(which)
        self._batteries = await source.batteries()
        self.rows.empty = (
            "No probe matches; Backspace clears the filter." if self._n_all else "No probes yet."
        )
        self.rows.show(
            total, lambda offset, limit: source.page(which, offset, limit), keep_cursor=keep_cursor
        )
        self._which_shown = which
        self._draw_titles()

    def _draw_titles(self) -> None:
        state, pane = self.lab.state, self.query_one("#list-pane")
        shown = self.rows.total
        count = f"{shown:,}" if shown == self._n_all else f"{shown:,} of {self._n_all:,}"
        pane.border_title = Content(f"Probes · {count}")
        parts = []
        if state.batteries:
            parts.append(", ".join(state.batteries))
        if state.domains:
            parts.append(", ".join(state.domains))
        if self.rows.selected:
            parts.append(f"{len(self.rows.selected):,} selected")
        pane.border_subtitle = Content(safe_line(" · ".join(parts)))

    @on(VirtualList.SelectionChanged)
    def _selection_changed(self) -> None:
        self._draw_titles()

    # -- the probe under the cursor --------------------------------------------------------------------------

    @on(VirtualList.Moved, "#probe-list")
    def _probe_moved(self, event: VirtualList.Moved) -> None:
        event.stop()
        self._probe = event.row
        if self.source is not None:
            self.detail.show(event.row, self.source)

    # -- what is running -------------------------------------------------------------------------------------

    def _draw_run(self) -> None:
        job = self.lab.bench.current_job
        pane = self.query_one("#run-pane")
        battery = job if job is not None and job.is_battery else None
        if pane.has_class("-open") != (battery is not None):
            pane.set_class(battery is not None, "-open")
        if battery is not None:
            pane.border_title = Content(safe_line(battery.title))
            self.query_one(RunPane).show(battery)

    # -- search and filters ----------------------------------------------------------------------------------

    def action_search(self) -> None:
        box = self.query_one(SearchBox)
        box.add_class("-open")
        self.set_focus(box)

    @on(Input.Changed, "#search")
    def _search_changed(self, event: Input.Changed) -> None:
        self.lab.state.search = event.value
        self.lab.latest("search", self._search_soon)

    async def _search_soon(self) -> None:
        await asyncio.sleep(SEARCH_AFTER_S)
        self.reload()

    @on(Input.Submitted, "#search")
    def _search_done(self) -> None:
        self._leave_search()

    def key_escape(self) -> None:
        if self.query_one(SearchBox).has_focus:
            self._leave_search()

    def _leave_search(self) -> None:
        box = self.query_one(SearchBox)
        box.set_class(bool(box.value), "-open")
        self.rows.focus()

    def action_clear(self) -> None:
        state = self.lab.state
        state.batteries, state.domains, state.search = [], [], ""
        box = self.query_one(SearchBox)
        with self.prevent(Input.Changed):
            box.value = ""
        box.remove_class("-open")
        self.reload()

    def action_battery(self) -> None:
        from screens.dialogs import Choice, ChoiceDialog

        choices = [Choice(row.battery, row.battery, row.n) for row in self._batteries]

        def take(chosen: tuple[str, ...] | None) -> None:
            if chosen is not None:
                self.lab.state.batteries = list(chosen)
                self.reload()

        self.lab.windows.open(ChoiceDialog, take, "Batteries", choices, self.lab.state.batteries)

    def action_domain(self) -> None:
        self.lab.spawn(self._choose_domains(), "filter by domain")

    async def _choose_domains(self) -> None:
        from screens.dialogs import Choice, ChoiceDialog

        assert self.source is not None
        rows = await self.source.domains(self.lab.state.batteries)
        choices = [Choice(row.domain, row.domain, row.n) for row in rows]

        def take(chosen: tuple[str, ...] | None) -> None:
            if chosen is not None:
                self.lab.state.domains = list(chosen)
                self.reload()

        self.lab.windows.open(ChoiceDialog, take, "Domains", choices, self.lab.state.domains)

    def action_compare(self) -> None:
        self.lab.spawn(self._compare(), "compare")

    async def _compare(self) -> None:
        from lab.probes import from_row
        from screens.compare.screen import CompareScreen

        chosen = [from_row(row) for row in self._chosen()]
        screen = await self.lab.show_screen("compare")
        assert isinstance(screen, CompareScreen)
        await screen.ask_new(chosen)

    def action_refresh(self) -> None:
        self.lab.store.ingest_soon()
        self.reload()

    # -- selection and running -------------------------------------------------------------------------------

    def action_select_all(self) -> None:
        self.lab.spawn(self._select_all(), "select all")

    async def _select_all(self) -> None:
        assert self.source is not None
        self.rows.select(await self.source.all(self.which))

    def action_select_none(self) -> None:
        self.rows.unselect_all()

    def _chosen(self) -> list[ProbeRow]:
        """The selected probes, or the one under the cursor."""
        if self.rows.selected:
            return list(self.rows.selected.values())
        return [self._probe] if self._probe else []

    def action_run(self) -> None:
        from lab.kernels import shipped
        from lab.sampling import presets
        from screens.probes.dialogs import RunDialog

        chosen = self._chosen()
        if not chosen:
            self.lab.tell("There is no probe to run.")
            return

        def run(plan: RunPlan | None) -> None:
            if plan is not None:
                self.lab.spawn(self._run(chosen, plan), "run probes")

        self.lab.windows.open(RunDialog, run, len(chosen), shipped(), presets())

    async def _run(self, chosen: Sequence[ProbeRow], plan: RunPlan) -> None:
        from lab.probes import from_row
        from screens.probes.plan import plan_asks

        asks = await asyncio.to_thread(lambda: plan_asks([from_row(row) for row in chosen], plan))
        await self.lab.bench.ask(asks, f"battery of {plural(len(chosen), 'probe')}", plan.batch_size)
        self.rows.unselect_all()

    @on(VirtualList.Opened, "#probe-list")
    async def _open_probe(self, event: VirtualList.Opened) -> None:
        from lab.probes import from_row
        from screens.live.screen import LiveScreen

        event.stop()
        live = await self.lab.show_screen("live")
        assert isinstance(live, LiveScreen)
        live.open_probe(from_row(event.row))

    @on(VirtualList.Opened, "#answers")
    def _open_answer(self, event: VirtualList.Opened) -> None:
        event.stop()
        self.lab.spawn(self._open_stored(event.row.generation_id), "open an answer")

    async def _open_stored(self, generation_id: str) -> None:
        from screens.live.screen import LiveScreen

        answer = await self._stored_answer(generation_id)
        if answer is not None:
            live = await self.lab.show_screen("live")
            assert isinstance(live, LiveScreen)
            live.show_answer(answer)

    async def _stored_answer(self, generation_id: str) -> Answer | None:
        from lab.kernels import shipped
        from screens.live.stored import answer_of

        assert self.source is not None
        stored = await self.source.generation(generation_id)
        if stored is None:
            self.lab.tell("That answer is not in the store any more.", severity="warning")
            return None
        return answer_of(stored, shipped())

    async def answer_shown(self) -> Answer | None:
        """The answer under the cursor in the probe's history."""
        row = self.detail.answer_rows.current
        return await self._stored_answer(row.generation_id) if row else None

    # -- writing, importing, exporting -----------------------------------------------------------------------

    def action_add(self) -> None:
        self._form(None)

    def action_edit(self) -> None:
        from lab.probes import from_row

        if self._probe is not None:
            self._form(from_row(self._probe))

    def _form(self, probe: ProbeRecord | None) -> None:
        from screens.probes.dialogs import ProbeForm

        def save(made: ProbeRecord | None) -> None:
            if made is not None:
                self.lab.spawn(self._save([made], f"{made.id} is saved"), "save the probe")

        batteries = self.lab.state.batteries
        self.lab.windows.open(ProbeForm, save, probe, batteries[0] if len(batteries) == 1 else OWN_BATTERY)

    async def _save(self, probes: Sequence[ProbeRecord], message: str) -> None:
        await self.lab.store.save(probes)
        self.lab.tell(message)

    def action_import_file(self) -> None:
        from screens.dialogs import LineDialog

        def load(path: str | None) -> None:
            if path:
                self.lab.spawn(self._import(Path(path).expanduser()), "import probes")

        note = "A YAML, JSON or JSONL file. Rows that cannot be used are listed; the good ones come in."
        self.lab.windows.open(LineDialog, load, "Import probes", note, placeholder="/path/to/probes.yaml")

    async def _import(self, path: Path) -> None:
        from lab.probes import load
        from screens.dialogs import ErrorDialog

        file = await asyncio.to_thread(load, path)
        if file.probes:
            await self._save(file.probes, f"{plural(len(file.probes), 'probe')} imported from {path.name}")
        if file.bad:
            lines = "\n".join(str(row) for row in file.bad)
            self.lab.windows.open(ErrorDialog, None, f"{plural(len(file.bad), 'row')} left out", lines)

    def action_export_file(self) -> None:
        from screens.dialogs import LineDialog

        def export(path: str | None) -> None:
            if path:
                self.lab.spawn(self._export(Path(path).expanduser()), "export probes")

        n = len(self.rows.selected) or self.rows.total
        note = f"{plural(n, 'probe')} as YAML, JSON or JSONL, told by the name's ending."
        self.lab.windows.open(LineDialog, export, "Export probes", note, placeholder="/path/to/probes.yaml")

    async def _export(self, path: Path) -> None:
        from lab.probes import export, from_row

        assert self.source is not None
        rows = list(self.rows.selected.values()) or await self.source.all(self.which)
        await asyncio.to_thread(lambda: export([from_row(row) for row in rows], path))
        self.lab.tell(f"{plural(len(rows), 'probe')} written to {path}")

    def copy_text(self) -> str | None:
        return self._probe.prompt if self._probe else None
