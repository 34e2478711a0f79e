"""Which probes a curriculum distills, which it is judged by, and that no cluster is both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.curriculum.evaluating import probes_of
from lab.curriculum.settings import Curriculum, DistillSettings, ProbeChoice, gate_plan
from lab.errors import LabError
from lab.probes import from_row
from store.queries import ProbeFilter, count_probes, page_probes
from store.records import ProbeRecord

if TYPE_CHECKING:
    from store.service import StoreService

REPHRASED = "rephrased"


def probes_to_distill(settings: DistillSettings, store: StoreService) -> list[ProbeRecord]:
    """The probes that a phase asks, their rephrasings left out. Raises LabError where there are none."""
    found = [
        probe
        for battery in settings.batteries
        for probe in probes_of(ProbeChoice(battery=battery, domains=settings.domains), store)
    ]
    return found[: settings.limit]


def rephrasings(store: StoreService) -> list[ProbeRecord]:
    """Every rephrasing there is."""
    which = ProbeFilter(batteries=(REPHRASED,))
    return [from_row(row) for row in store.query(page_probes, which, 0, store.query(count_probes, which))]


def gate_probes(curriculum: Curriculum, store: StoreService) -> list[ProbeRecord]:
    """Every probe that gates or the measuring before and after ask, with the rephrasings of each."""
    from lab.curriculum.measuring import probes_of as probes_of_gate

    evaluation = curriculum.evaluation
    choices = [evaluation.target, evaluation.floor, evaluation.sealed]
    found = [probe for choice in choices if choice is not None for probe in probes_of(choice, store)]
    for phase in curriculum.phases:
        plan = gate_plan(phase)
        for gate in plan.gates if plan is not None else ():
            if gate.battery:
                found += probes_of_gate(gate, store, phase.name)
    by_key = {(probe.battery, probe.id): probe for probe in found}
    clusters = {probe.source_probe or probe.id for probe in by_key.values()}
    others = [probe for probe in rephrasings(store) if probe.source_probe in clusters]
    by_key |= {(probe.battery, probe.id): probe for probe in others}
    return list(by_key.values())


def refuse_shared(curriculum: Curriculum, store: StoreService) -> None:
    """Before an hour of answers is made: raise LabError where a phase would distill what it is judged by."""
    judged = {probe.source_probe or probe.id: probe for probe in gate_probes(curriculum, store)}
    for phase in curriculum.phases:
        asked = probes_to_distill(phase.distill, store)
        shared = [probe for probe in asked if (probe.source_probe or probe.id) in judged]
        if shared and phase.data.on_overlap == "refuse":
            raise LabError(
                f"phase {phase.name} distills {_named(shared)}, by which gates or the measuring before and "
                "after judge: choose other probes or domains, or drop such rows with data.on_overlap: drop"
            )


def _named(probes: Sequence[ProbeRecord]) -> str:
    names = ", ".join(f"{probe.battery}/{probe.id}" for probe in probes[:3])
    return names if len(probes) <= 3 else f"{names} and {len(probes) - 3} more"
