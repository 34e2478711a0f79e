"""Gates judged: pass, amber or fail, each with its evidence and its power. Pure.

A gate fails when what was measured lies beyond its fail bound by more than chance: the harmful side of a 95 %
test, that is 2.5 %, the primary gate by itself and all others together (Holm). So an unchanged model fails a
plan of gates against its base in at most 5 % of cases. A gate passes when its value meets the pass bound, it
has not failed, and there are enough probes that it could have. Everything else is amber: a person decides.
A count is a fact about these answers and is not tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from lab.curriculum.fields import Bound
from lab.curriculum.gate_figures import Figure, Observation, figure
from lab.curriculum.gate_plan import (
    BASE,
    GatePlan,
    GateSpec,
    load_gates,
    preset_names,
    read_gates,
)
from lab.errors import LabError
from lab.measure.statistics import holm
from store.ids import new_id, utc_now
from store.records import GateRecord, GateRow, GateVerdict

__all__ = [
    "Bound",
    "GatePlan",
    "GateReport",
    "GateSpec",
    "Measured",
    "Observation",
    "gate_record",
    "judge",
    "load_gates",
    "preset_names",
    "read_gates",
]

EXIT_CODES: Mapping[GateVerdict, int] = {"pass": 0, "amber": 3, "fail": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured for a plan, by the gate's name.

    `again` are fresh values of the probe that a `worst` gate found; `versions` those of the instruments.
    `sealed` says that the sealed gates were measured too, `looks` how often they had been before. `cautions`
    are told with the primary gate.
    """

    observations: Mapping[str, Sequence[Observation]]
    again: Mapping[str, Sequence[float]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    generation_ids: tuple[str, ...] = ()
    sealed: bool = False
    looks: int = 0
    missing: Mapping[str, str] = field(default_factory=dict)
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """A plan judged: the worst verdict of its rows is its verdict."""

    plan: GatePlan
    verdict: GateVerdict
    rows: tuple[GateRow, ...]
    sealed: bool
    generation_ids: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[GateRow, ...]:
        """The rows that failed, the primary one first."""
        return tuple(
            sorted((row for row in self.rows if row.verdict == "fail"), key=lambda row: not row.primary)
        )

    @property
    def words(self) -> str:
        """The verdict in one line."""
        if self.verdict == "pass":
            return f"{self.plan.name}: pass, {len(self.rows)} gates"
        named = [row.name for row in self.rows if row.verdict == self.verdict]
        return f"{self.plan.name}: {self.verdict} at {', '.join(named)}"


@dataclass(frozen=True, slots=True)
class _Case:
    """A gate with its figure; `level` is what its adjusted p is compared with, `tests` how many share it."""

    spec: GateSpec
    found: Figure | None
    why_not: str
    adjusted: float | None
    level: float
    tests: int

    @property
    def can_fail(self) -> bool:
        """Whether so few probes could have failed at all."""
        if self.found is None or self.found.least_p is None:
            return True
        return self.found.least_p * self.tests <= self.level


def judge(plan: GatePlan, measured: Measured) -> GateReport:
    """Judge what was measured. Nothing is generated or read here."""
    gates = [gate for gate in plan.gates if measured.sealed or not gate.sealed]
    found = {gate.name: _figure(plan, gate, measured) for gate in gates}
    level = (1 - plan.confidence) / 2
    tested = {
        gate.name: result.harm_p
        for gate in gates
        if isinstance(result := found[gate.name], Figure) and result.harm_p is not None
    }
    others = {name: p for name, p in tested.items() if name != plan.primary.name}
    adjusted = {name: one.p_adjusted for name, one in holm(others, level=level).items()}
    adjusted |= {name: p for name, p in tested.items() if name == plan.primary.name}
    rows = []
    for gate in gates:
        result = found[gate.name]
        case = _Case(
            spec=gate,
            found=result if isinstance(result, Figure) else None,
            why_not=result if isinstance(result, str) else "",
            adjusted=adjusted.get(gate.name),
            level=level,
            tests=1 if gate.primary else max(len(others), 1),
        )
        rows.append(_row(case, measured))
    return GateReport(
        plan=plan,
        verdict=_worst_of([row.verdict for row in rows]),
        rows=tuple(rows),
        sealed=measured.sealed,
        generation_ids=measured.generation_ids,
    )


def gate_record(
    report: GateReport,
    *,
    model_id: str,
    adapter_id: str | None = None,
    run_id: str | None = None,
    step: int | None = None,
) -> GateRecord:
    """A report as it is kept."""
    return GateRecord(
        id=new_id(),
        plan=report.plan.name,
        version=report.plan.version,
        plan_sha256=report.plan.sha256,
        model_id=model_id,
        adapter_id=adapter_id,
        run_id=run_id,
        step=step,
        verdict=report.verdict,
        rows=report.rows,
        generation_ids=report.generation_ids,
        sealed=report.sealed,
        at=utc_now(),
    )


def _figure(plan: GatePlan, gate: GateSpec, measured: Measured) -> Figure | str:
    """The figure, or why there is none."""
    if gate.name in measured.missing:
        return measured.missing[gate.name]
    try:
        again = measured.again.get(gate.name, ())
        return figure(gate, measured.observations.get(gate.name, ()), again, plan.confidence)
    except LabError as error:
        return str(error)


def _worst_of(verdicts: Sequence[GateVerdict]) -> GateVerdict:
    order: Sequence[GateVerdict] = ("fail", "amber", "pass")
    return next((verdict for verdict in order if verdict in verdicts), "pass")


def _row(case: _Case, measured: Measured) -> GateRow:
    verdict, why = _verdict(case)
    if case.spec.primary:
        why = "; ".join((why, *measured.cautions))
    if case.spec.sealed and measured.looks:
        times = "once" if measured.looks == 1 else f"{measured.looks} times"
        why = f"{why}; the sealed probes were opened {times} before, so this is no longer the last word"
        verdict = "amber" if verdict == "pass" else verdict
    spec, found = case.spec, case.found
    estimate = found.estimate if found else None
    detectable = found.detectable(case.level / case.tests) if found else None
    return GateRow(
        name=spec.name,
        verdict=verdict,
        primary=spec.primary,
        sealed=spec.sealed,
        metric=spec.metric,
        instrument=spec.instrument,
        version=measured.versions.get(spec.instrument, ""),
        dimension=spec.dimension,
        battery=spec.data or spec.battery,
        condition=spec.condition,
        against=spec.against,
        value=estimate.value if estimate else None,
        reference=found.reference if found else None,
        unit=found.unit if found else "",
        lower=estimate.lower if estimate else None,
        upper=estimate.upper if estimate else None,
        confidence=estimate.confidence if estimate else 0.95,
        n=estimate.n if estimate else 0,
        passes=str(spec.passes) if spec.passes else None,
        fails=str(spec.fails) if spec.fails else None,
        p_value=found.harm_p if found else None,
        p_adjusted=case.adjusted,
        level=case.level if case.adjusted is not None else None,
        detectable=detectable,
        method=estimate.method if estimate else "",
        evidence=_evidence(case, why, detectable),
    )


def _verdict(case: _Case) -> tuple[GateVerdict, str]:
    """The verdict, and why."""
    spec, found = case.spec, case.found
    if found is None or found.estimate.value is None:
        return "amber", case.why_not or "nothing to judge"
    value = found.estimate.value
    if spec.fails is not None and case.adjusted is None and spec.fails.holds(value):
        return "fail", f"meets the fail bound {spec.fails}"
    if case.adjusted is not None and case.adjusted <= case.level:
        return "fail", f"beyond the fail bound {spec.fails} by more than chance ({_p(case)})"
    meets = spec.passes.holds(value) if spec.passes else not cast(Bound, spec.fails).holds(value)
    if not meets:
        missed = f"misses {spec.passes}" if spec.passes else f"meets {spec.fails}"
        return "amber", f"{missed}, yet not beyond chance" + (f" ({_p(case)})" if case.adjusted else "")
    if not case.can_fail:
        return (
            "amber",
            f"good as it looks, n = {found.estimate.n} is too few for this gate to fail "
            f"(least p {found.least_p:.2g} against {case.level / case.tests:.2g}): ask more probes",
        )
    return "pass", f"meets {spec.passes or f'no {spec.fails}'}" + (
        f", no evidence of harm ({_p(case)})" if case.adjusted is not None else ""
    )


def _p(case: _Case) -> str:
    assert case.found is not None
    if case.tests == 1 or case.found.harm_p == case.adjusted:
        return f"p {case.adjusted:.2g} at level {case.level:.2g}"
    return f"p {case.found.harm_p:.2g}, Holm over {case.tests} {case.adjusted:.2g} at level {case.level:.2g}"


def _evidence(case: _Case, why: str, detectable: float | None) -> str:
    """The verdict's reasons and its power, in words."""
    found, said = case.found, [why]
    if found is None:
        return why
    if found.note:
        said.append(found.note)
    if found.zero is not None:
        said.append(
            f"no failure in {found.zero.n} probes only bounds the rate at "
            f"{found.zero.upper:.1%} (about 3/{found.zero.n})"
        )
    if detectable is not None:
        unit = " %" if found.unit == "%" else ""
        said.append(
            f"{found.estimate.n} probes find {detectable:.3g}{unit} beyond the bound with 80 % chance"
        )
    elif case.spec.fails is not None and found.harm_p is not None and found.estimate.n > 1:
        said.append("no spread to reckon the power from: all values are alike")
    if found.estimate.lower is None and found.estimate.note and found.estimate.note not in found.note:
        said.append(found.estimate.note)
    if case.spec.against == BASE and case.spec.condition != "baseline":
        said.append(f"both under {case.spec.condition}")
    return "; ".join(said)
