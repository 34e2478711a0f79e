"""The Curate screen: the next pair, judged blind by one key; a verdict is on disk before the next card."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from lab.errors import LabError
from screens.actions import bindings
from screens.compare.diff import MODES, DiffMode
from screens.curate.card_texts import asked
from screens.curate.choosing import Choosing
from screens.curate.loader import Loader, TokensWanted
from screens.curate.rows import pair_cells, pairs_header
from screens.curate.source import CurateSource
from screens.curate.stopwatch import Stopwatch
from screens.curate.strip import SessionStrip, StripFacts
from screens.curate.suggesting import Suggesting, WantedPairs
from screens.curate.view import CardView
from screens.formats import plural
from screens.shell import LabScreen, StatusLine, TopBar, status_parts
from screens.widgets.virtual_list import Cell, VirtualList

if TYPE_CHECKING:
    from lab.preference.desk import Card, Desk
    from lab.train.folder import RunFolder
    from screens.curate.card_texts import CardTexts
    from store.queries.judgements import ListedPair, QueuedPair
    from store.records import JudgementRecord, Record, Verdict

Place = Literal["card", "list"]
FED_AT_ONCE = 64
RELOAD_EVERY = 10
LOOK_EVERY = 40
PROBES, PAIRS = 20, 30
MARKS_ROOM = 3
NO_PAIRS = "No pairs yet: P makes some of the model's answers; on Compare, P puts the shown pair up."


class PairsHeader(Widget):
    """The names of the columns of the list of pairs."""

    def render(self) -> Content:
        return pairs_header(self.size.width - MARKS_ROOM)


class CurateScreen(LabScreen):
    """A card at a time, or the list of all pairs."""

    ID = "curate"
    CSS_PATH = "curate.tcss"
    BINDINGS = bindings("curate")
    AUTO_FOCUS: ClassVar[str | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.source: CurateSource
        self.choosing: Choosing
        self.loader: Loader
        self.suggesting: Suggesting
        self.desk: Desk | None = None
        self.diff: DiffMode = "off"
        self.heat = False
        self.left: int | None = None
        self.busy = False
        self._place: Place = "list"
        self._clock_of_card = Stopwatch()
        self._shown: Card | None = None
        self._seen_changes = -1
        self._opening = False

    # -- layout ----------------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        yield SessionStrip(id="strip")
        yield CardView(id="card")
        with Vertical(id="all-pairs-pane", classes="pane"):
            yield PairsHeader(id="all-pairs-header")
            yield VirtualList(self._cells, lambda row: row.pair_id, empty=NO_PAIRS, id="all-pairs")

    def _cells(self, row: ListedPair, width: int) -> Sequence[Cell]:
        return pair_cells(row, width, self.desk.standing) if self.desk else ()

    @property
    def view(self) -> CardView:
        return self.query_one(CardView)

    @property
    def pairs(self) -> VirtualList[ListedPair]:
        return self.query_one("#all-pairs", VirtualList)

    @property
    def place(self) -> Place:
        """Which of both is in front."""
        return self._place

    @property
    def card(self) -> Card | None:
        """The card that is drawn."""
        return self._shown

    def set_ready(self) -> None:
        self.source = CurateSource(self.lab.store)
        self.choosing = Choosing(self.lab, self.source)
        self.loader = Loader(self.source)
        self.suggesting = Suggesting(self.lab.store)
        self._go_to("list")

    def _go_to(self, place: Place) -> None:
        self._place = place
        for name in get_args(Place):
            self.set_class(name == place, f"-at-{name}")
        if place == "card":
            self.view.focus()
        else:
            self.pairs.focus()
            self._reload_soon()
        self.taken_digits = frozenset("12" if place == "card" else "")
        self.query_one(TopBar).refresh()
        self.refresh_bindings()

    # -- the rater and the store -----------------------------------------------------------------------------

    @property
    def rater(self) -> str:
        return self.choosing.rater

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        super().on_screen_resume(event)
        self.lab.store.ingest_soon()
        self._clock_of_card.go_on()

    def on_screen_suspend(self, event: events.ScreenSuspend) -> None:
        super().on_screen_suspend(event)
        self._clock_of_card.rest()

    def tick(self) -> None:
        store = self.lab.store
        if not store.open.is_set():
            return
        if self.suggesting.under_way and self._ticks % LOOK_EVERY == 0:
            self.lab.latest("look at the sweep", self.suggesting.look)
        if self.desk is None:
            if not self._opening:
                self._opening = True
                self.lab.spawn(self._open(), "open the desk")
        elif store.changes != self._seen_changes and self._ticks % RELOAD_EVERY == 0:
            self._reload_soon()

    def _reload_soon(self) -> None:
        if self.desk is not None:
            self.lab.latest("read pairs", self._reload)

    async def _open(self) -> None:
        """The desk of the rater, with the very card on it that was there last."""
        from lab.preference.desk import Desk

        try:
            rater = self.rater
            log = await self.source.log(rater)
            desk = await asyncio.to_thread(Desk.of, rater, log)
            restored = self.choosing.kept_card(rater)
            if restored is not None:
                desk.put(restored)
                last = next(desk.standing.given, None)
                if desk.verdict is not None and desk.verdict is last:
                    # The lab ended between this verdict and the card after it.
                    await self._feed(desk)
                    desk.advance()
            self.desk = desk
            await self._reload()
            await self._lay_out()
        finally:
            self._opening = False

    async def _feed(self, desk: Desk) -> None:
        """Bring more of the queue to the desk."""
        desk.feed(await self._queued(desk))

    async def _queued(self, desk: Desk) -> Sequence[QueuedPair]:
        return await self.choosing.queued(desk.rater, FED_AT_ONCE + desk.open_on_trail)

    async def _reload(self) -> None:
        """Figures and lists again, since something is new in the store; and a card, where there was none."""
        desk = self.desk
        if desk is None:
            return
        await self.lab.store.read_now()
        self._seen_changes = self.lab.store.changes
        self.left = await self.choosing.count_queue(desk.rater)
        if desk.is_low:
            await self._feed(desk)
        if self._place == "list":
            await self._reload_list(desk)
        self._draw_strip()
        if desk.card is None and self._place == "card" and not self.busy:
            await self._lay_out()

    async def _reload_list(self, desk: Desk) -> None:
        which, source = self.choosing.which, self.source
        total = await source.count_listed(which)

        async def page(offset: int, limit: int) -> Sequence[ListedPair]:
            return await source.page_listed(desk.rater, which, offset, limit)

        self.pairs.empty = NO_PAIRS if not self.lab.state.queue_only else "No pair matches; O changes that."
        self.pairs.show(total, page, keep_cursor=True)
        pane = self.query_one("#all-pairs-pane")
        pane.border_title = Content(f"Pairs · {total:,}")
        pane.border_subtitle = Content("Enter judges · digits open screens here")

    def action_refresh(self) -> None:
        """Read everything again, what other labs wrote too."""
        self._start_over()
        self.lab.store.ingest_soon()

    # -- laying out a card -----------------------------------------------------------------------------------

    async def _lay_out(self) -> None:
        """Draw the card on the desk, or say that there is none."""
        desk = self.desk
        while desk is not None and desk is self.desk:
            if desk.card is None and desk.advance() is None:
                await self._feed(desk)
                if desk.advance() is None:
                    self._no_card()
                    return
            card = desk.card
            assert card is not None
            texts = await self._texts(desk, card)
            if texts is None:
                desk.leave_out(card)
                continue
            if desk.card is card:
                await self._note_reveal(desk)
                self._draw(desk, card, texts)
                return

    async def _texts(self, desk: Desk, card: Card) -> CardTexts | None:
        """What the card shows; None when an answer is missing, in the journals too."""
        wanted = self._tokens_for(desk)
        texts = await self.loader.load(card, desk.rater, self.diff, wanted)
        if texts is None:
            await self.lab.store.read_now()
            texts = await self.loader.load(card, desk.rater, self.diff, wanted)
        return texts

    def _tokens_for(self, desk: Desk) -> TokensWanted:
        if self.heat and desk.verdict is not None:
            return "any"
        return "alike" if self.diff == "tokens" else "no"

    def _draw(self, desk: Desk, card: Card, texts: CardTexts) -> None:
        other = self._shown is None or self._shown.key != card.key
        if self._place != "card":
            self._go_to("card")
        verdict = desk.verdict
        desk.words[card.pair_id] = texts.words_to_read
        self._shown = card
        self.view.show(
            texts,
            verdict,
            flagged=desk.standing.flags.get(card.pair_id, False),
            note=desk.standing.notes.get(card.pair_id, ""),
            heat=self.heat and verdict is not None,
            shows_sides=desk.sides_shown,
            blind=desk.is_blind if verdict is None else verdict.blind,
        )
        self._draw_strip()
        self.call_after_refresh(self._drawn, other)

    def _drawn(self, other: bool) -> None:
        """The card is on the screen: keys count from now on, and so does the time."""
        self.busy = False
        if other:
            self._clock_of_card.start()
            self.lab.latest("prepare cards", self._prepare)

    async def _prepare(self) -> None:
        """What comes next is made ready while this card is read; and which card it is, is written down."""
        desk, card = self.desk, self._shown
        if desk is None:
            return
        if card is not None:
            self.choosing.keep_card(desk.rater, card)
            await asyncio.to_thread(self.lab.remember)
        if desk.is_low:
            await self._feed(desk)
        tokens: TokensWanted = "alike" if self.diff == "tokens" else "no"
        await self.loader.prepare(desk.coming, desk.rater, self.diff, tokens)

    def _no_card(self) -> None:
        self.busy = False
        self._shown = None
        self.view.clear()
        if self._place == "card":
            self._go_to("list")
            self.lab.tell(f"The queue “{self.choosing.strategy}” is empty. S takes another, O other pairs.")
        self._draw_strip()

    def _draw_strip(self) -> None:
        desk = self.desk
        if desk is None:
            return
        figures = desk.manner()
        agreeing, repeats = desk.self_agreement
        self.query_one(SessionStrip).show(
            StripFacts(
                rater=desk.rater,
                queue=self.choosing.strategy,
                only=self.choosing.only_words,
                done=desk.judged,
                left=self.left,
                median_s=figures.median_s,
                hasty=figures.faster_than_reading,
                left_wins=desk.left_wins,
                agreeing=agreeing,
                repeats=repeats,
            )
        )

    # -- keys of the card ------------------------------------------------------------------------------------

    def judge(self, verdict: Verdict) -> None:
        """Write a verdict down, then show the next card."""
        reading_ms = self._clock_of_card.ms
        self._press(lambda desk: desk.judge(verdict, reading_ms), "There is no card.")

    def undo(self) -> None:
        self._press(lambda desk: desk.undo(), "There is no verdict to take back.")

    def redo(self) -> None:
        self._press(lambda desk: desk.redo(), "There is nothing to give again.")

    def flag(self) -> None:
        self._press(lambda desk: desk.flag(), "There is no card.")

    def _press(self, make: Callable[[Desk], JudgementRecord | None], otherwise: str) -> None:
        """A key that writes. Keys that come before the card is drawn are not meant for it."""
        desk = self.desk
        if self.busy or desk is None:
            return
        record = make(desk)
        if record is None:
            self.lab.tell(otherwise)
            return
        self._write(desk, [record])

    def _write(self, desk: Desk, records: Sequence[Record]) -> None:
        self.busy = True
        self.lab.spawn(self._keep(desk, records), "keep a verdict")

    async def _keep(self, desk: Desk, records: Sequence[Record]) -> None:
        """On disk first; only then does the desk move on."""
        from store.records import JudgementRecord

        try:
            await self.lab.store.keep(records)
            before = desk.judged
            for record in records:
                if isinstance(record, JudgementRecord):
                    desk.take(record)
            if self.left is not None and self.choosing.strategy in ("new", "uncertain"):
                self.left = max(0, self.left - (desk.judged - before))
            self._forget_heat()
            await self._lay_out()
        except BaseException:
            self.busy = False
            raise

    async def _note_reveal(self, desk: Desk) -> None:
        """That the sides of this card are shown is written down before they are."""
        if desk.sides_shown or (self.heat and desk.verdict is not None):
            record = desk.reveal()
            if record is not None:
                await self.lab.store.keep([record])
                desk.take(record)

    def _forget_heat(self) -> None:
        if self.desk is not None and self.desk.card is not self._shown:
            self.heat = False

    def next_open(self) -> None:
        self._move(lambda desk: desk.advance(), "Every pair of this queue has your verdict.")

    def step(self, by: int) -> None:
        end = "There is no card before this." if by < 0 else "This is the last card."
        self._move(lambda desk: desk.step(by), end)

    def _move(self, move: Callable[[Desk], Card | None], otherwise: str) -> None:
        desk = self.desk
        if self.busy or desk is None:
            return
        if move(desk) is None:
            self.lab.tell(otherwise)
            if desk.card is not None:
                return
        self.heat = False
        self._again()

    def _again(self) -> None:
        """Draw the card anew."""
        self.busy = True
        self.lab.spawn(self._lay_out_or_free(), "draw a card")

    async def _lay_out_or_free(self) -> None:
        try:
            await self._lay_out()
        except BaseException:
            self.busy = False
            raise

    def next_diff(self) -> None:
        """Off, by words, by tokens."""
        if not self.busy and self.desk is not None:
            self.diff = MODES[(MODES.index(self.diff) + 1) % len(MODES)]
            self._again()

    def toggle_heat(self) -> None:
        if self.busy or self.desk is None:
            return
        if self.desk.verdict is None:
            self.lab.tell("Entropies would tell the answers apart: judge first, then [ comes back here.")
            return
        self.heat = not self.heat
        self._again()

    def toggle_sides(self) -> None:
        """Show whose answers these are, or hide it again; that it was shown stays known."""
        if self.busy or self.desk is None:
            return
        self.desk.sides_shown = not self.desk.sides_shown
        if self.desk.sides_shown:
            self.lab.tell("Whose answers these are is shown: verdicts count as not blind from now on.")
        self._again()

    # -- windows ---------------------------------------------------------------------------------------------

    def note(self) -> None:
        from screens.dialogs import LineDialog

        desk, card = self.desk, self._shown
        if self.busy or desk is None or card is None:
            return

        def write(text: str | None) -> None:
            if text is not None and text != desk.standing.notes.get(card.pair_id, ""):
                self._press(lambda desk: desk.note(text), "There is no card.")

        self.lab.windows.open(
            LineDialog,
            write,
            "Note on this pair",
            "Kept with your name; Enter saves, an empty line takes the note away.",
            desk.standing.notes.get(card.pair_id, ""),
            "",
            True,
        )

    def edit(self) -> None:
        from screens.curate.edit_dialog import EditDialog

        desk, texts = self.desk, self.view.texts
        if self.busy or desk is None or texts is None:
            return
        verdict = desk.verdict
        side = 1 if verdict is not None and verdict.verdict == "right" else 0

        def take(edited: tuple[int, str] | None) -> None:
            if edited is not None:
                self._take_edited(desk, texts, *edited)

        self.lab.windows.open(EditDialog, take, [answer.text for answer in texts.answers], side)

    def _take_edited(self, desk: Desk, texts: CardTexts, side: int, text: str) -> None:
        """The new answer, its pair with the answer that it was not written over, and its writer's verdict."""
        from lab.preference.editing import preferred_by_its_writer, written_over

        try:
            written = written_over(texts.pair, texts.answers[side], text)
        except LabError as error:
            self.lab.tell(f"Nothing is kept: {error}.")
            return
        pair, verdict = preferred_by_its_writer(written, texts.answers[1 - side], desk.rater)
        self._write(desk, [written, pair, verdict])
        self.lab.tell("Your answer is kept, and preferred to the other one. U takes that back.")

    def action_rater(self) -> None:
        self.lab.spawn(self.choosing.ask_rater(self._start_over), "raters")

    def action_strategy(self) -> None:
        self.choosing.take_next_strategy()
        self._change_queue()

    def action_only(self) -> None:
        self.lab.spawn(self.choosing.ask_only(self._change_queue), "choose pairs")

    def _change_queue(self) -> None:
        """Another strategy or choice: the card that lies there unjudged goes back."""
        desk = self.desk
        if desk is None or self.busy:
            return
        desk.clear_queue()
        self.left = None
        self.lab.latest("change the queue", self._take_from_queue, desk)

    async def _take_from_queue(self, desk: Desk) -> None:
        coming = await self._queued(desk)
        # Back goes the open card before the queue comes, which may begin with that very one.
        desk.skip_open()
        desk.feed(coming)
        self.left = await self.choosing.count_queue(desk.rater)
        if self._place == "card":
            await self._lay_out()
        else:
            await self._reload_list(desk)
        self._draw_strip()

    def _start_over(self) -> None:
        """Another desk: of another rater, or with what others wrote meanwhile."""
        self.desk, self._shown, self.left = None, None, None

    # -- pairs in, pairs out ---------------------------------------------------------------------------------

    def action_suggest(self) -> None:
        """Ask what to make; while it is being made, stop it."""
        from screens.curate.suggest_dialog import SuggestDialog

        if self.suggesting.under_way:
            self.suggesting.stop()
            self.lab.tell(
                "Stopping; every finished answer stays: `lantern pairs suggest --resume last` goes on."
            )
            return

        def begin(wanted: WantedPairs | None) -> None:
            if wanted is not None:
                self.lab.spawn(self._suggest(wanted), "suggest pairs")

        paths = self.lab.bench.adapter_paths
        wanted = WantedPairs(self.lab.bench.model_name, paths[-1] if paths else "", "", PROBES, PAIRS)
        self.lab.windows.open(SuggestDialog, begin, wanted)

    async def _suggest(self, wanted: WantedPairs) -> None:
        from lab.preference.writing import kept_for_gates

        self.lab.tell("Pairs are being made; judging goes on meanwhile.")
        if words := await asyncio.to_thread(kept_for_gates, wanted.named_batteries):
            self.lab.tell(words, severity="warning")
        n = await self.suggesting.run(wanted, self.lab.home)
        await self.lab.store.read_now()
        self._reload_soon()
        self.lab.tell(f"{plural(n, 'pair')} put up." if n else "No new pair came of it.")

    def show_status(self) -> None:
        if not self.suggesting.under_way:
            super().show_status()
            return
        words = Content.styled(self.suggesting.words, "$primary")
        self.query_one(StatusLine).show(status_parts(self.lab), words)

    def on_unmount(self) -> None:
        self.suggesting.stop()

    def action_train(self) -> None:
        from screens.curate.learning import start_learning

        self.lab.spawn(start_learning(self.lab), "train on verdicts")

    def action_rematch(self) -> None:
        self.lab.spawn(self.rematch(), "new against old")

    async def rematch(self, folder: RunFolder | None = None) -> None:
        """A run's adapter (the newest run's) against what was there before, as a queue of its own."""
        from screens.curate.rematch import newest_run, rematch

        if folder is None:
            folder = await asyncio.to_thread(newest_run, self.lab.home)
        stratum = await rematch(self.lab, folder)
        self.choosing.take_only(stratum)
        desk = self.desk
        if desk is not None:
            desk.clear_queue()
            await self._take_from_queue(desk)
            if self._place != "card":
                self._again()

    # -- the list --------------------------------------------------------------------------------------------

    def action_back(self) -> None:
        if self._place == "card":
            self._go_to("list")
        elif self.desk is not None:
            self._again()

    @on(VirtualList.Opened, "#all-pairs")
    def _open_pair(self, event: VirtualList.Opened) -> None:
        from lab.preference.desk import Card

        event.stop()
        desk, row = self.desk, event.row
        if desk is not None and not self.busy:
            desk.put(Card(row.pair_id, row.first_id, row.second_id, max(row.passes - 1, 0)))
            self.heat = False
            self._again()

    # -- for the clipboard -----------------------------------------------------------------------------------

    def copy_text(self) -> str | None:
        texts = self.view.texts
        if self._place != "card" or texts is None:
            return None
        left, right = (side.text for side in texts.sides)
        return f"{asked(texts.pair)}\n\n--- left ---\n{left}\n\n--- right ---\n{right}\n"
