"""Everything that a report on a curriculum shows, gathered from the store at once. No number is made here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from lab.errors import LabError
from lab.measure.statistics import Estimate, mean_interval
from lab.report.data import CompareReport, collect
from store.ids import utc_now

if TYPE_CHECKING:
    from store.queries.conditions import ProbeScore
    from store.queries.distilled import DistillationRow
    from store.queries.gates import Experiment, StoredGate
    from store.records import CurriculumRecord, PhaseRecord
    from store.service import StoreService

Value = TypeVar("Value")

BASE = "base"
NO_KERNEL = "baseline"
LEAST_FOR_INTERVAL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The mean score of one model under one condition, a probe counting once; None where nobody asked."""

    estimate: Estimate | None
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionTable:
    """Models down, conditions across, for one battery."""

    battery: str
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
    comparison: CompareReport | None
    adapter_id: str | None
    run_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurriculumReport:
    """A curriculum as the store has it at `written_at`."""

    plan: CurriculumRecord
    ended: str
    instrument: str
    version: str
    phases: tuple[PhaseReport, ...]
    tables: tuple[ConditionTable, ...]
    experiments: tuple[Experiment, ...]
    written_at: str


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
        _phase(service, place, name, [event for event in events if event.place == place], judged, rows)
        for place, name in enumerate(plan.phases)
    )
    instrument, version = _instrument(phases)
    runs = {phase.run_id for phase in phases if phase.run_id}
    last = events[-1]
    return CurriculumReport(
        plan=plan,
        ended=f"{last.phase}, {last.stage} {last.state}: {last.words}",
        instrument=instrument,
        version=version,
        phases=phases,
        tables=tuple(_tables(service, plan, phases, instrument, version)),
        experiments=tuple(e for e in service.query(gates.experiments) if runs & set(e.run_ids)),
        written_at=utc_now(),
    )


def _phase(
    service: StoreService,
    place: int,
    name: str,
    events: Sequence[PhaseRecord],
    judged: Sequence[StoredGate],
    distillations: dict[str, DistillationRow],
) -> PhaseReport:
    adapters = {event.adapter_id for event in events if event.adapter_id}
    runs = {event.run_id for event in events if event.run_id}
    comparison_id = _last(event.comparison_id for event in events)
    return PhaseReport(
        place=place,
        name=name,
        attempts=max((event.attempt for event in events), default=0),
        events=tuple(events),
        verdict=_last(event.verdict for event in events),
        distillation=distillations.get(_last(event.distillation_id for event in events) or ""),
        gates=tuple(
            gate for gate in judged if gate.record.adapter_id in adapters or gate.record.run_id in runs
        ),
        comparison=None if comparison_id is None else _comparison(service, comparison_id),
        adapter_id=_last(event.adapter_id for event in events),
        run_id=_last(event.run_id for event in events),
    )


def _comparison(service: StoreService, comparison_id: str) -> CompareReport | None:
    """None where its answers can say nothing, which its own report would say."""
    try:
        return collect(service, comparison_id)
    except LabError:
        return None


def _last(values: Iterable[Value | None]) -> Value | None:
    found = [value for value in values if value is not None]
    return found[-1] if found else None


def _instrument(phases: Sequence[PhaseReport]) -> tuple[str, str]:
    """That of the comparisons, or of the distillations, or the lab's own."""
    for phase in phases:
        if phase.comparison is not None:
            return phase.comparison.instrument, phase.comparison.version
    for phase in phases:
        if phase.distillation is not None:
            return phase.distillation.instrument, phase.distillation.version
    from lab.scoring import DEFAULT_INSTRUMENT, instrument

    found = instrument(DEFAULT_INSTRUMENT)
    return found.name, found.version


def _tables(
    service: StoreService,
    plan: CurriculumRecord,
    phases: Sequence[PhaseReport],
    instrument: str,
    version: str,
) -> Iterable[ConditionTable]:
    """A table for each battery on which a tuned model has answered."""
    from store.queries.conditions import probe_scores

    adapters = {phase.adapter_id: phase.name for phase in phases if phase.adapter_id}
    for battery in _batteries(phases):
        scores = service.query(probe_scores, plan.model_id, list(adapters), battery, instrument, version)
        if any(score.adapter_id for score in scores):
            yield condition_table(battery, scores, adapters)


def _batteries(phases: Sequence[PhaseReport]) -> list[str]:
    """Those that gates and comparisons asked, in the order in which they come."""
    asked = [row.battery for phase in phases for gate in phase.gates for row in gate.record.rows]
    asked += [phase.comparison.battery for phase in phases if phase.comparison is not None]
    return list(dict.fromkeys(asked))


def condition_table(battery: str, scores: Sequence[ProbeScore], adapters: dict[str, str]) -> ConditionTable:
    """Means over probes by model and condition, with their intervals."""
    kernels = sorted({score.kernel for score in scores}, key=lambda kernel: kernel or "")
    tuned = ((adapter_id, f"after {name}") for adapter_id, name in adapters.items())
    models: list[tuple[str | None, str]] = [(None, BASE), *tuned]
    rows = []
    for adapter_id, name in models:
        cells = []
        for kernel in kernels:
            here = [s for s in scores if s.adapter_id == adapter_id and s.kernel == kernel]
            cells.append(_cell(here))
        rows.append((name, tuple(cells)))
    return ConditionTable(
        battery=battery, kernels=tuple(kernel or NO_KERNEL for kernel in kernels), rows=tuple(rows)
    )


def _cell(scores: Sequence[ProbeScore]) -> Cell:
    answers = sum(score.answers for score in scores)
    if len(scores) < LEAST_FOR_INTERVAL:
        return Cell(estimate=None, answers=answers)
    return Cell(estimate=mean_interval([score.mean for score in scores]), answers=answers)
