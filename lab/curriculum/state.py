"""Where a curriculum stands: read from what happened to its phases, and nothing else. Pure.

A stage is done when an event says so; one that was only begun is begun again and goes on inside, from the
very answers and steps that are kept. A phase that was rolled back begins anew as its next attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lab.curriculum.settings import AFTER, BEFORE
from store.records import GateVerdict, PhaseRecord

DISTILL, DATA, TRAIN, GATE, DECISION, ROLLBACK = "distill", "data", "train", "gate", "decision", "rollback"
EVALUATE, ATTEMPT = "evaluate", "attempt"
STAGES = (DISTILL, DATA, TRAIN, GATE)
GO_ON, SKIP = "go on", "skip"

PhaseStatus = Literal["not begun", "under way", "accepted", "waiting", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One phase in its present attempt: the latest event of each stage, by stage.

    `changes` are settings that a rollback asked to change for this attempt and the later ones.
    """

    name: str
    attempt: int = 1
    events: Mapping[str, PhaseRecord] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    status: PhaseStatus = "not begun"

    def done(self, stage: str) -> PhaseRecord | None:
        """The event that says a stage is done; None before it is."""
        event = self.events.get(stage)
        return event if event is not None and event.state == "done" else None

    def begun(self, stage: str) -> PhaseRecord | None:
        """The event that began a stage that is not done."""
        event = self.events.get(stage)
        return event if event is not None and event.state == "begun" else None

    @property
    def next_stage(self) -> str | None:
        """The first stage that is not done; None when all are."""
        return next((stage for stage in STAGES if self.done(stage) is None), None)

    @property
    def verdict(self) -> GateVerdict | None:
        """What the gates said; None before they did."""
        event = self.done(GATE)
        return event.verdict if event else None

    @property
    def adapter(self) -> str | None:
        """The folder of the adapter it made; None before it did."""
        event = self.done(TRAIN)
        return str(event.detail["adapter"]) if event else None


@dataclass(frozen=True, slots=True)
class Progress:
    """A curriculum as it stands: the measuring before and after, and every phase in its order."""

    before: Standing
    phases: tuple[Standing, ...]
    after: Standing

    @property
    def current(self) -> int | None:
        """The place of the first phase that is neither accepted nor skipped; None when there is none."""
        return next(
            (place for place, one in enumerate(self.phases) if one.status not in ("accepted", "skipped")),
            None,
        )

    @property
    def is_finished(self) -> bool:
        """Whether everything is done, the last measuring too."""
        return self.current is None and self.after.done(EVALUATE) is not None

    def made_by(self, place: int) -> list[str]:
        """The adapters of the accepted phases before this place, the oldest first."""
        return [
            one.adapter for one in self.phases[:place] if one.status == "accepted" and one.adapter is not None
        ]


def progress(phases: Sequence[str], events: Iterable[PhaseRecord]) -> Progress:
    """Read the events, in the order in which they happened."""
    by_phase: dict[str, list[PhaseRecord]] = {name: [] for name in (BEFORE, *phases, AFTER)}
    for event in events:
        if event.phase in by_phase:
            by_phase[event.phase].append(event)
    before, *standing, after = (_standing(name, happened) for name, happened in by_phase.items())
    return Progress(before, tuple(standing), after)


def _standing(name: str, events: Sequence[PhaseRecord]) -> Standing:
    attempt = max((event.attempt for event in events), default=1)
    changes: dict[str, Any] = {}
    for event in events:
        if event.stage == ATTEMPT and isinstance(found := event.detail.get("changes"), Mapping):
            changes |= found
    latest = {event.stage: event for event in events if event.attempt == attempt}
    known = Standing(name, attempt, latest, changes)
    return Standing(name, attempt, latest, changes, _status(known))


def _status(one: Standing) -> PhaseStatus:
    if not one.events:
        return "not begun"
    decision = one.done(DECISION)
    if decision is not None and decision.detail.get("decision") == SKIP:
        return "skipped"
    if one.done(ROLLBACK) is not None:
        return "failed"
    if one.next_stage is not None:
        return "under way"
    if one.verdict == "pass" or (one.verdict == "amber" and decision is not None):
        return "accepted"
    return "waiting" if one.verdict == "amber" else "failed"
