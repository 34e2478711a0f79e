"""What stands of an append-only log of judgements: verdicts, flags and notes after every undo and redo.

Nothing is ever taken out of the log. Undo and redo are judgements too and name the one they are about, so a
rater's history goes on across sessions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["left", "right", "tie", "both_bad", "skip"]
Action = Literal["verdict", "flag", "note", "undo", "redo"]
Key = tuple[str, int]
"""Pair id and pass number: what one verdict is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One key press of a rater on one card.

    `left_id` and `right_id` are the generations as shown. `about` is the judgement that an undo or redo is
    about. `reading_ms` is the time from the card being drawn to the verdict. `blind` is false once the sides
    have been shown.
    """

    id: str
    pair_id: str
    rater: str
    pass_number: int
    action: Action
    left_id: str
    right_id: str
    verdict: Verdict | None = None
    flagged: bool | None = None
    note: str | None = None
    about: str | None = None
    reading_ms: float | None = None
    blind: bool = True

    @property
    def key(self) -> Key:
        return self.pair_id, self.pass_number

    @property
    def preferred(self) -> str | None:
        """The generation that was preferred; None for ties, both bad and skips."""
        return {"left": self.left_id, "right": self.right_id}.get(self.verdict or "")

    @property
    def rejected(self) -> str | None:
        """The other one of a decisive verdict."""
        return {"left": self.right_id, "right": self.left_id}.get(self.verdict or "")


@dataclass(slots=True)
class Standing:
    """One rater's log as it stands. Feed it judgements in their order; it never does I/O.

    `verdicts` holds the verdict that counts of every key; `flags` and `notes` are by pair.
    """

    verdicts: dict[Key, Judgement] = field(default_factory=dict)
    flags: dict[str, bool] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    _by_id: dict[str, Judgement] = field(default_factory=dict)
    _under: dict[Key, list[Judgement]] = field(default_factory=dict)
    _done: list[str] = field(default_factory=list)
    _undone: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, judgements: Iterable[Judgement]) -> Standing:
        """The standing after all of `judgements`."""
        standing = cls()
        for judgement in judgements:
            standing.add(judgement)
        return standing

    def add(self, judgement: Judgement) -> None:
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
                self._undone.remove(judgement.about)
                self._give(self._by_id[judgement.about])
            case "flag":
                self.flags[judgement.pair_id] = bool(judgement.flagged)
            case "note":
                self.notes[judgement.pair_id] = judgement.note or ""
            case _:
                pass

    @property
    def to_undo(self) -> Judgement | None:
        """The verdict that the next undo is about."""
        return self._by_id[self._done[-1]] if self._done else None

    @property
    def to_redo(self) -> Judgement | None:
        """The verdict that the next redo is about."""
        return self._by_id[self._undone[-1]] if self._undone else None

    def _give(self, judgement: Judgement) -> None:
        self._under.setdefault(judgement.key, []).append(judgement)
        self.verdicts[judgement.key] = judgement
        self._done.append(judgement.id)

    def _take_back(self, judgement: Judgement) -> None:
        given = self._under[judgement.key]
        given.remove(judgement)
        if given:
            self.verdicts[judgement.key] = given[-1]
        else:
            del self.verdicts[judgement.key]
        self._done.remove(judgement.id)
        self._undone.append(judgement.id)
