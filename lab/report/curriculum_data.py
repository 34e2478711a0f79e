"""Everything that a report on a curriculum shows, gathered from the store at once. No number is made here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from lab.curriculum.settings import AFTER, BEFORE
from lab.errors import LabError
from lab.measure.statistics import Estimate, mean_interval
from lab.report.data import CompareReport, collect
from store.ids import utc_now

if TYPE_CHECKING:
    from store.queries.distilled import DistillationRow
    from store.queries.gates import Experiment, StoredGate
    from store.records import CurriculumRecord, PhaseRecord
    from store.service import StoreService

Value = TypeVar("Value")

BASE, TUNED, NO_KERNEL = "base", "tuned", "baseline"
TARGET = "tuned"
"""The comparison of base and tuned model on the probes that the curriculum is for."""
KERNEL = "kernel "
LEAST_FOR_INTERVAL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One comparison that was made before the first phase or after the last."""

    when: str
    name: str
    comparison: CompareReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The mean score of one model under one condition, a probe counting once; None where nobody asked."""

    estimate: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionTable:
    """Models down, conditions across, on the same probes."""

    kernels: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseReport:
    """One phase: what happened, attempt by attempt, and what came out of the last."""

    place: int
    name: str
    attempts: int
    events: tuple[PhaseRecord, ...]
    verdict: str | None
    distillation: DistillationRow | None
    gates: tuple[StoredGate, ...]
    adapter_id: str | None
    run_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurriculumReport:
    """A curriculum as the store has it at `written_at`.

    `closed_share` is the share of the kernel's effect that the tuned model shows without it.
    """

    plan: CurriculumRecord
    ended: str
    instrument: str
    version: str
    phases: tuple[PhaseReport, ...]
    evaluations: tuple[Evaluation, ...]
    table: ConditionTable | None
    closed_share: float | None
    events: tuple[PhaseRecord, ...]
    experiments: tuple[Experiment, ...]
    written_at: str

    @property
    def target(self) -> CompareReport | None:
        """Base against tuned on the probes that the curriculum is for; None before it was made."""
        named = (one.comparison for one in self.evaluations if (one.when, one.name) == (AFTER, TARGET))
        return next(named, None)


def collect_curriculum(service: StoreService, curriculum_id: str) -> CurriculumReport:
    """The report of a curriculum. Raises LabError when there is none of this id, or nothing happened yet."""
    from store.queries import curricula, distilled, gates

    plan = service.query(curricula.curriculum, curriculum_id)
    if plan is None:
        raise LabError(f"no curriculum {curriculum_id!r}: `lantern curriculum status` shows them")
    events = service.query(curricula.phase_events, plan.id)
    if not events:
        raise LabError(f"curriculum {plan.name}: nothing has happened yet, there is nothing to report")
    judged = service.query(gates.gates)
    rows = {row.id: row for row in service.query(distilled.page_distillations, 0, 10_000)}
    phases = tuple(
        _phase(place, name, [event for event in events if event.phase == name], judged, rows)
        for place, name in enumerate(plan.phases)
    )
    evaluations = tuple(_evaluations(service, events))
    instrument, version = _instrument(evaluations, phases)
    runs = {phase.run_id for phase in phases if phase.run_id}
    last = events[-1]
    return CurriculumReport(
        plan=plan,
        ended=f"{last.phase}, {last.stage} {last.state}: {last.words}",
        instrument=instrument,
        version=version,
        phases=phases,
        evaluations=evaluations,
        table=condition_table(evaluations),
        closed_share=_closed_share(events),
        events=tuple(events),
        experiments=tuple(e for e in service.query(gates.experiments) if runs & set(e.run_ids)),
        written_at=utc_now(),
    )


def _phase(
    place: int,
    name: str,
    events: Sequence[PhaseRecord],
    judged: Sequence[StoredGate],
    distillations: Mapping[str, DistillationRow],
) -> PhaseReport:
    adapters = {event.adapter_id for event in events if event.adapter_id}
    runs = {event.run_id for event in events if event.run_id}
    found = [gate for gate in judged if gate.record.adapter_id in adapters or gate.record.run_id in runs]
    # A phase that kept the adapter it began from shares it with the phase before.
    own = [gate for gate in found if gate.record.plan == name]
    return PhaseReport(
        place=place,
        name=name,
        attempts=max((event.attempt for event in events), default=0),
        events=tuple(events),
        verdict=_last(event.verdict for event in events),
        distillation=distillations.get(_last(event.distillation_id for event in events) or ""),
        gates=tuple(own or found),
        adapter_id=_last(event.adapter_id for event in events),
        run_id=_last(event.run_id for event in events),
    )


def _evaluations(service: StoreService, events: Sequence[PhaseRecord]) -> Iterable[Evaluation]:
    """The comparisons of the newest measuring before and after, those that can say something."""
    for when in (BEFORE, AFTER):
        told = [
            event.detail["comparisons"]
            for event in events
            if event.phase == when and event.detail.get("comparisons")
        ]
        named = told[-1] if told else {}
        assert isinstance(named, Mapping)
        for name, comparison_id in named.items():
            try:
                yield Evaluation(when=when, name=name, comparison=collect(service, comparison_id))
            except LabError:
                # Stopped before both sides had an answer: its own report says so.
                continue


def _closed_share(events: Sequence[PhaseRecord]) -> float | None:
    share = _last(event.detail.get("closed_share") for event in events if event.phase == AFTER)
    return float(share) if isinstance(share, int | float) else None


def _last(values: Iterable[Value | None]) -> Value | None:
    found = [value for value in values if value is not None]
    return found[-1] if found else None


def _instrument(evaluations: Sequence[Evaluation], phases: Sequence[PhaseReport]) -> tuple[str, str]:
    """That of the comparisons, or of the distillations, or the lab's own."""
    for one in evaluations:
        return one.comparison.instrument, one.comparison.version
    for phase in phases:
        if phase.distillation is not None:
            return phase.distillation.instrument, phase.distillation.version
    from lab.scoring import DEFAULT_INSTRUMENT, instrument

    found = instrument(DEFAULT_INSTRUMENT)
    return found.name, found.version


def condition_table(evaluations: Sequence[Evaluation]) -> ConditionTable | None:
    """Base and tuned, without and with each kernel, from the comparisons that asked all of them the same."""
    named = {(one.when, one.name): one.comparison for one in evaluations}
    kernels = [
        name.removeprefix(KERNEL) for when, name in named if when == BEFORE and name.startswith(KERNEL)
    ]
    if not kernels:
        return None
    base = [named.get((BEFORE, f"{KERNEL}{kernel}")) for kernel in kernels]
    tuned = [named.get((AFTER, f"{TARGET}, {KERNEL}{kernel}")) for kernel in kernels]
    target = named.get((AFTER, TARGET))
    rows = [(BASE, (_cell(base[0], "base"), *(_cell(one, "tuned") for one in base)))]
    if target is not None:
        rows.append((TUNED, (_cell(target, "tuned"), *(_cell(one, "tuned") for one in tuned))))
    return ConditionTable(kernels=(NO_KERNEL, *kernels), rows=tuple(rows))


def _cell(comparison: CompareReport | None, side: str) -> Cell:
    """The mean over probes of one side, `base` the left and `tuned` the right one."""
    if comparison is None:
        return Cell(estimate=None)
    scores = [getattr(probe, side) for probe in comparison.summary.battery.probes]
    return Cell(estimate=mean_interval(scores) if len(scores) >= LEAST_FOR_INTERVAL else None)
