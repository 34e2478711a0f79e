"""What a gate plan needs, measured: answers made where they are missing, scored, put into observations.

`measure` is for those who judge themselves; `run_gates` measures, judges and keeps the record.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.curriculum import direction
from lab.curriculum.asking import Desk, Wanted
from lab.curriculum.gate_figures import Observation, worst_cluster
from lab.curriculum.gate_plan import BASE, HELD_OUT, GatePlan, GateSpec
from lab.curriculum.gates import GateReport, Measured, gate_record, judge
from lab.curriculum.heldout import read_texts, text_losses
from lab.decode.loop import never
from lab.decode.types import Sampling
from lab.errors import LabError
from lab.kernels import Kernel
from lab.kernels import load as load_kernel
from lab.measure.instrument import Instrument
from lab.probes import from_row
from lab.protocol import Progress
from lab.sampling import load_preset
from lab.scoring import instrument as find_instrument
from lab.session import Session
from lab.train.net import split
from store.queries import ProbeFilter, batteries, count_probes, page_probes
from store.queries.gates import sealed_looks
from store.records import GateRecord, ProbeRecord
from store.service import StoreService

BATCH_SIZE = 8


@dataclass(frozen=True, slots=True)
class Manner:
    """How measuring goes about it: rows of a batch, who may stop it, who is told, whose rubrics count."""

    batch_size: int = BATCH_SIZE
    should_stop: Callable[[], bool] = never
    on_progress: Callable[[Progress], None] = lambda _: None
    instruments: Callable[[str], Instrument] = find_instrument


@dataclass(frozen=True, slots=True)
class Origin:
    """Which training made the adapter that is judged, where that is known."""

    run_id: str | None = None
    step: int | None = None


ANY_MANNER, NOWHERE = Manner(), Origin()


@dataclass(slots=True)
class _Gathered:
    """Observations by gate, and what else is known."""

    observations: dict[str, list[Observation]] = field(default_factory=dict)
    again: dict[str, list[float]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def run_gates(
    plan: GatePlan,
    adapter: str | Path | None,
    session: Session,
    store: StoreService,
    *,
    sealed: bool = False,
    origin: Origin = NOWHERE,
    manner: Manner = ANY_MANNER,
) -> tuple[GateReport, GateRecord]:
    """Measure, judge and keep. Raises LabError for a plan that cannot be run, StoppedError when stopped."""
    adapter_id = _attached(session, adapter)
    measured = measure(plan, adapter_id, session, store, sealed=sealed, manner=manner)
    report = judge(plan, measured)
    record = gate_record(
        report,
        model_id=session.loaded.record.id,
        adapter_id=adapter_id,
        run_id=origin.run_id,
        step=origin.step,
    )
    session.keep(record)
    store.ingest()
    return report, record


def measure(
    plan: GatePlan,
    adapter_id: str | None,
    session: Session,
    store: StoreService,
    *,
    sealed: bool = False,
    manner: Manner = ANY_MANNER,
) -> Measured:
    """What the plan's gates need, of an adapter attached to the session's model; None is the model alone.

    Sealed gates are measured only where `sealed` says so; how often that was done before is counted.
    """
    gates = [gate for gate in plan.gates if sealed or not gate.sealed]
    desk = Desk(
        session, store, sampling_of(plan), kernels_of(plan), seed=plan.seed, instruments=manner.instruments
    )
    gathered = _Gathered(versions={gate.instrument: _version(desk, gate) for gate in gates})
    asked = [gate for gate in gates if gate.instrument not in (HELD_OUT, direction.INSTRUMENT)]
    probes = {gate.name: probes_of(gate, store, plan.source) for gate in gates if gate.instrument != HELD_OUT}
    for gate in asked:
        _want(gate, desk, probes[gate.name], adapter_id, range(plan.samples))
    _answer(desk, manner)
    for gate in asked:
        gathered.observations[gate.name] = _observed(gate, desk, probes[gate.name], adapter_id, plan.samples)
    _ask_worst_again(plan, asked, desk, probes, adapter_id, gathered, manner)
    for gate in gates:
        if gate.instrument == HELD_OUT:
            gathered.observations[gate.name] = _held_out(gate, session, adapter_id, manner)
        elif gate.instrument == direction.INSTRUMENT:
            gathered.observations[gate.name] = _directed(gate, session, probes[gate.name], adapter_id)
    if adapter_id is None:
        for gate in gates:
            if gate.against == BASE:
                gathered.missing[gate.name] = "this is the base itself: there is nothing to hold it against"
    return Measured(
        observations=gathered.observations,
        again=gathered.again,
        versions=gathered.versions,
        generation_ids=desk.generation_ids,
        sealed=sealed,
        looks=store.query(sealed_looks, plan.name, session.loaded.record.id) if sealed else 0,
        missing=gathered.missing,
        cautions=_cautions(plan),
    )


def _cautions(plan: GatePlan) -> tuple[str, ...]:
    if plan.samples > 1 or sampling_of(plan).temperature == 0:
        return ()
    return ("answers were sampled with one seed each: take more --samples before relying on it",)


def sampling_of(plan: GatePlan) -> Sampling:
    """The sampling settings of a plan. Raises LabError for a preset that there is not."""
    sampling = load_preset(plan.preset)
    return sampling if plan.max_tokens is None else replace(sampling, max_tokens=plan.max_tokens)


def kernels_of(plan: GatePlan) -> dict[str, Kernel | None]:
    """The kernels of a plan's conditions. Raises LabError for one that there is not."""
    return {name: None if kernel is None else load_kernel(kernel) for name, kernel in plan.conditions.items()}


def probes_of(gate: GateSpec, store: StoreService, source: str = "gates") -> list[ProbeRecord]:
    """The probes of a gate as they are now, in the battery's order; a limit takes them evenly from all of it.

    Raises LabError where there are none.
    """
    where = f"{source}: gates.{gate.name}"
    known = [row.battery for row in store.query(batteries)]
    if gate.battery not in known:
        raise LabError(f"{where}.battery: no battery {gate.battery!r}: there is {', '.join(known)}")
    which = ProbeFilter(batteries=(gate.battery,), domains=gate.domains)
    rows = store.query(page_probes, which, 0, store.query(count_probes, which))
    if gate.probes:
        rows = [row for row in rows if row.id.startswith(gate.probes)]
    if not rows:
        raise LabError(f"{where}: no probe of {gate.battery} is meant by its domains and probes")
    if gate.limit is not None and gate.limit < len(rows):
        rows = [rows[place * len(rows) // gate.limit] for place in range(gate.limit)]
    return [from_row(row) for row in rows]


def _attached(session: Session, adapter: str | Path | None) -> str | None:
    records = session.attach([] if adapter is None else [str(adapter)])
    return records[0].id if records else None


def _version(desk: Desk, gate: GateSpec) -> str:
    if gate.instrument == HELD_OUT:
        return "1"
    return direction.VERSION if gate.instrument == direction.INSTRUMENT else desk.version(gate.instrument)


def _want(
    gate: GateSpec, desk: Desk, probes: Sequence[ProbeRecord], adapter: str | None, samples: Sequence[int]
) -> None:
    """The tuned answers, and those that they are held against; evasion is always held against the base."""
    needs_base = gate.against == BASE or gate.instrument == "topic-evasion"
    desk.want((adapter, None) if needs_base else (adapter,), gate.condition, probes, samples)
    if gate.against not in (None, BASE):
        desk.want((adapter,), gate.against or "", probes, samples)


def _answer(desk: Desk, manner: Manner) -> None:
    desk.answer_all(
        batch_size=manner.batch_size, should_stop=manner.should_stop, on_progress=manner.on_progress
    )


def _observed(
    gate: GateSpec, desk: Desk, probes: Sequence[ProbeRecord], adapter: str | None, samples: int
) -> list[Observation]:
    def value(side: str | None, under: str, probe: ProbeRecord, sample: int) -> float | None:
        return desk.value(Wanted(side, under, probe.sha256, sample), gate.instrument, gate.dimension)

    found = []
    for probe in probes:
        for sample in range(samples):
            reference = None
            if gate.against is not None:
                other = (None, gate.condition) if gate.against == BASE else (adapter, gate.against)
                reference = value(*other, probe, sample)
            mine = value(adapter, gate.condition, probe, sample)
            found.append(Observation(probe.source_probe or probe.id, mine, reference))
    _refuse_nothing(gate, found)
    return found


def _refuse_nothing(gate: GateSpec, found: Sequence[Observation]) -> None:
    if all(one.value is None for one in found):
        raise LabError(
            f"gates.{gate.name}: {gate.instrument} gives no {gate.dimension} for any of these answers: "
            "is that its dimension, and is this its battery?"
        )


def _ask_worst_again(
    plan: GatePlan,
    gates: Sequence[GateSpec],
    desk: Desk,
    probes: Mapping[str, Sequence[ProbeRecord]],
    adapter: str | None,
    gathered: _Gathered,
    manner: Manner,
) -> None:
    """Fresh answers to the probes that were found by looking; they are worth what the first ones are not."""
    fresh = range(plan.samples, plan.samples + plan.resamples)
    worst: dict[str, list[ProbeRecord]] = defaultdict(list)
    for gate in gates:
        if gate.metric == "worst":
            cluster = worst_cluster(gate, gathered.observations[gate.name])
            worst[gate.name] = [
                probe for probe in probes[gate.name] if (probe.source_probe or probe.id) == cluster
            ]
            desk.want((adapter,), gate.condition, worst[gate.name], fresh)
    if not worst:
        return
    _answer(desk, manner)
    for gate in gates:
        values = [
            desk.value(Wanted(adapter, gate.condition, probe.sha256, sample), gate.instrument, gate.dimension)
            for probe in worst.get(gate.name, ())
            for sample in fresh
        ]
        if values:
            gathered.again[gate.name] = [value for value in values if value is not None]


def _held_out(gate: GateSpec, session: Session, adapter: str | None, manner: Manner) -> list[Observation]:
    loaded = session.loaded
    texts, net = read_texts(gate.data, loaded), split(loaded.model)
    tuned = text_losses(loaded, texts, adapter, net=net, batch_rows=manner.batch_size)
    base = (
        tuned if adapter is None else text_losses(loaded, texts, None, net=net, batch_rows=manner.batch_size)
    )
    return [
        Observation(f"line {text.line}", float(after), float(before), float(weight))
        for text, after, before, weight in zip(texts, tuned.nats, base.nats, tuned.tokens, strict=True)
    ]


def _directed(
    gate: GateSpec, session: Session, probes: Sequence[ProbeRecord], adapter: str | None
) -> list[Observation]:
    if gate.dimension not in direction.DIMENSIONS:
        raise LabError(
            f"gates.{gate.name}.dimension: {gate.dimension!r}: expected {', '.join(direction.DIMENSIONS)}"
        )
    net = split(session.loaded.model)
    tuned = direction.leanings(session.loaded, probes, adapter, net=net)
    base = tuned if adapter is None else direction.leanings(session.loaded, probes, None, net=net)
    return [
        Observation(
            probe.source_probe or probe.id,
            after.dimensions()[gate.dimension],
            before.dimensions()[gate.dimension],
        )
        for probe, after, before in zip(probes, tuned, base, strict=True)
    ]
