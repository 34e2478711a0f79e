"""The Score screen: an answer's score taken apart, its matched words marked in the text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from lab.errors import LabError
from lab.safetext import safe_line
from screens.actions import bindings
from screens.formats import join_fitting
from screens.live.facts import ENDINGS
from screens.live.readings import entropy_reading
from screens.score.drawing import (
    ScoreRow,
    entropy_figures,
    explained,
    name_of,
    rows_of,
    score_cells,
    score_header,
)
from screens.score.subject import Choice, Subject, account_of, choices, kept_total, versions_at_hand
from screens.shell import LabScreen
from screens.widgets.marked_text import MarkedText
from screens.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from pathlib import Path

    from lab.measure.rubric import Account
    from lab.measure.words import WordEntropy
    from lab.measure.zones import Zone
    from screens.workbench import Answer

BORDER_ROOM = 4
MARKS_ROOM = 3
AGAIN_EVERY = 10


class ScoreHeader(Widget):
    """The names of the table's columns, over a list of the same width."""

    def render(self) -> Content:
        return score_header(self.size.width - MARKS_ROOM)


class EntropyFigures(Widget):
    """The answer's entropies, as many of them as there is width for."""

    draw: Callable[[int], Content] | None = None

    def show(self, draw: Callable[[int], Content]) -> None:
        """Draw with this from now on, at whatever width the widget has."""
        self.draw = draw
        self.refresh()

    def render(self) -> Content:
        return Content("") if self.draw is None else self.draw(self.size.width)


class ScoreScreen(LabScreen):
    """Left what each dimension adds, right the answer; one that is being written is scored as it grows.

    Built once and kept: `explain` gives it the answer before it is brought to the front.
    """

    ID = "score"
    CSS_PATH = "score.tcss"
    BINDINGS = bindings("score")
    AUTO_FOCUS: ClassVar[str | None] = "#score-rows"

    def __init__(self) -> None:
        super().__init__()
        self.subject: Subject
        self.account: Account | None = None
        self._versions: Mapping[str, str] = {}
        self._choices: list[Choice] = []
        self._choice: Choice | None = None
        self._seen: tuple[int, bool] | None = None

    # -- layout ----------------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        with Vertical(id="account-pane", classes="pane") as pane:
            pane.border_title = Content("Score")
            yield ScoreHeader(id="score-header")
            yield VirtualList(
                score_cells,
                lambda row: row.dimension and row.dimension.name,
                openable=False,
                empty="…",
                id="score-rows",
            )
            with VerticalScroll(id="behind", can_focus=False):
                yield Static(id="explained")
        with Vertical(id="answer"):
            with Container(id="text-pane", classes="pane"):
                yield MarkedText(id="marked")
            with Container(id="figures-pane", classes="pane") as pane:
                pane.border_title = Content("Entropy")
                yield EntropyFigures(id="figures")

    @property
    def rows(self) -> VirtualList[ScoreRow]:
        return self.query_one("#score-rows", VirtualList)

    @property
    def marked(self) -> MarkedText:
        return self.query_one(MarkedText)

    @property
    def choice(self) -> Choice | None:
        """The instrument and version that the score is by."""
        return self._choice

    def explain(self, answer: Answer, base_text: str | None) -> None:
        """Take another answer; what was shown of the last one goes at once."""
        self.subject = Subject(answer, base_text=base_text)
        self.account, self._seen = None, None
        self.marked.show("", ())
        self.rows.show_rows([])
        self.query_one("#explained", Static).update("")
        self._draw_titles()
        self.lab.latest("begin to score", self._begin)

    async def _begin(self) -> None:
        self._versions, faults = await asyncio.to_thread(versions_at_hand, self._rubrics)
        for fault in faults:
            self.lab.tell(fault, severity="warning")
        self._choose_from()
        self.rescore()
        await self._look_up()

    async def _look_up(self) -> None:
        """What the store knows of the answer: its kept scores, and the probe's own fields."""
        from store.queries import generation, probe

        answer, store = self.subject.answer, self.lab.store
        stored = await store.query(generation, answer.generation_id) if answer.generation_id else None
        ask = answer.ask
        row = (
            await store.query(probe, ask.probe_battery, ask.probe_id)
            if ask.probe_battery and ask.probe_id
            else None
        )
        if answer is not self.subject.answer:
            return
        self.subject = Subject(
            answer,
            probe=row.extra if row else {},
            base_text=self.subject.base_text,
            scores=stored.scores if stored else (),
        )
        self._choose_from()
        self.rescore()

    # -- scoring ---------------------------------------------------------------------------------------------

    @property
    def _rubrics(self) -> Path:
        return self.lab.home.config / "rubrics"

    def _choose_from(self) -> None:
        self._choices = choices(list(self._versions), self._versions, self.subject.scores)
        if self._choice not in self._choices:
            self._choice = self._choices[0] if self._choices else None

    def rescore(self) -> None:
        """Score again; of calls that come while a score is made, only the last is worked off."""
        if self._choice is not None:
            self.lab.latest("explain a score", self._score, self._choice, self.subject)

    async def _score(self, choice: Choice, subject: Subject) -> None:
        answer = subject.answer
        self._seen = (len(answer.tokens), answer.record is None)
        text = subject.text
        try:
            account = await asyncio.to_thread(account_of, choice, subject, self._rubrics)
        except LabError as error:
            self.lab.tell(str(error), severity="error")
            return
        words, zone = await asyncio.to_thread(_measure_words, text)
        if choice == self._choice and answer is self.subject.answer:
            self._show(account, text, words, zone)

    def _show(self, account: Account, text: str, words: WordEntropy, zone: Zone | None) -> None:
        same = self.account is not None and self.account.instrument == account.instrument
        self.account = account
        self.marked.show(text, tuple(entry.spans for entry in account.dimensions))
        self.rows.show_rows(rows_of(account), keep_cursor=same)
        tokens = self.subject.answer.tokens
        reading, count = entropy_reading(tokens, None), len(tokens)
        self.query_one(EntropyFigures).show(partial(entropy_figures, reading, count, words, zone))
        self._draw_titles()

    def tick(self) -> None:
        answer = self.subject.answer
        if self._ticks % AGAIN_EVERY == 0 and self._seen is not None:
            now = (len(answer.tokens), answer.record is None)
            if now != self._seen:
                was_running = self._seen[1] and not now[1]
                self._seen = now
                if was_running:
                    self.lab.spawn(self._look_up(), "score")
                else:
                    self.rescore()

    # -- drawing ---------------------------------------------------------------------------------------------

    def _draw_titles(self) -> None:
        pane, choice = self.query_one("#account-pane"), self._choice
        if choice is not None:
            pane.border_title = Content(safe_line(f"Score · {choice.name} {choice.version or ''}".rstrip()))
            place = self._choices.index(choice) + 1
            pane.border_subtitle = Content(f"instrument {place} of {len(self._choices)}")
        text_pane, answer = self.query_one("#text-pane"), self.subject.answer
        room = text_pane.size.width - BORDER_ROOM
        ask = answer.ask
        model = answer.model_name
        if ask.adapter:
            model = f"{model} + {self.lab.bench.adapter_name(ask.adapter)}"
        title = [ask.probe_id or "free prompt", ask.kernel_name or "baseline", model]
        text_pane.border_title = Content(safe_line(join_fitting([part for part in title if part], room)))
        reason = str((answer.record or {}).get("finish_reason", ""))
        ended = "being written" if answer.state == "running" else ENDINGS.get(reason, reason)
        text_pane.border_subtitle = Content(safe_line(join_fitting([*self._match_words(), ended], room)))

    def _match_words(self) -> list[str]:
        marked, row = self.marked, self.rows.current
        n = len(marked.matches)
        if not n:
            return []
        of = name_of(row.dimension.name) if row and row.dimension else "all dimensions"
        at = "" if marked.current is None else f"{marked.current + 1} of "
        return [f"{at}{n} {'match' if n == 1 else 'matches'}, {of}"]

    @on(VirtualList.Moved, "#score-rows")
    def _row_moved(self, event: VirtualList.Moved) -> None:
        event.stop()
        row: ScoreRow | None = event.row
        if row is None or self.account is None:
            return
        dimensions = self.account.dimensions
        self.marked.choose(dimensions.index(row.dimension) if row.dimension in dimensions else None)
        kept = kept_total(self.subject.scores, self.account)
        behind = self.query_one("#behind")
        self.query_one("#explained", Static).update(explained(row, kept, *behind.size))
        behind.scroll_home(animate=False)
        self._draw_titles()

    # -- actions ---------------------------------------------------------------------------------------------

    def action_instrument(self) -> None:
        self._switch(1)

    def action_instrument_before(self) -> None:
        self._switch(-1)

    def _switch(self, by: int) -> None:
        if self._choice is not None:
            self._choice = self._choices[(self._choices.index(self._choice) + by) % len(self._choices)]
            self._draw_titles()
            self.rescore()

    def action_next_match(self) -> None:
        self.marked.go(1)
        self._draw_titles()

    def action_match_before(self) -> None:
        self.marked.go(-1)
        self._draw_titles()

    def action_close(self) -> None:
        self.app.pop_screen()

    def copy_text(self) -> str | None:
        return self.subject.text

    async def answer_shown(self) -> Answer | None:
        return None


def _measure_words(text: str) -> tuple[WordEntropy, Zone | None]:
    from lab.measure.words import measure
    from lab.measure.zones import load_table, zone_of

    words = measure(text)
    return words, zone_of(words.word_entropy_nats, words.words, load_table(None))
