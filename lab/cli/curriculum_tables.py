"""A curriculum for people and machines: what it would do, and where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lab.cli.output import plain, table
from lab.curriculum.state import DATA, DECISION, DISTILL, GATE, ROLLBACK, TRAIN

if TYPE_CHECKING:
    from rich.table import Table

    from lab.curriculum.settings import Curriculum
    from lab.curriculum.state import Progress, Standing
    from store.records import CurriculumRecord, PhaseRecord
    from store.service import StoreService


def plan_table(curriculum: Curriculum, store: StoreService) -> Table:
    """A row a phase: what it asks, what it keeps, how it trains, what it is judged by."""
    from lab.curriculum.plan import questions_of
    from lab.curriculum.probes import probes_to_distill, rephrasings
    from lab.curriculum.settings import gate_plan, train_settings

    others = rephrasings(store)
    rows = []
    for phase in curriculum.phases:
        asked = questions_of(probes_to_distill(phase.distill, store), others, phase.distill.variants)
        settings, gates = train_settings(phase), gate_plan(phase)
        threshold = phase.data.threshold
        rows.append(
            (
                phase.name,
                f"{len(asked)} × {phase.distill.samples}",
                phase.distill.kernel or "none",
                "any" if threshold is None else f"{phase.data.instrument} ≥ {threshold:g}",
                f"{settings.iters} micro-batches" if settings.iters else f"{settings.epochs:g} passes",
                f"{settings.learning_rate:g}",
                "none" if gates is None else f"{len(gates.gates)}, {gates.primary.name} first",
            )
        )
    headers = ("phase", "answers", "kernel", "kept from", "training", "rate", "gates")
    return table(headers, rows, title=f"{curriculum.name}: {curriculum.description}"[:200])


def status_table(record: CurriculumRecord, at: Progress) -> Table:
    """A row a phase: how it stands, and what came out of its stages."""
    rows = [
        (
            one.name if one.attempt == 1 else f"{one.name}, attempt {one.attempt}",
            one.status,
            _words(one, DISTILL),
            _words(one, DATA),
            _words(one, TRAIN),
            _gate_words(one),
        )
        for one in at.phases
    ]
    headers = ("phase", "stands", "distilled", "data", "trained", "gates")
    return table(headers, rows, title=f"{record.name} on {record.model}")


def status_document(record: CurriculumRecord, at: Progress, events: Sequence[PhaseRecord]) -> dict[str, Any]:
    """Everything that is known of it, for machines."""
    return {
        "curriculum": plain(record),
        "finished": at.is_finished,
        "phases": [
            {
                "name": one.name,
                "attempt": one.attempt,
                "status": one.status,
                "verdict": one.verdict,
                "adapter": one.adapter,
            }
            for one in at.phases
        ],
        "events": [plain(event) for event in events],
    }


def _words(one: Standing, stage: str) -> str:
    event = one.events.get(stage)
    if event is None:
        return "–"
    return event.words if event.state == "done" else f"{event.state}: {event.words}"


def _gate_words(one: Standing) -> str:
    parts = [_words(one, GATE)]
    for stage in (DECISION, ROLLBACK):
        if event := one.done(stage):
            parts.append(event.words)
    return "; ".join(part for part in parts if part != "–") or "–"
