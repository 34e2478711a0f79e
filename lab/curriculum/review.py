"""A person's review of answers before they are trained on: a drawn sample, a key each, and what it decides.

Pure. The sample's error rate with its interval stands for all answers: every answer of the sample that was
rejected or had to be edited is an error. Undo is an entry of its own, as everywhere.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lab.curriculum.candidates import Candidate
from lab.measure.statistics import Estimate, wilson
from store.ids import new_id, utc_now
from store.records import ReviewAction, ReviewRecord

Decision = Literal["pass", "amber", "fail", "not reviewed", "not asked for"]


@dataclass(frozen=True, slots=True)
class ReviewPlan:
    """How much is looked at (0: nothing), and the largest error rate that is good enough."""

    share: float = 0.1
    max_error_rate: float = 0.15
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a review came to. `errors` are of the drawn answers that were `reviewed`, of `drawn`."""

    decision: Decision
    drawn: int
    reviewed: int
    errors: int
    rate: Estimate
    max_error_rate: float

    @property
    def words(self) -> str:
        """The same for people."""
        if self.decision == "not asked for":
            return "no review is asked for"
        if self.decision == "not reviewed":
            return f"nobody has reviewed the {self.drawn} drawn answers"
        assert self.rate.value is not None
        assert self.rate.lower is not None
        assert self.rate.upper is not None
        return (
            f"{self.errors} errors in {self.reviewed} of {self.drawn} drawn answers: "
            f"{100 * self.rate.value:.0f} % [{100 * self.rate.lower:.0f}, {100 * self.rate.upper:.0f}], "
            f"{100 * self.max_error_rate:g} % are allowed: {self.decision}"
        )


def draw(candidates: Collection[Candidate], plan: ReviewPlan) -> list[str]:
    """The ids of a random sample in a random order; the same for the same answers, whatever their ids."""
    if plan.share <= 0 or not candidates:
        return []
    count = min(max(math.ceil(plan.share * len(candidates)), 1), len(candidates))
    return [one.id for one in sorted(candidates, key=lambda one: lot(plan.seed, one))[:count]]


def lot(seed: int, one: Candidate) -> str:
    """A random place for an answer, which follows from what was asked and said and from the seed."""
    text = json.dumps([seed, one.cluster, one.variant, one.seed, one.prompt, one.answer])
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def standing(reviews: Iterable[ReviewRecord]) -> dict[str, ReviewRecord]:
    """By generation, the review that stands: the last one that was not undone. In the order of the keys."""
    entries = list(reviews)
    undone = {entry.about for entry in entries if entry.action == "undo"}
    return {
        entry.generation_id: entry for entry in entries if entry.action != "undo" and entry.id not in undone
    }


def last_to_undo(reviews: Sequence[ReviewRecord], reviewer: str) -> ReviewRecord | None:
    """The last key press of this person that stands; None when there is none."""
    undone = {entry.about for entry in reviews if entry.action == "undo"}
    found = [e for e in reviews if e.action != "undo" and e.id not in undone and e.reviewer == reviewer]
    return found[-1] if found else None


def outcome(drawn: Sequence[str], stands: Mapping[str, ReviewRecord], plan: ReviewPlan) -> Outcome:
    """What the reviews of the drawn answers say of all of them.

    It passes when the whole interval of the error rate is within what is allowed, fails when none of it is.
    """
    seen = [stands[one] for one in drawn if one in stands]
    errors = sum(entry.action in ("reject", "edit") for entry in seen)
    rate = wilson(errors, len(seen))
    return Outcome(_decision(drawn, rate, plan), len(drawn), len(seen), errors, rate, plan.max_error_rate)


def reviewed(
    review_id: str,
    generation_id: str,
    action: ReviewAction,
    reviewer: str,
    *,
    text: str | None = None,
    note: str | None = None,
    about: str | None = None,
    reading_ms: float | None = None,
) -> ReviewRecord:
    """A key press as it is kept."""
    return ReviewRecord(
        id=new_id(),
        review_id=review_id,
        generation_id=generation_id,
        reviewer=reviewer,
        action=action,
        at=utc_now(),
        text=text,
        note=note,
        about=about,
        reading_ms=reading_ms,
    )


def _decision(drawn: Sequence[str], rate: Estimate, plan: ReviewPlan) -> Decision:
    if not drawn:
        return "not asked for"
    if rate.lower is None or rate.upper is None:
        return "not reviewed"
    if rate.lower > plan.max_error_rate:
        return "fail"
    return "pass" if rate.upper <= plan.max_error_rate else "amber"
