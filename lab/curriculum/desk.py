"""The review desk: one answer after the other, a key each, every key an entry that is kept. Pure.

Whoever shows it (a command, a screen) appends what a key gives and asks for the next answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.curriculum.candidates import Candidate
from lab.curriculum.pipeline import Prepared
from lab.curriculum.review import Outcome, ReviewPlan, last_to_undo, outcome, reviewed, standing
from store.records import ReviewRecord


@dataclass
class ReviewDesk:
    """Answers to be looked at (`drawn` at random, or flagged), and what was said of them so far."""

    review_id: str
    reviewer: str
    plan: ReviewPlan
    answers: Sequence[Candidate]
    drawn: Sequence[str]
    flags: Mapping[str, Sequence[str]]
    reviews: list[ReviewRecord] = field(default_factory=list)
    passed_over: set[str] = field(default_factory=set)

    @classmethod
    def of(
        cls,
        prepared: Prepared,
        review_id: str,
        reviewer: str,
        plan: ReviewPlan,
        reviews: Sequence[ReviewRecord],
    ) -> ReviewDesk:
        """The desk of a data set that is being prepared."""
        drawn = [one.id for one in prepared.to_review[: prepared.outcome.drawn]]
        return cls(review_id, reviewer, plan, prepared.to_review, drawn, prepared.flags, list(reviews))

    @property
    def current(self) -> Candidate | None:
        """The next answer that nobody has reviewed; None when there is no more."""
        stands = standing(self.reviews)
        return next(
            (one for one in self.answers if one.id not in stands and one.id not in self.passed_over), None
        )

    @property
    def outcome(self) -> Outcome:
        """What the review says by now."""
        return outcome(self.drawn, standing(self.reviews), self.plan)

    @property
    def done(self) -> int:
        """How many of the answers are reviewed."""
        stands = standing(self.reviews)
        return sum(one.id in stands for one in self.answers)

    def accept(self, reading_ms: float | None = None) -> ReviewRecord | None:
        """The answer is good as it is."""
        one = self.current
        return (
            None
            if one is None
            else self._take(reviewed(self.review_id, one.id, "accept", self.reviewer, reading_ms=reading_ms))
        )

    def reject(self, note: str | None = None, reading_ms: float | None = None) -> ReviewRecord | None:
        """The answer is not to be trained on."""
        one = self.current
        return (
            None
            if one is None
            else self._take(
                reviewed(self.review_id, one.id, "reject", self.reviewer, note=note, reading_ms=reading_ms)
            )
        )

    def edit(self, text: str, reading_ms: float | None = None) -> ReviewRecord | None:
        """Another text is to be trained on. The same text again, or none, says nothing: None."""
        one = self.current
        if one is None or not text.strip() or text.strip() == one.answer.strip():
            return None
        return self._take(
            reviewed(self.review_id, one.id, "edit", self.reviewer, text=text.strip(), reading_ms=reading_ms)
        )

    def undo(self) -> ReviewRecord | None:
        """Take this person's last key back; None when there is none."""
        last = last_to_undo(self.reviews, self.reviewer)
        if last is None:
            return None
        return self._take(reviewed(self.review_id, last.generation_id, "undo", self.reviewer, about=last.id))

    def pass_over(self) -> None:
        """Leave the answer for later."""
        if self.current is not None:
            self.passed_over.add(self.current.id)

    def _take(self, entry: ReviewRecord) -> ReviewRecord:
        self.reviews.append(entry)
        return entry
