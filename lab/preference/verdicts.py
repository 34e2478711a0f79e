"""What stands of an append-only log of judgements: verdicts, flags and notes after every undo and redo.

Nothing is ever taken out of the log. Undo and redo are judgements too and name the one they are about, so a
rater's history goes on across sessions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from store.records import JudgementRecord

Key = tuple[str, int]
"""Pair id and pass number: what one verdict is about."""


def preferred(judgement: JudgementRecord) -> str | None:
    """The generation that was preferred; None for ties, both bad and skips."""
    return {"left": judgement.left_id, "right": judgement.right_id}.get(judgement.verdict or "")


def rejected(judgement: JudgementRecord) -> str | None:
    """The other one of a decisive verdict."""
    return {"left": judgement.right_id, "right": judgement.left_id}.get(judgement.verdict or "")


@dataclass(slots=True)
class Standing:
    """One rater's log as it stands. Feed it judgements in their order; it never does I/O.

    `verdicts` holds the verdict that counts of every key; `flags` and `notes` are by pair; of the pairs in
    `revealed` the rater has seen which answer is whose.
    """

    verdicts: dict[Key, JudgementRecord] = field(default_factory=dict)
    flags: dict[str, bool] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    revealed: set[str] = field(default_factory=set)
    _by_id: dict[str, JudgementRecord] = field(default_factory=dict)
    _under: dict[Key, list[JudgementRecord]] = field(default_factory=dict)
    _done: dict[str, None] = field(default_factory=dict)
    _undone: dict[str, None] = field(default_factory=dict)

    @classmethod
    def of(cls, judgements: Iterable[JudgementRecord]) -> Standing:
        """The standing after all of `judgements`."""
        standing = cls()
        for judgement in judgements:
            standing.add(judgement)
        return standing

    def add(self, judgement: JudgementRecord) -> None:
        """Take one more judgement in. One that was seen, or that is about none standing, changes nothing."""
        if judgement.id in self._by_id:
            return
        self._by_id[judgement.id] = judgement
        match judgement.action:
            case "verdict":
                self._give(judgement)
                self._undone.clear()
            case "undo" if judgement.about in self._done:
                self._take_back(self._by_id[judgement.about])
            case "redo" if judgement.about in self._undone:
                del self._undone[judgement.about]
                self._give(self._by_id[judgement.about])
            case "flag":
                self.flags[judgement.pair_id] = bool(judgement.flagged)
            case "note":
                self.notes[judgement.pair_id] = judgement.note or ""
            case "reveal":
                self.revealed.add(judgement.pair_id)
            case _:
                pass

    @property
    def to_undo(self) -> JudgementRecord | None:
        """The verdict that the next undo is about."""
        return next(self.given, None)

    @property
    def to_redo(self) -> JudgementRecord | None:
        """The verdict that the next redo is about."""
        return self._by_id[next(reversed(self._undone))] if self._undone else None

    @property
    def given(self) -> Iterator[JudgementRecord]:
        """The verdicts that undo would take back, the next one first."""
        return (self._by_id[judgement_id] for judgement_id in reversed(self._done))

    def _give(self, judgement: JudgementRecord) -> None:
        self._under.setdefault(_key(judgement), []).append(judgement)
        self.verdicts[_key(judgement)] = judgement
        self._done[judgement.id] = None

    def _take_back(self, judgement: JudgementRecord) -> None:
        given = self._under[_key(judgement)]
        given.remove(judgement)
        if given:
            self.verdicts[_key(judgement)] = given[-1]
        else:
            del self.verdicts[_key(judgement)]
        del self._done[judgement.id]
        self._undone[judgement.id] = None


def _key(judgement: JudgementRecord) -> Key:
    return judgement.pair_id, judgement.pass_number
