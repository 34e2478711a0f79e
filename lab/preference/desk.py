"""A rater at work: which card lies on the desk, which come next, and what a key writes down. Pure.

A key makes a record; only when that is on disk does the caller hand it to `take`, and then the desk moves on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.preference.manner import Manner, agreement, manner
from lab.preference.queue import choose_repeat, repeat_is_due
from lab.preference.sides import stands_swapped
from lab.preference.verdicts import Key, Standing, preferred
from store.ids import new_id, utc_now
from store.records import JudgementRecord, Verdict

if TYPE_CHECKING:
    from lab.measure.statistics import Estimate
    from store.queries.judgements import QueuedPair

AHEAD = 4
LOW = 12
HISTORY_READ = 2000


@dataclass(frozen=True, slots=True)
class Card:
    """One showing of a pair; `first_id` is the lower id, wherever it stands."""

    pair_id: str
    first_id: str
    second_id: str
    pass_number: int

    @property
    def key(self) -> Key:
        return self.pair_id, self.pass_number

    def sides(self, rater: str) -> tuple[str, str]:
        """The generations as they stand, left and right."""
        if stands_swapped(self.pair_id, rater, self.pass_number):
            return self.second_id, self.first_id
        return self.first_id, self.second_id


@dataclass(slots=True)
class Desk:
    """The state of one rater. Feed it with the queue's pairs; `card` is what is to be judged now.

    The trail holds the cards of this session in the order in which they came; `at` is the place in it. Behind
    its end there is no card: the queue is empty.
    """

    rater: str
    standing: Standing = field(default_factory=Standing)
    sides_shown: bool = False
    trail: list[Card] = field(default_factory=list)
    at: int = 0
    session: list[JudgementRecord] = field(default_factory=list)
    words: dict[str, int] = field(default_factory=dict)
    _queue: deque[Card] = field(default_factory=deque)
    _ahead: deque[Card] = field(default_factory=deque)
    _fresh: int = 0
    _decisive: int = 0
    _left: int = 0
    _repeated: set[str] = field(default_factory=set)
    _gone: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, rater: str, log: Iterable[JudgementRecord]) -> Desk:
        """The desk of a rater whose whole log this is."""
        desk = cls(rater, Standing.of(log))
        for verdict in desk.standing.verdicts.values():
            desk._count(verdict, 1)
        return desk

    # -- cards -----------------------------------------------------------------------------------------------

    @property
    def card(self) -> Card | None:
        return self.trail[self.at] if self.at < len(self.trail) else None

    @property
    def verdict(self) -> JudgementRecord | None:
        """What stands of the card on the desk."""
        card = self.card
        return self.standing.verdicts.get(card.key) if card else None

    @property
    def coming(self) -> Sequence[Card]:
        """The cards that come next, as far as that is known: what to have ready."""
        self._look_ahead()
        return tuple(self._ahead)

    @property
    def is_low(self) -> bool:
        """Whether the queue should be fed."""
        return len(self._queue) < LOW

    @property
    def open_on_trail(self) -> int:
        """How many cards of the trail have no verdict: the store's queue begins with them."""
        return sum(card.key not in self.standing.verdicts for card in self.trail)

    def feed(self, pairs: Iterable[QueuedPair]) -> None:
        """The first pairs of the store's queue; those that are known here already are left out."""
        known = {card.key for card in (*self.trail, *self._queue, *self._ahead)}
        for pair in pairs:
            card = Card(pair.pair_id, pair.first_id, pair.second_id, pair.pass_number)
            if card.key not in known and card.key not in self.standing.verdicts and not self._is_gone(card):
                self._queue.append(card)

    def clear_queue(self) -> None:
        """Forget what was to come: the strategy or the filter is another."""
        self._queue.clear()
        self._ahead.clear()

    def skip_open(self) -> None:
        """Put the open card back: what comes is to be of the new queue. It stays on the trail."""
        card = self.card
        if card is not None and card.key not in self.standing.verdicts:
            self.trail.remove(card)
        self.at = len(self.trail)

    def leave_out(self, card: Card) -> None:
        """A card that cannot be shown, since an answer is missing; it does not come again."""
        self._gone.add(card.pair_id)
        if card in self.trail:
            place = self.trail.index(card)
            del self.trail[place]
            self.at -= self.at > place

    def put(self, card: Card) -> None:
        """Lay a card on the desk: where it is on the trail, else at this place of it."""
        if card in self.trail:
            self.at = self.trail.index(card)
        else:
            self.trail.insert(self.at, card)

    def advance(self) -> Card | None:
        """On to the next card without a verdict: on the trail, from the queue, then what was passed over."""
        place = self._open_from(self.at + 1, len(self.trail))
        if place is None and (card := self._pull()) is not None:
            self.trail.append(card)
            place = len(self.trail) - 1
        if place is None:
            place = self._open_from(0, min(self.at + 1, len(self.trail)))
        self.at = len(self.trail) if place is None else place
        return self.card

    def step(self, by: int) -> Card | None:
        """To the card before (−1), in earlier sessions too, or after (1); None where there is none."""
        if by < 0:
            if self.at == 0 and (before := self._before()) is not None:
                self.trail.insert(0, before)
                self.at = 1
            if self.at == 0:
                return None
            self.at -= 1
            return self.card
        if self.at + 1 < len(self.trail):
            self.at += 1
        elif (card := self._pull()) is not None:
            self.trail.append(card)
            self.at = len(self.trail) - 1
        else:
            return None
        return self.card

    def _open_from(self, start: int, end: int) -> int | None:
        verdicts = self.standing.verdicts
        return next((n for n in range(start, end) if self.trail[n].key not in verdicts), None)

    def _pull(self) -> Card | None:
        self._look_ahead()
        return self._ahead.popleft() if self._ahead else None

    def _look_ahead(self) -> None:
        while len(self._ahead) < AHEAD and (card := self._next()) is not None:
            self._ahead.append(card)

    def _next(self) -> Card | None:
        """A repeat where one is due, else the next of the queue."""
        planned = sum(card.pass_number == 0 for card in self._ahead)
        came_last = self._ahead[-1] if self._ahead else (self.trail[-1] if self.trail else None)
        due = repeat_is_due(self.rater, self._fresh + planned)
        if due and not (came_last is not None and came_last.pass_number > 0):
            again = self._repeat()
            if again is not None:
                return again
        while self._queue:
            card = self._queue.popleft()
            if card.key not in self.standing.verdicts:
                return card
        return None

    def _repeat(self) -> Card | None:
        history = list(self.standing.given)[::-1]
        known = {card.key for card in (*self.trail, *self._ahead)}
        found = choose_repeat(self.rater, history, self.standing.verdicts)
        if found is None or found.pair_id in self.standing.revealed or self._is_gone(_card_of(found)):
            return None
        again = _card_of(found, found.pass_number + 1)
        return again if again.key not in known else None

    def _before(self) -> Card | None:
        """The last verdict that is not on the trail: of an earlier session."""
        known = {card.key for card in self.trail}
        for _, verdict in zip(range(HISTORY_READ), self.standing.given, strict=False):
            card = _card_of(verdict)
            if card.key not in known and not self._is_gone(card):
                return card
        return None

    def _is_gone(self, card: Card) -> bool:
        return card.pair_id in self._gone

    # -- what a key writes down ------------------------------------------------------------------------------

    @property
    def is_blind(self) -> bool:
        """Whether this rater cannot know whose answers lie on the desk."""
        return not self.sides_shown and (self.card is None or self.card.pair_id not in self.standing.revealed)

    def judge(self, verdict: Verdict, reading_ms: float | None) -> JudgementRecord | None:
        """A verdict on the card."""
        return self._record("verdict", verdict=verdict, reading_ms=reading_ms)

    def flag(self) -> JudgementRecord | None:
        """The card flagged, or not any more."""
        flagged = self.card is not None and self.standing.flags.get(self.card.pair_id, False)
        return self._record("flag", flagged=not flagged)

    def note(self, text: str) -> JudgementRecord | None:
        """A note on the card's pair, in the place of the one before."""
        return self._record("note", note=text)

    def reveal(self) -> JudgementRecord | None:
        """That whose answers these are was shown; None where that is known already."""
        card = self.card
        if card is None or card.pair_id in self.standing.revealed:
            return None
        return self._record("reveal")

    def undo(self) -> JudgementRecord | None:
        """The last verdict taken back."""
        return self._about("undo", self.standing.to_undo)

    def redo(self) -> JudgementRecord | None:
        """The verdict that was taken back last, given again."""
        return self._about("redo", self.standing.to_redo)

    def _about(self, action: Any, about: JudgementRecord | None) -> JudgementRecord | None:
        if about is None:
            return None
        return self._made(_card_of(about), action, about=about.id)

    def _record(self, action: Any, **fields: Any) -> JudgementRecord | None:
        return None if self.card is None else self._made(self.card, action, **fields)

    def _made(self, card: Card, action: Any, **fields: Any) -> JudgementRecord:
        left, right = card.sides(self.rater)
        return JudgementRecord(
            id=new_id(),
            pair_id=card.pair_id,
            rater=self.rater,
            pass_number=card.pass_number,
            action=action,
            left_id=left,
            right_id=right,
            at=utc_now(),
            blind=not self.sides_shown and card.pair_id not in self.standing.revealed,
            **fields,
        )

    # -- what is on disk -------------------------------------------------------------------------------------

    def take(self, record: JudgementRecord) -> None:
        """A record that is on disk: what stands changes, and the desk moves on as the key promised."""
        key = (record.pair_id, record.pass_number)
        before = self.standing.verdicts.get(key)
        self.standing.add(record)
        after = self.standing.verdicts.get(key)
        if before is not after:
            self._count(before, -1)
            self._count(after, 1)
        if record.action == "verdict":
            self.session.append(record)
            if self.card is not None and self.card.key == key:
                self.advance()
        elif record.action == "undo":
            self.put(_card_of(record))
        elif record.action == "redo":
            self.put(_card_of(record))
            self.advance()

    def _count(self, verdict: JudgementRecord | None, by: int) -> None:
        if verdict is None:
            return
        if verdict.pass_number == 0:
            self._fresh += by
        elif by > 0:
            self._repeated.add(verdict.pair_id)
        if preferred(verdict) is not None:
            self._decisive += by
            self._left += by * (verdict.verdict == "left")

    # -- figures ---------------------------------------------------------------------------------------------

    @property
    def judged(self) -> int:
        """How many pairs have this rater's verdict."""
        return self._fresh

    def manner(self) -> Manner:
        """The figures of this session."""
        verdicts = self.standing.verdicts
        kept = [one for one in self.session if verdicts.get((one.pair_id, one.pass_number)) is one]
        return manner(kept, self.words)

    @property
    def left_wins(self) -> Estimate | None:
        """How often the left answer wins, of all that this rater decided; None where nothing was."""
        from lab.measure.statistics import wilson

        return wilson(self._left, self._decisive) if self._decisive else None

    @property
    def self_agreement(self) -> tuple[int, int]:
        """Of how many repeats, how many said the same again."""
        verdicts = self.standing.verdicts
        return agreement(
            one
            for pair_id in self._repeated
            for n in range(_MOST_PASSES)
            if (one := verdicts.get((pair_id, n))) is not None
        )


_MOST_PASSES = 16


def _card_of(judgement: JudgementRecord, pass_number: int | None = None) -> Card:
    first, second = sorted((judgement.left_id, judgement.right_id))
    return Card(
        judgement.pair_id, first, second, judgement.pass_number if pass_number is None else pass_number
    )
