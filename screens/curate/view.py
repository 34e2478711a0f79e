"""A card: the prompt, both answers side by side without a name, and what the rater said of it so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from lab.safetext import safe_line, safe_text
from screens.actions import bindings
from screens.compare.tape import Look, PairTape
from screens.compare.texts import EMPTY
from screens.curate.card_texts import asked
from screens.curate.foot import CardFoot
from screens.formats import join_fitting

if TYPE_CHECKING:
    from screens.curate.card_texts import CardTexts
    from store.queries.judgements import PairAnswer, PairToJudge
    from store.records import JudgementRecord

BORDER_ROOM = 4
PANES = ("left", "right")
CHOSEN = {
    "left": ("better", ""),
    "right": ("", "better"),
    "tie": ("as good", "as good"),
    "both_bad": ("bad", "bad"),
    "skip": ("skipped", "skipped"),
}


class CardTape(PairTape, can_focus=False):
    """One answer of a card. The card has the focus and the keys; there is no token cursor."""

    by_tokens = False

    def folded_words(self, folded: int) -> str:
        return f"{folded:,} {'tokens' if self.by_tokens else 'words'} that both begin with"

    def on_click(self, event: events.Click) -> None:
        event.prevent_default()


class CardView(Vertical, can_focus=True):
    """Draws a card. What its keys do is the screen's business: they are handed on by name."""

    BINDINGS = bindings("card")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.texts: CardTexts | None = None
        self.folds = True
        self.heat = False
        self.shows_sides = False

    def compose(self) -> ComposeResult:
        with (
            Vertical(id="question-pane", classes="pane"),
            VerticalScroll(can_focus=False, id="question-scroll"),
        ):
            yield Static(id="question")
        with Horizontal(id="answers"):
            for side in PANES:
                with Container(id=f"{side}-answer", classes="pane"):
                    yield CardTape(id=f"{side}-card")
        yield CardFoot(id="card-foot")

    def on_mount(self) -> None:
        for tape in self.tapes:
            tape.on_scroll = lambda _, y: self.scroll_both(y)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw_titles)

    @property
    def tapes(self) -> tuple[CardTape, CardTape]:
        return self.query_one("#left-card", CardTape), self.query_one("#right-card", CardTape)

    # -- drawing ---------------------------------------------------------------------------------------------

    def show(
        self,
        texts: CardTexts,
        verdict: JudgementRecord | None,
        *,
        flagged: bool,
        note: str,
        heat: bool,
        shows_sides: bool,
        blind: bool,
    ) -> None:
        """Show a card, or the same one with more known of it."""
        before = self.texts
        other = before is None or before.card.key != texts.card.key
        self.texts, self.heat, self.shows_sides = texts, heat, shows_sides
        self._verdict = verdict
        self._draw_tapes()
        if before is None or asked(before.pair) != asked(texts.pair):
            self._draw_question(texts.pair)
        self._draw_titles()
        self.query_one(CardFoot).show(
            verdict=verdict.verdict if verdict else None,
            flagged=flagged,
            note=note,
            diff=texts.diff,
            heat=heat,
            blind=blind,
            again=texts.card.pass_number,
            same=texts.same,
        )
        if other:
            self.scroll_both(0)

    def _draw_question(self, pair: PairToJudge) -> None:
        """The prompt; of a conversation all turns, the last of them in sight."""
        parts: list[Content] = []
        for turn in pair.earlier:
            parts += [Content.styled(f"{safe_line(turn.role)}  ", "$secondary")]
            parts += [Content.styled(f"{safe_text(turn.text)}\n", "$muted")]
        if pair.earlier:
            parts.append(Content.styled("user  ", "$secondary"))
        self.query_one("#question", Static).update(Content.assemble(*parts, safe_text(pair.prompt)))
        scroll = self.query_one("#question-scroll")
        if pair.earlier:
            scroll.scroll_end(animate=False)
        else:
            scroll.scroll_to(y=0, animate=False)

    def clear(self) -> None:
        """There is no card."""
        self.texts, self._verdict = None, None
        for tape in self.tapes:
            tape.show(EMPTY, Look(plain=True))

    _verdict: JudgementRecord | None = None

    def _draw_tapes(self) -> None:
        texts = self.texts
        if texts is None:
            return
        for n, tape in enumerate(self.tapes):
            at = None
            if texts.parting is not None:
                at = texts.parting.right if n else texts.parting.left
            tape.by_tokens = texts.by_tokens
            tape.show(
                texts.sides[n],
                Look(
                    folded=texts.folded[n] if self.folds else 0,
                    parting=at if texts.folded[n] else None,
                    changed=texts.changed[n] if texts.changed is not None else None,
                    plain=not self.heat,
                ),
            )

    def _draw_titles(self) -> None:
        texts = self.texts
        if texts is None:
            return
        pane = self.query_one("#question-pane")
        where = [part for part in (texts.pair.probe_battery, texts.pair.probe_id) if part]
        pane.border_title = Content("Prompt")
        pane.border_subtitle = Content(
            safe_line(join_fitting([" ".join(where)], max(1, pane.size.width - BORDER_ROOM)))
        )
        said = CHOSEN.get(self._verdict.verdict or "", ("", "")) if self._verdict else ("", "")
        for n, side in enumerate(PANES):
            box = self.query_one(f"#{side}-answer")
            room = max(1, box.size.width - BORDER_ROOM)
            parts = [side.capitalize()]
            if self.shows_sides:
                parts.append(answer_words(texts.answers[n]))
            box.border_title = Content(safe_line(join_fitting(parts, room)))
            box.border_subtitle = Content(f"✓ {said[n]}" if said[n] else "")
            box.set_class(said[n] == "better", "-better")

    # -- moving ----------------------------------------------------------------------------------------------

    def scroll_both(self, y: float) -> None:
        """Both texts to the same line, as far as either goes."""
        y = max(0.0, min(y, max(tape.max_scroll_y for tape in self.tapes)))
        for tape in self.tapes:
            tape.follow_to(y)

    def scroll_by_lines(self, lines: int) -> None:
        self.scroll_both(max(tape.scroll_offset.y for tape in self.tapes) + lines)

    def _page(self) -> int:
        return max(1, self.tapes[0].size.height - 1)

    def action_down(self) -> None:
        self.scroll_by_lines(1)

    def action_up(self) -> None:
        self.scroll_by_lines(-1)

    def action_page_down(self) -> None:
        self.scroll_by_lines(self._page())

    def action_page_up(self) -> None:
        self.scroll_by_lines(-self._page())

    def action_first(self) -> None:
        self.scroll_both(0)

    def action_last(self) -> None:
        self.scroll_both(1_000_000)

    def action_prompt_down(self) -> None:
        self.query_one("#question-scroll").scroll_relative(y=1, animate=False)

    def action_prompt_up(self) -> None:
        self.query_one("#question-scroll").scroll_relative(y=-1, animate=False)

    def action_fold(self) -> None:
        self.folds = not self.folds
        self._draw_tapes()

    # -- keys that the screen answers ------------------------------------------------------------------------

    @property
    def _desk(self) -> Any:
        return self.screen

    def action_choose_left(self) -> None:
        self._desk.judge("left")

    def action_choose_right(self) -> None:
        self._desk.judge("right")

    def action_tie(self) -> None:
        self._desk.judge("tie")

    def action_both_bad(self) -> None:
        self._desk.judge("both_bad")

    def action_skip(self) -> None:
        self._desk.judge("skip")

    def action_undo(self) -> None:
        self._desk.undo()

    def action_redo(self) -> None:
        self._desk.redo()

    def action_flag(self) -> None:
        self._desk.flag()

    def action_edit(self) -> None:
        self._desk.edit()

    def action_note(self) -> None:
        self._desk.note()

    def action_next_open(self) -> None:
        self._desk.next_open()

    def action_earlier(self) -> None:
        self._desk.step(-1)

    def action_later(self) -> None:
        self._desk.step(1)

    def action_diff(self) -> None:
        self._desk.next_diff()

    def action_overlay(self) -> None:
        self._desk.toggle_heat()

    def action_blind(self) -> None:
        self._desk.toggle_sides()


def answer_words(answer: PairAnswer) -> str:
    """Whose an answer is, for people."""
    parts = [part for part in (answer.model_name, answer.adapter_name) if part]
    return f"{' + '.join(parts)} · {answer.condition_name}"
