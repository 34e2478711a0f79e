"""The Compare screen: two sides as a battery and pair by pair, while they answer and afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget

from lab.errors import LabError
from lab.safetext import safe_line
from screens.actions import bindings
from screens.compare.desk import PairDesk
from screens.compare.pair import Pair
from screens.compare.pair_view import PairView
from screens.compare.rating_desk import RatingDesk
from screens.compare.ratings import RatedScale, rated_scales
from screens.compare.rows import comparison_cells, comparisons_header, pair_cells, pairs_header
from screens.compare.runner import Runner
from screens.compare.source import CompareSource
from screens.compare.summary_text import SummaryText
from screens.formats import join_fitting
from screens.shell import LabScreen
from screens.widgets.text_scroll import TextScroll
from screens.widgets.virtual_list import Cell, VirtualList

if TYPE_CHECKING:
    from lab.compare.sides import Side
    from lab.compare.summary import ComparisonSummary
    from screens.compare.dialogs import Wanted
    from screens.compare.runner import ComparePlan
    from screens.workbench import Answer
    from store.queries import ComparedAnswer, ComparisonRow, PairFilter, PairRow
    from store.records import ComparisonRecord, ProbeRecord, RatingRecord, SideName

Place = Literal["past", "battery", "pair"]
BORDER_ROOM = 4
MARKS_ROOM = 3
READ_AGAIN_EVERY = 30
FOLLOW_EVERY = 5
VERDICTS = (None, "improved", "regressed", "unchanged")


class ComparisonsHeader(Widget):
    """The names of the columns of the list of comparisons."""

    def render(self) -> Content:
        return comparisons_header(self.size.width - MARKS_ROOM)


class PairsHeader(Widget):
    """The names of the columns of the list of pairs."""

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
        self.source: CompareSource
        self.desk: PairDesk
        self.runner: Runner
        self.ratings = RatingDesk()
        self.record: ComparisonRecord | None = None
        self.row: PairRow | None = None
        self.blind = False
        self.following = False
        self._place: Place = "past"
        self._which: PairFilter
        self._seen_changes = -1
        self._summary_is_stale = True
        self._summary: ComparisonSummary | None = None
        self._rated_scales: Sequence[RatedScale] = ()

    # -- layout ----------------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        with Vertical(id="past-pane", classes="pane"):
            yield ComparisonsHeader(id="comparisons-header")
            empty = (
                "None yet: N begins one. Any two of base, adapter, checkpoint, kernel and sampling preset."
            )
            yield VirtualList(comparison_cells, lambda row: row.id, empty=empty, id="comparisons")
        with Container(id="open"):
            with Vertical(id="pairs-pane", classes="pane"):
                yield PairsHeader(id="pairs-header")
                yield VirtualList(
                    self._pair_cells, lambda row: row.place, empty="No pair matches.", id="pairs"
                )
            with Horizontal(id="summary-pane", classes="pane"), TextScroll(id="summary-scroll"):
                yield SummaryText(id="summary")
            yield PairView(id="pair")

    def _pair_cells(self, row: PairRow, width: int) -> list[Cell]:
        return pair_cells(row, width, self.blind, row.place in self.ratings.rated)

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

    @property
    def summary(self) -> ComparisonSummary | None:
        """The battery as a whole, once it is worked out."""
        return self._summary

    def set_ready(self) -> None:
        from store.queries import PairFilter

        self.source = CompareSource(self.lab.store)
        self.desk = PairDesk(self.lab, self.source)
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
            self._want_summary()
        else:
            self.view.tapes[0].focus()
            self._read_pair()
        self.call_after_refresh(self._draw_titles)
        self.refresh_bindings()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw_titles)

    # -- reading the store -----------------------------------------------------------------------------------

    def on_screen_resume(self, _: events.ScreenResume) -> None:
        """Comparisons are made by commands too: what they wrote is read when one comes here."""
        self.lab.store.ingest_soon()

    def action_refresh(self) -> None:
        self.lab.store.ingest_soon()
        self._seen_changes = -1

    def tick(self) -> None:
        store = self.lab.store
        if store.open.is_set() and store.changes != self._seen_changes and self._may_read():
            self._seen_changes = store.changes
            self.lab.latest("read comparisons", self._reload)
        if self._place == "pair":
            if self.following and self._ticks % FOLLOW_EVERY == 0:
                self._follow_on()
            self._take_live()
        if self._ticks % FOLLOW_EVERY == 0 and self.under_way:
            self._draw_titles()

    @property
    def under_way(self) -> bool:
        """Whether a comparison is being carried out."""
        return self.runner.running is not None

    def _may_read(self) -> bool:
        """While answers come every second, the lists are read again more slowly."""
        return not self.under_way or self._ticks % READ_AGAIN_EVERY == 0 or self._seen_changes < 0

    async def _reload(self) -> None:
        self.comparisons.show(await self.source.count(), self.source.page, keep_cursor=True)
        self._draw_titles()
        if self.record is not None:
            await self._reload_pairs(self.record, keep_cursor=True)
            await self._reload_ratings(self.record)
            self._summary_is_stale = True
            self._want_summary()
            self._read_pair()

    async def _reload_pairs(self, record: ComparisonRecord, *, keep_cursor: bool) -> None:
        source, which = self.source, self._which
        total = await source.count_pairs(record.id, which)

        async def page(offset: int, limit: int) -> Sequence[PairRow]:
            return await source.page_pairs(record.id, which, offset, limit)

        self.pairs.show(total, page, keep_cursor=keep_cursor)
        self._draw_titles()

    async def _reload_ratings(self, record: ComparisonRecord) -> None:
        rows = await self.source.ratings(record.id)
        self.ratings.take(rows)
        self.pairs.refresh()
        self._rated_scales = await asyncio.to_thread(rated_scales, rows)

    def _want_summary(self) -> None:
        """Work the summary out again where it is seen; for 10,000 pairs that takes its time."""
        if self._summary_is_stale and self._place == "battery" and self.record is not None:
            self._summary_is_stale = False
            self.lab.latest("sum up", self._sum_up, self.record)

    async def _sum_up(self, record: ComparisonRecord) -> None:
        answers = await self.source.answers(record.id)
        summary, note = None, ""
        try:
            summary = await asyncio.to_thread(_summarize, answers, record)
        except LabError as error:
            note = str(error)
        if record is self.record:
            self._summary = summary
            self._draw_summary(note)

    # -- one comparison --------------------------------------------------------------------------------------

    @on(VirtualList.Opened, "#comparisons")
    async def _open_comparison(self, event: VirtualList.Opened) -> None:
        event.stop()
        record = await self.source.comparison(event.row.id)
        if record is not None:
            await self.open(record)

    async def open(self, record: ComparisonRecord, place: Place = "battery") -> None:
        """Bring a comparison to the front."""
        self.record, self.row, self._which = record, None, replace(self._which, verdict=None, order="place")
        self._summary, self._rated_scales = None, ()
        self._draw_summary("The pairs are being read …")
        await self._reload_pairs(record, keep_cursor=False)
        await self._reload_ratings(record)
        self._summary_is_stale = True
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
        if self.row is not None and self.record is not None and self._place == "pair":
            self.lab.latest("read a pair", self._show_pair, self.record, self.row)

    async def _show_pair(self, record: ComparisonRecord, row: PairRow) -> None:
        pair = await self.desk.pair(record, row, self.view.pair)
        if record is self.record and self.row is not None and row.place == self.row.place:
            words = (record.left.words, record.right.words)
            self.view.show(pair, words, blind=self.blind, rater=self.ratings.rater)
            if not pair.overlays and pair.is_over and not self.desk.why_no_overlay(record):
                self.lab.latest("overlay", self._ask_overlays, record, pair)

    async def _ask_overlays(self, record: ComparisonRecord, pair: Pair) -> None:
        self.view.take_overlays(replace(pair, overlays=await self.desk.overlays(record, pair)))

    def _take_live(self) -> None:
        """Tokens that came since the last tick."""
        pair, record = self.view.pair, self.record
        if pair is None or record is None:
            return
        if pair.left is None or pair.right is None:
            left = pair.left or self.desk.live(record.left, pair.seed)
            right = pair.right or self.desk.live(record.right, pair.seed)
            self.view.pair = replace(pair, left=left, right=right)
        self.view.draw()

    def _follow_on(self) -> None:
        """On to a pair that is being written, once the shown one is finished."""
        record, pair = self.record, self.view.pair
        if record is None or not self.under_way or (pair is not None and pair.left and not pair.is_over):
            return
        place = self.desk.being_written(record)
        if place is not None:
            self.lab.latest("follow a pair", self._move_to, record, place)

    async def _move_to(self, record: ComparisonRecord, place: int) -> None:
        at = await self.source.pair_position(record.id, self._which, place)
        if at is not None:
            self.pairs.move_to(at)

    # -- drawing ---------------------------------------------------------------------------------------------

    def _draw_titles(self) -> None:
        record, which = self.record, self._which
        self.query_one("#past-pane").border_title = Content(f"Comparisons · {self.comparisons.total:,}")
        if record is None:
            return
        pane = self.query_one("#pairs-pane")
        shown, total = self.pairs.total, len(record.pairs)
        pane.border_title = Content(f"Pairs · {shown:,}" + ("" if shown == total else f" of {total:,}"))
        parts = ["different"] if which.only_different else []
        parts += [which.verdict] if which.verdict else []
        parts += ["worst first"] if which.order == "delta" else []
        pane.border_subtitle = Content(" · ".join(parts))
        summary = self.query_one("#summary-pane")
        room = summary.size.width - BORDER_ROOM
        sides = "A ⟷ B" if self.blind else f"{record.left.words} ⟷ {record.right.words}"
        summary.border_title = Content(safe_line(join_fitting([sides], room)))
        job = self.lab.bench.current_job
        running = [f"{job.done}/{job.total} answers"] if self.under_way and job else []
        summary.border_subtitle = Content(safe_line(join_fitting([*running, record.battery], room)))

    def _draw_summary(self, note: str = "") -> None:
        text = self.query_one(SummaryText)
        if self.blind:
            text.show(None, (), "Hidden while the sides are: V shows them.")
        else:
            text.show(self._summary, self._rated_scales, note)

    # -- actions: what is compared ---------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that do nothing here are not offered."""
        if action in ("earlier", "later", "different", "verdict", "order", "blind", "put_up_all"):
            return self._place != "past"
        if action in ("diff", "overlay", "rate", "fold", "follow", "put_up"):
            return self._place == "pair"
        return True

    def action_new(self) -> None:
        self.lab.spawn(self.ask_new(()), "compare")

    async def ask_new(self, chosen: Sequence[ProbeRecord]) -> None:
        """Open the window that begins a comparison; `chosen` are probes selected elsewhere."""
        from screens.compare.beginning import new_dialog

        def begin(wanted: Wanted | None) -> None:
            if wanted is not None:
                self.lab.spawn(self._begin(wanted, chosen), "compare")

        self.app.push_screen(await new_dialog(self.lab, self.source, len(chosen)), begin)

    async def _begin(self, wanted: Wanted, chosen: Sequence[ProbeRecord]) -> None:
        from screens.compare.beginning import plan_of

        await self.compare(await plan_of(wanted, chosen, self.source))

    async def compare(self, plan: ComparePlan) -> None:
        """Carry out a comparison, shown as it goes."""
        record = await self.runner.begin(plan)
        await self._carry_out(record, plan.left, plan.right)

    def action_resume(self) -> None:
        self.lab.spawn(self._resume(), "go on")

    async def _resume(self) -> None:
        from lab.compare.resume import restored

        record = self.record
        if self._place == "past":
            row = self.comparisons.current
            record = await self.source.comparison(row.id) if row else None
        if record is None:
            self.lab.tell("There is no comparison to go on with.")
            return
        if len(await self.source.answered(record.id)) == 2 * len(record.pairs):
            self.lab.tell("Every pair of this comparison has its answers.")
            return
        left, right = [restored(side, await self.source.side(side)) for side in (record.left, record.right)]
        await self._carry_out(record, left, right)

    async def _carry_out(self, record: ComparisonRecord, left: Side, right: Side) -> None:
        await self.lab.store.read_now()
        await self.open(record, "pair")
        self.following = True
        ended = await self.runner.carry_out(record, left, right)
        await self.lab.store.read_now()
        self._seen_changes = -1
        self.following = False
        self.lab.tell(
            "The comparison is done." if ended else "The comparison was stopped; C goes on with it."
        )

    # -- actions: which pair ---------------------------------------------------------------------------------

    def action_back(self) -> None:
        if self._place != "past":
            self._go_to("battery" if self._place == "pair" else "past")

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
        self.lab.tell("Following what is being written." if self.under_way else "No comparison is running.")

    def action_different(self) -> None:
        self._filter(only_different=not self._which.only_different)

    def action_verdict(self) -> None:
        self._filter(verdict=VERDICTS[(VERDICTS.index(self._which.verdict) + 1) % len(VERDICTS)])

    def action_order(self) -> None:
        self._filter(order="place" if self._which.order == "delta" else "delta")

    def _filter(self, **changes: Any) -> None:
        """Another filter; while the sides are hidden, none that tells of scores."""
        if self.blind and changes.keys() & {"verdict", "order"}:
            self.lab.tell("That would tell the sides apart; V shows them.")
            return
        self._which = replace(self._which, **changes)
        self.following = False
        if self.record is not None:
            self.lab.latest("filter pairs", self._refilter, self.record)

    async def _refilter(self, record: ComparisonRecord) -> None:
        await self._reload_pairs(record, keep_cursor=False)

    # -- actions: how it is shown ----------------------------------------------------------------------------

    def action_diff(self) -> None:
        self.view.next_diff()

    def action_fold(self) -> None:
        self.view.toggle_fold()

    def action_blind(self) -> None:
        self.blind = not self.blind
        if self.blind and (self._which.verdict or self._which.order == "delta"):
            self._which = replace(self._which, verdict=None, order="place")
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
        pair, record = self.view.pair, self.record
        if self.blind:
            self.lab.tell("The overlay would tell the sides apart; V shows them.")
        elif pair is not None and record is not None:
            self.view.next_heat()
            if self.view.kind != "off" and not pair.overlays:
                self._want_overlays(record, pair)

    def _want_overlays(self, record: ComparisonRecord, pair: Pair) -> None:
        why = "" if pair.is_over else "The overlay is made when both answers are there."
        why = why or self.desk.why_no_overlay(record)
        if why:
            self.lab.tell(why)
        else:
            self.lab.latest("overlay", self._ask_overlays, record, pair)

    # -- actions: to be judged -------------------------------------------------------------------------------

    def action_put_up(self) -> None:
        if self.record is not None and self.row is not None:
            self.lab.spawn(self._put_up(self.record, self.row.place), "put a pair up")

    def action_put_up_all(self) -> None:
        if self.record is not None:
            self.lab.spawn(self._put_up(self.record, None), "put pairs up")

    async def _put_up(self, record: ComparisonRecord, place: int | None) -> None:
        from screens.compare.put_up import put_up, words

        self.lab.tell(words(await put_up(self.lab.store, record, place)))

    # -- actions: rating -------------------------------------------------------------------------------------

    def action_rate(self) -> None:
        from screens.compare.rating_dialog import RatingPane

        view, pair = self.view, self.view.pair
        if pair is None or not pair.is_over:
            self.lab.tell("A pair can be rated when both answers are there.")
            return
        pane = RatingPane(view.names, self._rate, view.scroll_by, self._rate_another)
        pane.show(view.names, self.ratings.on_screen(pair, view.order))

        def over(_: None) -> None:
            view.remove_class("-rated")

        view.add_class("-rated")
        self.app.push_screen(pane, over)

    def _rate(self, pane: SideName, scale: str, value: int | None) -> None:
        view, pair = self.view, self.view.pair
        if pair is not None:
            rating = self.ratings.give(pair, view.order, pane, scale, value, blind=self.blind)
            if rating is not None:
                self.lab.spawn(self._keep(rating), "keep a rating")

    async def _keep(self, rating: RatingRecord) -> None:
        await self.lab.store.save([rating])

    def _rate_another(self, by: int) -> None:
        self.step(by)
        self.lab.latest("rate another pair", self._show_ratings)

    async def _show_ratings(self) -> None:
        """Hand the rating window the pair that was stepped to, once it is shown."""
        from screens.compare.rating_dialog import RatingPane

        row, record, view = self.pairs.current, self.record, self.view
        if row is None or record is None:
            return
        self.row = row
        await self._show_pair(record, row)
        pane = self.app.screen
        if isinstance(pane, RatingPane) and view.pair is not None:
            pane.show(view.names, self.ratings.on_screen(view.pair, view.order))

    # -- for the Score screen and the clipboard --------------------------------------------------------------

    async def answer_shown(self) -> Answer | None:
        if self.blind or self._place != "pair" or self.view.pair is None:
            return None
        return self.view.pair.answer(self.view.focused_side)

    def base_text(self) -> str | None:
        """The left answer, for instruments that hold the right one against it."""
        pair = self.view.pair
        if pair is None or pair.left is None or self.view.focused_side == "left":
            return None
        return str((pair.left.record or {}).get("text", pair.left.text))

    def copy_text(self) -> str | None:
        if self._place == "pair":
            return self.view.tapes[1 if self.view.tapes[1].has_focus else 0].text
        return self.query_one(SummaryText).text if self._place == "battery" else None


def _summarize(answers: Sequence[ComparedAnswer], record: ComparisonRecord) -> ComparisonSummary:
    from lab.compare.summary import summarize

    return summarize(answers, record.instrument, record.version, planned=len(record.pairs))
