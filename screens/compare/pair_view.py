"""Both answers of a pair side by side: where they part, what either side thought there, both scores."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from lab.safetext import safe_line, safe_text
from screens.compare.alternatives import AlternativesPanel
from screens.compare.blind import order_of
from screens.compare.desk import SIDES
from screens.compare.diff import MODES, DiffMode, changed_pieces
from screens.compare.heat import KINDS, HeatKind, value_of
from screens.compare.legend import PairLegend
from screens.compare.pair import Pair, place_of
from screens.compare.score_panel import ScorePanel, delta_words
from screens.compare.tape import Look, PairTape
from screens.compare.texts import EMPTY, Parting, SideText, folded, parting, side_text
from screens.formats import join_fitting, nats, plural, rate
from screens.live.facts import ENDINGS
from screens.shell import lab_of
from store.records import SideName

if TYPE_CHECKING:
    from screens.workbench import Answer

BORDER_ROOM = 4
LETTERS = ("A", "B")


class PairView(Vertical):
    """Draws a pair. What stands in the left pane is the left side, unless the sides are hidden."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.pair: Pair | None = None
        self.words: tuple[str, str] = ("", "")
        self.blind = False
        self.rater = ""
        self.diff: DiffMode = "off"
        self.kind: HeatKind = "off"
        self.folds = True
        self.parting: Parting | None = None
        self._order: tuple[SideName, SideName] = SIDES
        self._texts: dict[SideName, SideText] = {"left": EMPTY, "right": EMPTY}
        self._changed: dict[SideName, frozenset[int]] = {}
        self._drawn: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        with Vertical(id="asked-pane", classes="pane"):
            yield Static(id="asked")
        with Horizontal(id="tapes"):
            for side in SIDES:
                with Container(id=f"{side}-pane", classes="pane"):
                    yield PairTape(id=f"{side}-tape")
        yield PairLegend(id="pair-legend")
        with Horizontal(id="below"):
            with Container(id="parting-pane", classes="pane"):
                yield AlternativesPanel(id="alternatives")
            with Container(id="scores-pane", classes="pane"):
                yield ScorePanel(id="scores")

    def on_mount(self) -> None:
        for tape in self.tapes:
            tape.on_scroll = lambda _, y: self.scroll_both(y)

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw, force=True)

    @property
    def tapes(self) -> tuple[PairTape, PairTape]:
        return self.query_one("#left-tape", PairTape), self.query_one("#right-tape", PairTape)

    @property
    def order(self) -> tuple[SideName, SideName]:
        """Which side stands in the left and which in the right pane."""
        return self._order

    def side_at(self, pane: int) -> SideName:
        """Which side stands in the left (0) or right (1) pane."""
        return self._order[pane]

    @property
    def focused_side(self) -> SideName:
        """The side whose text has the focus; the one in the left pane if none has."""
        return self.side_at(1 if self.tapes[1].has_focus else 0)

    @property
    def names(self) -> tuple[str, str]:
        """What the panes are called: the sides, or letters while they are hidden."""
        if self.blind:
            return LETTERS
        return self.words

    # -- what is shown ---------------------------------------------------------------------------------------

    def show(self, pair: Pair | None, words: tuple[str, str], *, blind: bool, rater: str) -> None:
        """Show another pair, or the same with more known of it."""
        other = (
            pair is None
            or self.pair is None
            or (pair.comparison_id, pair.place)
            != (
                self.pair.comparison_id,
                self.pair.place,
            )
        )
        turned = blind != self.blind
        self.pair, self.words, self.blind, self.rater = pair, words, blind, rater
        self.set_class(blind, "-blind")
        self._order = order_of(pair.comparison_id, pair.place, rater) if blind and pair else SIDES
        if other or turned:
            self._changed = {}
            for tape in self.tapes:
                tape.move_to(None)
        self.draw(force=True)
        if other:
            self.scroll_both(0)

    def draw(self, *, force: bool = False) -> None:
        """Draw what has changed since the last time; cheap when nothing has."""
        pair = self.pair
        answers = (pair.left, pair.right) if pair else (None, None)
        seen = tuple((len(answer.tokens), answer.state) if answer else None for answer in answers)
        if not force and seen == self._drawn:
            return
        grown, self._drawn = seen != self._drawn, seen
        hidden = self.blind and pair is not None and not pair.is_over
        self._texts = {
            side: EMPTY if hidden else side_text(answer) for side, answer in zip(SIDES, answers, strict=True)
        }
        left, right = self._texts["left"], self._texts["right"]
        self.parting = parting(left, right, same_tokens=pair.same_tokens if pair else True)
        if self.diff != "off" and (grown or not self._changed):
            lab_of(self).latest("diff", self._find_diff, self.diff, left, right)
        self._draw_tapes()
        self._draw_asked()
        self._draw_below()

    async def _find_diff(self, mode: DiffMode, left: SideText, right: SideText) -> None:
        changed = await asyncio.to_thread(changed_pieces, left, right, mode)
        if mode == self.diff and self.is_attached:
            self._changed = dict(zip(SIDES, changed, strict=True))
            self._draw_tapes()

    def _draw_tapes(self) -> None:
        folds = dict(zip(SIDES, folded(self.parting) if self.folds else (0, 0), strict=True))
        for pane, tape in enumerate(self.tapes):
            side = self.side_at(pane)
            at = None
            if self.parting is not None:
                at = self.parting.left if side == "left" else self.parting.right
            tape.show(
                self._texts[side],
                Look(
                    folded=folds[side],
                    parting=at,
                    changed=self._changed.get(side) if self.diff != "off" else None,
                    kind=self._shown_kind(side),
                    heat=self._heat(side),
                    plain=self.blind,
                ),
            )
            self._title(pane, side)
        self.query_one(PairLegend).show(self.diff, self.kind, self.blind)

    def _shown_kind(self, side: SideName) -> HeatKind:
        return self.kind if self.pair is not None and side in self.pair.overlays and not self.blind else "off"

    def _heat(self, side: SideName) -> tuple[float, ...]:
        kind = self._shown_kind(side)
        if kind == "off" or self.pair is None:
            return ()
        return tuple(value_of(kind, token) for token in self.pair.overlays[side].tokens)

    def _title(self, pane: int, side: SideName) -> None:
        box = self.query_one(f"#{SIDES[pane]}-pane")
        room = box.size.width - BORDER_ROOM
        name = LETTERS[pane] if self.blind else f"{side.capitalize()} · {self.words[SIDES.index(side)]}"
        box.border_title = Content(safe_line(join_fitting([name], room)))
        answer = self.pair.answer(side) if self.pair else None
        box.border_subtitle = Content(safe_line(join_fitting(self._state(side, answer), room)))

    def _state(self, side: SideName, answer: Answer | None) -> list[str]:
        """How far an answer is and what it is like; nothing that tells hidden sides apart."""
        if self.blind:
            return [] if self.pair and self.pair.is_over else ["shown when both are there"]
        if answer is None:
            return ["not asked yet"]
        if answer.state == "waiting":
            return ["waiting for its turn"]
        record = answer.record or {}
        words = [plural(len(answer.tokens), "token") if answer.tokens else "no trace was kept"]
        if answer.state == "running":
            return [*words, rate(answer.tokens_per_second)]
        if answer.state == "failed":
            return [answer.fault, *words]
        mean = record.get("mean_entropy_nats")
        reason = str(record.get("finish_reason", ""))
        score = self._score_words(side)
        return [
            *score,
            *words,
            ENDINGS.get(reason, reason),
            *([f"H_t {nats(mean)}"] if mean is not None else []),
        ]

    def _score_words(self, side: SideName) -> list[str]:
        scores = self.pair.scores if self.pair else None
        found = (scores.left if side == "left" else scores.right) if scores else None
        return [] if found is None or found.total is None else [f"{found.total:.2f}"]

    def _draw_asked(self) -> None:
        pane, pair = self.query_one("#asked-pane"), self.pair
        if pair is None:
            pane.border_title = "Pair"
            self.query_one("#asked", Static).update(Content(""))
            return
        room = pane.size.width - BORDER_ROOM
        title = [
            pair.name,
            *([pair.domain] if pair.domain else []),
            f"pair {pair.place + 1:,}",
            f"seed {pair.seed}",
        ]
        pane.border_title = Content(safe_line(join_fitting(title, room)))
        same = pair.is_over and self.parting is None and pair.left is not None
        pane.border_subtitle = Content("both said the same" if same else "")
        self.query_one("#asked", Static).update(Content(safe_text(pair.prompt)))

    def _draw_below(self) -> None:
        panel, box = self.query_one(AlternativesPanel), self.query_one("#parting-pane")
        scores, scores_box = self.query_one(ScorePanel), self.query_one("#scores-pane")
        if self.pair is None or self.blind:
            panel.show(None)
            scores.show(None)
            return
        side, token = self._cursor()
        place = place_of(self.pair, self.parting, side, token)
        panel.show(place)
        box.border_title = Content(place.title)
        found = self.pair.scores
        scores.show(found, "scored when both answers are there")
        title = (
            "Scores"
            if found is None
            else f"{found.instrument} {found.version} · Δ {delta_words(found.delta)}"
        )
        scores_box.border_title = Content(safe_line(title))
        scores_box.border_subtitle = Content("points by dimension" if found else "")

    def _cursor(self) -> tuple[SideName | None, int | None]:
        for pane, tape in enumerate(self.tapes):
            if tape.cursor is not None:
                return self.side_at(pane), tape.cursor
        return None, None

    @on(PairTape.CursorMoved)
    def _cursor_moved(self, event: PairTape.CursorMoved) -> None:
        event.stop()
        if event.token is not None:
            for tape in self.tapes:
                if tape is not event.tape:
                    tape.move_to(None)
        self._draw_below()

    # -- moving and switching --------------------------------------------------------------------------------

    def scroll_both(self, y: float) -> None:
        """Both texts to the same line, as far as either goes."""
        y = max(0.0, min(y, max(tape.max_scroll_y for tape in self.tapes)))
        for tape in self.tapes:
            tape.follow_to(y)

    def scroll_by(self, lines: int) -> None:
        self.scroll_both(max(tape.scroll_offset.y for tape in self.tapes) + lines)

    def next_diff(self) -> DiffMode:
        """Off, by words, by tokens."""
        self.diff = MODES[(MODES.index(self.diff) + 1) % len(MODES)]
        self._changed = {}
        self.draw(force=True)
        return self.diff

    def next_heat(self) -> HeatKind:
        """Off, ΔH, Δ log p, KL."""
        self.kind = KINDS[(KINDS.index(self.kind) + 1) % len(KINDS)]
        self.draw(force=True)
        return self.kind

    def toggle_fold(self) -> None:
        self.folds = not self.folds
        self.draw(force=True)

    def take_overlays(self, pair: Pair) -> None:
        """What came for a pair, if it is still the one that is shown."""
        if self.pair is not None and (pair.comparison_id, pair.place) == (
            self.pair.comparison_id,
            self.pair.place,
        ):
            self.pair = replace(self.pair, overlays=pair.overlays)
            self.draw(force=True)
