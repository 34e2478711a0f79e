"""The Compare screen: two sides as a battery and pair by pair, while they answer and afterwards."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget

from lab.errors import LabError
from lab.protocol import View
from lab.safetext import safe_line
from screens.actions import bindings
from screens.compare.pair import Pair, side_score
from screens.compare.pair_view import SIDES, PairView
from screens.compare.ratings import RatedScale, rated_scales
from screens.compare.rows import comparison_cells, name_of, pair_cells, pairs_header
from screens.compare.runner import Runner
from screens.compare.score_panel import PairScores
from screens.compare.source import CompareSource
from screens.compare.summary import summary_content
from screens.formats import join_fitting
from screens.shell import LabScreen
from screens.widgets.virtual_list import Cell, VirtualList

if TYPE_CHECKING:
    from lab.compare.sides import Side
    from lab.compare.summary import ComparisonSummary
    from lab.protocol import Overlaid
    from screens.compare.dialogs import Wanted
    from screens.compare.runner import ComparePlan
    from screens.workbench import Answer
    from store.queries import ComparisonRow, PairFilter, PairRow, RatingRow, StoredGeneration
    from store.records import ComparisonRecord, ProbeRecord, SideName, SideRecord

Place = Literal["past", "battery", "pair"]
BORDER_ROOM = 4
MARKS_ROOM = 3
READ_AGAIN_EVERY = 30
FOLLOW_EVERY = 5
VERDICTS = (None, "improved", "regressed", "unchanged")


class TextScroll(VerticalScroll):
    """A text that is scrolled by the keys of texts."""

    BINDINGS = bindings("text")

    def action_down(self) -> None:
        self.scroll_down(animate=False)

    def action_up(self) -> None:
        self.scroll_up(animate=False)

    def action_page_down(self) -> None:
        self.scroll_page_down(animate=False)

    def action_page_up(self) -> None:
        self.scroll_page_up(animate=False)

    def action_first(self) -> None:
        self.scroll_home(animate=False)

    def action_last(self) -> None:
        self.scroll_end(animate=False)


class SummaryText(Widget):
    """The summary of a battery, drawn anew for every width."""

    DEFAULT_CSS = """
    SummaryText { height: auto; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.summary: ComparisonSummary | None = None
        self._ratings: Sequence[RatedScale] = ()
        self._note = ""

    def show(self, summary: ComparisonSummary | None, ratings: Sequence[RatedScale], note: str = "") -> None:
        self.summary, self._ratings, self._note = summary, ratings, note
        self.refresh(layout=True)

    def render(self) -> Content:
        if self.summary is None:
            return Content.styled(self._note, "$muted")
        return summary_content(self.summary, self._ratings, self.size.width)

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        if self.summary is None:
            return 2
        return len(summary_content(self.summary, self._ratings, width).plain.split("\n"))


class PairsHeader(Widget):
    """The names of the columns of the list of pairs."""

    DEFAULT_CSS = """
    PairsHeader { height: 1; }
    """

    blind = False

    def render(self) -> Content:
        return pairs_header(self.size.width - MARKS_ROOM, self.blind)


class CompareScreen(LabScreen):
    """All comparisons; one as a battery with its pairs; one pair of it."""

    ID = "compare"
    CSS_PATH = "compare.tcss"
    BINDINGS = bindings("compare")
    AUTO_FOCUS: ClassVar[str | None] = "#comparisons"

    def __init__(self) -> None:
        super().__init__()
        self.source: CompareSource | None = None
        self.runner: Runner | None = None
        self.record: ComparisonRecord | None = None
        self.row: PairRow | None = None
        self.blind = False
        self.following = False
        self.rater = _rater()
        self._place: Place = "past"
        self._which: PairFilter | None = None
        self._seen_changes = -1
        self._given: dict[tuple[str, str], int] = {}
        self._rated: set[int] = set()
        self._summary: ComparisonSummary | None = None
        self._rated_scales: Sequence[RatedScale] = ()

    # -- layout ----------------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        with Container(id="past-pane", classes="pane") as pane:
            pane.border_title = Content("Comparisons")
            empty = (
                "None yet: N begins one. Any two of base, adapter, checkpoint, kernel and sampling preset."
            )
            yield VirtualList(comparison_cells, lambda row: row.id, empty=empty, id="comparisons")
        with Horizontal(id="open"):
            with Vertical(id="pairs-pane", classes="pane"):
                yield PairsHeader(id="pairs-header")
                yield VirtualList(
                    self._pair_cells, lambda row: row.place, empty="No pair matches.", id="pairs"
                )
            with Container(id="summary-pane", classes="pane"), TextScroll(id="summary-scroll"):
                yield SummaryText(id="summary")
            yield PairView(id="pair")

    def _pair_cells(self, row: PairRow, width: int) -> list[Cell]:
        return pair_cells(row, width, self.blind, row.place in self._rated)

    @property
    def comparisons(self) -> VirtualList[ComparisonRow]:
        return self.query_one("#comparisons", VirtualList)

    @property
    def pairs(self) -> VirtualList[PairRow]:
        return self.query_one("#pairs", VirtualList)

    @property
    def view(self) -> PairView:
        return self.query_one(PairView)

    @property
    def place(self) -> Place:
        """Which of the three is in front."""
        return self._place

    def set_ready(self) -> None:
        from store.queries import PairFilter

        self.source = CompareSource(self.lab.store)
        self.runner = Runner(self.lab)
        self._which = PairFilter()
        self._go_to("past")

    def _go_to(self, place: Place) -> None:
        self._place = place
        for name in ("past", "battery", "pair"):
            self.set_class(name == place, f"-at-{name}")
        if place == "past":
            self.comparisons.focus()
        elif place == "battery":
            self.pairs.focus()
        else:
            self.view.tapes[0].focus()
            self._read_pair()
        self._draw_titles()
        self.refresh_bindings()

    # -- reading the store -----------------------------------------------------------------------------------

    def tick(self) -> None:
        store = self.lab.store
        if store.open.is_set() and store.changes != self._seen_changes and self._may_read():
            self._seen_changes = store.changes
            self.reload()
        if self._place == "pair":
            if self.following and self._ticks % FOLLOW_EVERY == 0:
                self._follow_on()
            self._take_live()
        if self._ticks % FOLLOW_EVERY == 0 and self._is_running:
            self._draw_titles()

    def _may_read(self) -> bool:
        """While answers come every second, the lists are read again more slowly."""
        return not self._is_running or self._ticks % READ_AGAIN_EVERY == 0 or self._seen_changes < 0

    @property
    def _is_running(self) -> bool:
        return self.runner is not None and self.runner.running is not None

    def reload(self) -> None:
        self.lab.latest("read comparisons", self._reload)

    async def _reload(self) -> None:
        assert self.source is not None
        source = self.source
        self.comparisons.show(await source.count(), source.page, keep_cursor=True)
        if self.record is not None:
            await self._reload_pairs(self.record, keep_cursor=True)
            await self._reload_ratings(self.record)
            self.lab.latest("sum up", self._sum_up, self.record)
            self._read_pair()

    async def _reload_pairs(self, record: ComparisonRecord, *, keep_cursor: bool) -> None:
        assert self.source is not None and self._which is not None
        source, which = self.source, self._which
        total = await source.count_pairs(record.id, which)

        async def page(offset: int, limit: int) -> Sequence[PairRow]:
            return await source.page_pairs(record.id, which, offset, limit)

        self.pairs.show(total, page, keep_cursor=keep_cursor)
        self._draw_titles()

    async def _reload_ratings(self, record: ComparisonRecord) -> None:
        assert self.source is not None
        rows = await self.source.ratings(record.id)
        self._take_ratings(rows)
        self._rated_scales = await asyncio.to_thread(rated_scales, rows)

    def _take_ratings(self, rows: Sequence[RatingRow]) -> None:
        own = [row for row in rows if row.rater == self.rater]
        self._given = {(row.generation_id, row.scale): row.value for row in own}
        self._rated = {row.place for row in own if row.place is not None}
        self.pairs.refresh()

    async def _sum_up(self, record: ComparisonRecord) -> None:
        assert self.source is not None
        answers = await self.source.answers(record.id)
        try:
            self._summary = await asyncio.to_thread(_summarize, answers, record)
            note = ""
        except LabError as error:
            self._summary, note = None, str(error)
        if record is self.record:
            self._draw_summary(note)

    def _draw_summary(self, note: str = "") -> None:
        text = self.query_one(SummaryText)
        if self.blind:
            text.show(None, (), "Hidden while the sides are: V shows them.")
        else:
            text.show(self._summary, self._rated_scales, note)

    # -- one comparison --------------------------------------------------------------------------------------

    @on(VirtualList.Opened, "#comparisons")
    async def _open_comparison(self, event: VirtualList.Opened) -> None:
        event.stop()
        assert self.source is not None
        record = await self.source.comparison(event.row.id)
        if record is not None:
            await self.open(record)

    async def open(self, record: ComparisonRecord, place: Place = "battery") -> None:
        """Bring a comparison to the front."""
        from store.queries import PairFilter

        self.record, self.row, self._which = record, None, PairFilter()
        self._summary, self._rated_scales = None, ()
        self._draw_summary("The pairs are being read …")
        await self._reload_pairs(record, keep_cursor=False)
        await self._reload_ratings(record)
        self.lab.latest("sum up", self._sum_up, record)
        self._go_to(place)

    @on(VirtualList.Moved, "#pairs")
    def _pair_moved(self, event: VirtualList.Moved) -> None:
        event.stop()
        if event.row is not None:
            self.row = event.row
            self._read_pair()

    @on(VirtualList.Opened, "#pairs")
    def _open_pair(self, event: VirtualList.Opened) -> None:
        event.stop()
        self.row = event.row
        self._go_to("pair")

    def _read_pair(self) -> None:
        if self.row is not None and self.record is not None and self.view.display:
            self.lab.latest("read a pair", self._show_pair, self.record, self.row)

    async def _show_pair(self, record: ComparisonRecord, row: PairRow) -> None:
        left, left_stored = await self._answer(record.left, row.seed, row.left_generation_id)
        right, right_stored = await self._answer(record.right, row.seed, row.right_generation_id)
        if record is not self.record or self.row is None or row.place != self.row.place:
            return
        shown = self.view.pair
        same = shown is not None and (shown.comparison_id, shown.place) == (record.id, row.place)
        planned = record.pairs[row.place]
        pair = Pair(
            comparison_id=record.id,
            place=row.place,
            name=name_of(row),
            prompt=planned.prompt,
            seed=planned.seed,
            domain=row.domain,
            left=left,
            right=right,
            same_tokens=record.left.model_id == record.right.model_id,
            scores=_pair_scores(record, left_stored, right_stored),
            overlays=shown.overlays if same and shown else {},
        )
        self.view.show(pair, (record.left.words, record.right.words), blind=self.blind, rater=self.rater)
        if not pair.overlays and pair.is_over and not self._why_no_overlay():
            self.lab.latest("overlay", self._ask_overlays, record, pair)

    async def _answer(
        self, side: SideRecord, seed: int, generation_id: str | None
    ) -> tuple[Answer | None, StoredGeneration | None]:
        """An answer of this session, whose alternatives have texts, else as stored; and what is stored."""
        from screens.live.stored import answer_of

        assert self.source is not None
        stored = await self.source.generation(generation_id) if generation_id else None
        live = self._live(side, seed)
        if live is not None:
            return live, stored
        return (answer_of(stored) if stored else None), stored

    def _live(self, side: SideRecord, seed: int) -> Answer | None:
        for answer in reversed(self.lab.bench.answers):
            if answer.ask.run_id == side.run_id and answer.ask.seed == seed and answer.state != "failed":
                return answer
        return None

    def _take_live(self) -> None:
        """Tokens that came since the last tick; a pair that has both its answers now is read again."""
        pair, record = self.view.pair, self.record
        if pair is None or record is None:
            return
        if pair.left is None or pair.right is None:
            left = pair.left or self._live(record.left, pair.seed)
            right = pair.right or self._live(record.right, pair.seed)
            if (left, right) != (pair.left, pair.right):
                self.view.pair = replace(pair, left=left, right=right)
        self.view.draw()

    def _follow_on(self) -> None:
        """On to a pair that is being written, once the shown one is finished."""
        record, pair = self.record, self.view.pair
        if record is None or not self._is_running or (pair is not None and not pair.is_over and pair.left):
            return
        runs = {record.left.run_id, record.right.run_id}
        seeds = {planned.seed: place for place, planned in enumerate(record.pairs)}
        places = [
            seeds[answer.ask.seed]
            for answer in self.lab.bench.answers
            if answer.state == "running" and answer.ask.run_id in runs and answer.ask.seed in seeds
        ]
        if places:
            self.lab.latest("follow a pair", self._move_to, record, min(places))

    async def _move_to(self, record: ComparisonRecord, place: int) -> None:
        assert self.source is not None and self._which is not None
        at = await self.source.pair_position(record.id, self._which, place)
        if at is not None:
            self.pairs.move_to(at)

    # -- titles ----------------------------------------------------------------------------------------------

    def _draw_titles(self) -> None:
        record = self.record
        self.query_one("#past-pane").border_title = Content(f"Comparisons · {self.comparisons.total:,}")
        if record is None or self._which is None:
            return
        pane = self.query_one("#pairs-pane")
        shown, total = self.pairs.total, len(record.pairs)
        pane.border_title = Content(f"Pairs · {shown:,}" + ("" if shown == total else f" of {total:,}"))
        parts = ["different"] if self._which.only_different else []
        parts += [self._which.verdict] if self._which.verdict else []
        parts += ["worst first"] if self._which.order == "delta" else []
        pane.border_subtitle = Content(" · ".join(parts))
        summary = self.query_one("#summary-pane")
        room = summary.size.width - BORDER_ROOM
        sides = "A ⟷ B" if self.blind else f"{record.left.words} ⟷ {record.right.words}"
        summary.border_title = Content(safe_line(join_fitting([sides], room)))
        job = self.lab.bench.current_job
        running = f"{job.done}/{job.total} answers" if self._is_running and job else ""
        summary.border_subtitle = Content(
            safe_line(join_fitting([part for part in (running, record.battery) if part], room))
        )

    # -- actions: what is compared ---------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that do nothing here are not offered."""
        if action in ("earlier", "later", "different", "verdict", "order", "blind"):
            return self._place != "past"
        if action in ("diff", "overlay", "rate", "fold", "follow"):
            return self._place == "pair"
        return True

    def action_new(self) -> None:
        self.lab.spawn(self.ask_new(()), "compare")

    async def ask_new(self, chosen: Sequence[ProbeRecord], right: str = "") -> None:
        """Open the window that begins a comparison; `chosen` are probes selected elsewhere."""
        from lab.compare.sides import Side
        from lab.sampling import load_preset
        from lab.scoring import names
        from screens.compare.dialogs import CompareDialog

        assert self.source is not None
        bench = self.lab.bench
        base = Side(bench.model_name, load_preset())
        batteries = await self.source.batteries()
        instruments = await asyncio.to_thread(names, self.lab.home.config / "rubrics")
        known = self.lab.state.batteries
        dialog = CompareDialog(
            base,
            str(bench.model["name"]) if bench.model else bench.model_name,
            await asyncio.to_thread(_suggestions, bench.adapter_paths),
            batteries,
            len(chosen),
            instruments,
            known[0] if len(known) == 1 and known[0] in batteries else "core",
            right or _first_change(bench.adapter_paths),
        )

        def begin(wanted: Wanted | None) -> None:
            if wanted is not None:
                self.lab.spawn(self._begin(wanted, chosen), "compare")

        self.app.push_screen(dialog, begin)

    async def _begin(self, wanted: Wanted, chosen: Sequence[ProbeRecord]) -> None:
        assert self.runner is not None
        plan = await self._plan(wanted, chosen)
        record = await self.runner.begin(plan)
        await self.lab.store.read_now()
        await self.open(record, "pair")
        self.following = True
        await self._carry_out(record, plan.left, plan.right)

    async def _plan(self, wanted: Wanted, chosen: Sequence[ProbeRecord]) -> ComparePlan:
        from lab.probes import from_row
        from screens.compare.runner import ComparePlan

        assert self.source is not None
        questions: tuple[ProbeRecord | str, ...]
        if wanted.asked == "prompt":
            questions, battery = (wanted.prompt,), "a prompt"
        elif wanted.asked == "chosen":
            questions, battery = tuple(chosen), f"{len(chosen)} probes"
        else:
            name, _, domain = wanted.battery.partition("/")
            rows = await self.source.probes(name)
            questions = tuple(from_row(row) for row in rows if not domain or row.domain == domain)
            battery = wanted.battery
            if not questions:
                raise LabError(f"battery: {name} has no probe of the domain {domain!r}")
        return ComparePlan(
            left=wanted.left,
            right=wanted.right,
            questions=questions,
            battery=battery,
            instrument=wanted.instrument,
            samples=wanted.samples,
            seed=wanted.seed,
        )

    async def _carry_out(self, record: ComparisonRecord, left: Side, right: Side) -> None:
        assert self.runner is not None
        ended = await self.runner.carry_out(record, left, right)
        await self.lab.store.read_now()
        self._seen_changes = -1
        self.following = False
        how = "is done" if ended else "was stopped; C goes on with it"
        self.lab.tell(f"The comparison {how}.")

    def action_resume(self) -> None:
        self.lab.spawn(self._resume(), "go on")

    async def _resume(self) -> None:
        from lab.compare.resume import restored

        assert self.source is not None
        record = self.record
        if self._place == "past":
            row = self.comparisons.current
            record = await self.source.comparison(row.id) if row else None
        if record is None:
            self.lab.tell("There is no comparison to go on with.")
            return
        done = await self.source.answered(record.id)
        if len(done) == 2 * len(record.pairs):
            self.lab.tell("Every pair of this comparison has its answers.")
            return
        left, right = [restored(side, await self.source.side(side)) for side in (record.left, record.right)]
        await self.open(record, "pair")
        self.following = True
        await self._carry_out(record, left, right)

    # -- actions: which pair ---------------------------------------------------------------------------------

    def action_back(self) -> None:
        if self._place == "pair":
            self._go_to("battery")
        elif self._place == "battery":
            self._go_to("past")

    def action_earlier(self) -> None:
        self.step(-1)

    def action_later(self) -> None:
        self.step(1)

    def step(self, by: int) -> None:
        """To another pair of the list."""
        self.following = False
        self.pairs.move_to(self.pairs.cursor + by)

    def action_follow(self) -> None:
        self.following = True
        self.lab.tell("Following what is being written." if self._is_running else "No comparison is running.")

    def action_different(self) -> None:
        self._filter(only_different=not self._filtered.only_different)

    def action_verdict(self) -> None:
        verdict = VERDICTS[(VERDICTS.index(self._filtered.verdict) + 1) % len(VERDICTS)]
        self._filter(verdict=verdict)

    def action_order(self) -> None:
        self._filter(order="place" if self._filtered.order == "delta" else "delta")

    @property
    def _filtered(self) -> PairFilter:
        assert self._which is not None
        return self._which

    def _filter(self, **changes: Any) -> None:
        """Another filter; while the sides are hidden, none that tells of scores."""
        if self.record is None:
            return
        if self.blind and ("verdict" in changes or "order" in changes):
            self.lab.tell("That would tell the sides apart; V shows them.")
            return
        self._which = replace(self._filtered, **changes)
        self.following = False
        self.lab.latest("filter pairs", self._refilter, self.record)

    async def _refilter(self, record: ComparisonRecord) -> None:
        await self._reload_pairs(record, keep_cursor=False)

    # -- actions: how it is shown ----------------------------------------------------------------------------

    def action_diff(self) -> None:
        self.view.next_diff()

    def action_fold(self) -> None:
        self.view.toggle_fold()

    def action_blind(self) -> None:
        from store.queries import PairFilter

        self.blind = not self.blind
        if self.blind:
            self._which = PairFilter(only_different=self._filtered.only_different)
            if self.record is not None:
                self.lab.latest("filter pairs", self._refilter, self.record)
        header = self.query_one(PairsHeader)
        header.blind = self.blind
        header.refresh()
        self.pairs.refresh()
        self._draw_summary()
        self._draw_titles()
        self._read_pair()

    def action_overlay(self) -> None:
        """The next quantity of the overlay; asks for it first where it is not there yet."""
        if self.blind:
            self.lab.tell("The overlay would tell the sides apart; V shows them.")
            return
        pair, record = self.view.pair, self.record
        if pair is None or record is None:
            return
        self.view.next_heat()
        if pair.overlays or self.view.kind == "off":
            return
        if not pair.is_over:
            self.lab.tell("The overlay is made when both answers are there.")
        elif why := self._why_no_overlay():
            self.lab.tell(why)
        else:
            self.lab.latest("overlay", self._ask_overlays, record, pair)

    def _why_no_overlay(self) -> str:
        """Why the engine cannot read this pair's texts now; empty when it can."""
        record, bench = self.record, self.lab.bench
        if record is None or record.left.model_id != record.right.model_id:
            return "An overlay needs both sides on one model."
        if bench.engine_state != "ready" or bench.model is None:
            return "An overlay needs the model; it is not loaded."
        if bench.current_job is not None:
            return "The engine is at work; the overlay comes when it is free."
        known = {None, *(adapter["id"] for adapter in bench.adapters)}
        if (
            bench.model["id"] != record.left.model_id
            or not {
                record.left.adapter_sha256,
                record.right.adapter_sha256,
            }
            <= known
        ):
            return f"An overlay needs {record.left.words} and {record.right.words} loaded: C, or Ctrl+L."
        return ""

    async def _ask_overlays(self, record: ComparisonRecord, pair: Pair) -> None:
        """Both texts as both sides see them."""
        assert self.source is not None
        views = [
            View(adapter=side.adapter_sha256, kernel_text=(await self.source.side(side)).kernel_text)
            for side in (record.left, record.right)
        ]
        overlays: dict[SideName, Overlaid] = {}
        for side in SIDES:
            answer = pair.answer(side)
            ids = [token.token_id for token in answer.tokens] if answer else []
            if ids:
                overlays[side] = await self.lab.bench.overlay(pair.prompt, ids, views[0], views[1])
        self.view.with_overlays(replace(pair, overlays=overlays))

    # -- actions: rating -------------------------------------------------------------------------------------

    def action_rate(self) -> None:
        from screens.compare.rating_dialog import RatingPane

        pair = self.view.pair
        if pair is None or not pair.is_over:
            self.lab.tell("A pair can be rated when both answers are there.")
            return
        pane = RatingPane(self.view.names, self._rate, self.view.scroll_by, self._rate_next)
        pane.show(self.view.names, self._given_on_screen(pair))
        self.app.push_screen(pane)

    def _given_on_screen(self, pair: Pair) -> dict[tuple[SideName, str], int]:
        """The ratings of a pair by the side of the screen."""
        from lab.compare.ratings import SCALES

        found: dict[tuple[SideName, str], int] = {}
        for pane, shown in enumerate(SIDES):
            answer = pair.answer(self.view.side_at(pane))
            for scale in SCALES:
                value = self._given.get((answer.generation_id or "", scale)) if answer else None
                if value is not None:
                    found[shown, scale] = value
        return found

    def _rate(self, shown: SideName, scale: str, value: int | None) -> None:
        from store.journal import new_id, utc_now
        from store.records import RatingRecord

        pair = self.view.pair
        if pair is None:
            return
        pane = 0 if shown == "left" else 1
        answer, other = (pair.answer(self.view.side_at(n)) for n in (pane, 1 - pane))
        if answer is None or answer.generation_id is None:
            return
        rating = RatingRecord(
            id=new_id(),
            comparison_id=pair.comparison_id,
            generation_id=answer.generation_id,
            other_generation_id=other.generation_id if other else None,
            scale=scale,
            value=value,
            rater=self.rater,
            blind=self.blind,
            shown=shown,
            at=utc_now(),
        )
        if value is None:
            self._given.pop((answer.generation_id, scale), None)
        else:
            self._given[answer.generation_id, scale] = value
            self._rated.add(pair.place)
        self.lab.spawn(self._keep_rating(rating), "keep a rating")

    async def _keep_rating(self, rating: Any) -> None:
        await self.lab.store.save([rating])

    def _rate_next(self, by: int) -> None:
        self.step(by)
        self.lab.latest("rate the next pair", self._show_ratings)

    async def _show_ratings(self) -> None:
        """Hand the rating window the pair that was stepped to, once it is shown."""
        from screens.compare.rating_dialog import RatingPane

        row = self.pairs.current
        if row is None or self.record is None:
            return
        await self._show_pair(self.record, row)
        pane, pair = self.app.screen, self.view.pair
        if isinstance(pane, RatingPane) and pair is not None:
            pane.show(self.view.names, self._given_on_screen(pair))

    # -- for the Score screen and the clipboard --------------------------------------------------------------

    async def answer_shown(self) -> Answer | None:
        if self.blind:
            self.lab.tell("Scores are hidden while the sides are; V shows them.")
            return None
        if self._place != "pair" or self.view.pair is None:
            return None
        return self.view.pair.answer(self.view.focused_side)

    def base_text(self) -> str | None:
        pair = self.view.pair
        if pair is None or pair.left is None or self.view.focused_side == "left":
            return None
        return str((pair.left.record or {}).get("text", pair.left.text))

    def copy_text(self) -> str | None:
        if self._place == "pair" and self.view.pair is not None:
            return self.view.tapes[1 if self.view.tapes[1].has_focus else 0].text
        summary = self.query_one(SummaryText)
        return summary.render().plain if self._place == "battery" and summary.summary else None


def _summarize(answers: Sequence[Any], record: ComparisonRecord) -> ComparisonSummary:
    from lab.compare.summary import summarize

    return summarize(answers, record.instrument, record.version, planned=len(record.pairs))


def _pair_scores(
    record: ComparisonRecord, left: StoredGeneration | None, right: StoredGeneration | None
) -> PairScores | None:
    """Both sides' scores by the comparison's own instrument; None before either has one."""
    found = [
        side_score(stored.scores, record.instrument, record.version) if stored else None
        for stored in (left, right)
    ]
    if not any(found):
        return None
    return PairScores(record.instrument, record.version, found[0], found[1])


def _suggestions(adapter_paths: Sequence[str]) -> list[str]:
    """What a side may be, to complete while it is written."""
    from lab.kernels import shipped
    from lab.sampling import presets

    found = ["base", *(f"adapter={path}" for path in adapter_paths)]
    found += [f"kernel={kernel.name}" for kernel in shipped()]
    return [*found, *(f"preset={name}" for name in presets())]


def _first_change(adapter_paths: Sequence[str]) -> str:
    return f"adapter={adapter_paths[-1]}" if adapter_paths else "kernel=lantern"


def _rater() -> str:
    """Who rates: the name of the account."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "me"
