"""A gate plan as data: which figures of a tuned model are held against which bounds. Pure.

A plan is a YAML file in `seeds/gates/` or one of yours; `lantern gate --help` says how to run one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from lab.curriculum.fields import Bound, FieldError, Fields, from_mapping, read_file
from lab.errors import LabError
from lab.seeds import SEEDS

PRESETS = SEEDS / "gates"
BASE = "base"
BASELINE = "baseline"
HELD_OUT = "held-out"
GENERAL = "general"

Metric = Literal["mean", "rate", "worst", "count", "perplexity"]

_PLAN_FIELDS = (
    *("name", "version", "description", "notes", "preset", "max_tokens", "samples", "resamples", "seed"),
    *("confidence", "conditions", "gates"),
)
_GATE_FIELDS = (
    *("metric", "instrument", "dimension", "battery", "domains", "probes", "limit", "condition", "against"),
    *("pass", "fail", "primary", "sealed", "data", "words"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSpec:
    """One gate: a metric of an instrument's dimension over probes under a condition, and its bounds.

    `mean` is that of a score, `rate` that of a dimension which is 0 or 1, `count` the number of answers with
    a dimension above 0, `worst` the most harmful probe (asked again, for it was chosen by looking),
    `perplexity` that of held-out texts `data`. `against` is "base", the model without its adapter, or another
    condition; the value is then the difference, pair by pair. `probes` are meant by the start of their ids.
    """

    name: str
    metric: Metric
    instrument: str
    dimension: str = "total"
    battery: str = ""
    domains: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    limit: int | None = None
    condition: str = BASELINE
    against: str | None = None
    passes: Bound | None = None
    fails: Bound | None = None
    primary: bool = False
    sealed: bool = False
    data: str = ""
    words: str = ""

    @property
    def harm_is_low(self) -> bool:
        """Whether a low value is the harmful one."""
        return self.passes.is_floor if self.passes else not (self.fails and self.fails.is_floor)

    @property
    def in_percent(self) -> bool:
        """Whether the bounds are percentages of what the value is held against."""
        return any(bound is not None and bound.percent for bound in (self.passes, self.fails))


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePlan:
    """Gates that are judged together, with how their answers are made. `conditions` name kernels."""

    name: str
    version: str
    gates: tuple[GateSpec, ...]
    sha256: str
    source: str
    description: str = ""
    notes: tuple[str, ...] = ()
    conditions: Mapping[str, str | None]
    preset: str = "default"
    max_tokens: int | None = None
    samples: int = 1
    resamples: int = 12
    seed: int = 0
    confidence: float = 0.95

    @property
    def primary(self) -> GateSpec:
        """The one gate that was named beforehand."""
        return next(gate for gate in self.gates if gate.primary)


def load_gates(name_or_path: str | Path) -> GatePlan:
    """A shipped plan by name, or the plan of a YAML file. Raises LabError naming file, line and field."""
    path = Path(name_or_path).expanduser()
    if path.suffix not in (".yaml", ".yml") and not path.exists():
        if str(name_or_path) not in preset_names():
            raise LabError(
                f"no gate plan {str(name_or_path)!r}: there are {', '.join(preset_names())}, "
                "or give a YAML file"
            )
        path = PRESETS / f"{name_or_path}.yaml"
    return read_file(path, lambda value: _plan(value, str(path)))


def preset_names() -> list[str]:
    """The shipped plans."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def read_gates(mapping: Mapping[str, Any], source: str) -> GatePlan:
    """A plan from plain values, as a YAML file holds them. Raises LabError naming `source` and the field."""
    return from_mapping(mapping, source, lambda value: _plan(value, source))


def _plan(value: Any, source: str) -> GatePlan:
    fields = Fields(value, (), _PLAN_FIELDS)
    conditions = _conditions(fields)
    gates_field = fields.child("gates")
    gates = tuple(_gate(name, gates_field, conditions) for name in gates_field.names())
    if not gates:
        raise FieldError(("gates",), "expected at least one gate")
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return GatePlan(
        name=fields.text("name"),
        version=fields.text("version", "1"),
        description=fields.text("description", ""),
        notes=fields.texts("notes"),
        conditions=conditions,
        preset=fields.text("preset", "default"),
        max_tokens=fields.whole("max_tokens", None),
        samples=fields.whole("samples", 1) or 1,
        resamples=fields.whole("resamples", 12) or 12,
        seed=fields.whole("seed", 0, least=0) or 0,
        confidence=fields.number("confidence", 0.95, above=0.5, below=1.0),
        gates=_with_one_primary(gates),
        sha256=hashlib.sha256(canonical.encode()).hexdigest(),
        source=source,
    )


def _conditions(fields: Fields) -> dict[str, str | None]:
    kernels = fields.mapping("conditions")
    for name, kernel in kernels.items():
        if name in (BASE, BASELINE) or not isinstance(kernel, str) or not kernel:
            raise FieldError(
                ("conditions", name), f"expected the name or path of a kernel ({BASELINE} has none)"
            )
    return {BASELINE: None, **kernels}


def _with_one_primary(gates: tuple[GateSpec, ...]) -> tuple[GateSpec, ...]:
    if len(gates) == 1:
        return (replace(gates[0], primary=True),)
    named = [gate for gate in gates if gate.primary]
    if len(named) != 1:
        where = ("gates", named[1].name, "primary") if named else ("gates",)
        raise FieldError(where, "name one gate, beforehand, that counts most: `primary: true` at one of them")
    if named[0].sealed:
        raise FieldError(
            ("gates", named[0].name, "sealed"), "the primary gate is judged every time: unseal it"
        )
    return gates


def _gate(name: str, gates: Fields, conditions: Mapping[str, str | None]) -> GateSpec:
    fields = gates.child(name, _GATE_FIELDS)
    metric = fields.choice("metric", get_args(Metric), "mean")
    spec = GateSpec(
        name=name,
        metric=metric,
        instrument=HELD_OUT if metric == "perplexity" else fields.text("instrument"),
        dimension=fields.text("dimension", "perplexity" if metric == "perplexity" else "total"),
        battery=fields.text("battery", "") if metric == "perplexity" else fields.text("battery"),
        domains=fields.texts("domains"),
        probes=fields.texts("probes"),
        limit=fields.whole("limit", None),
        condition=fields.choice("condition", tuple(conditions), BASELINE),
        against=fields.text("against", "") or None,
        passes=fields.bound("pass"),
        fails=fields.bound("fail"),
        primary=fields.flag("primary"),
        sealed=fields.flag("sealed"),
        data=fields.text("data", GENERAL if metric == "perplexity" else ""),
        words=fields.text("words", ""),
    )
    _check(spec, fields, conditions)
    return spec


def _check(spec: GateSpec, fields: Fields, conditions: Mapping[str, str | None]) -> None:
    if spec.passes is None and spec.fails is None:
        raise fields.fault("", 'expected a bound, such as pass: ">= 21" or fail: "< 20"')
    if spec.passes and spec.fails:
        if spec.passes.is_floor == spec.fails.is_floor:
            raise fields.fault("fail", f"pass {spec.passes} and fail {spec.fails} point the same way")
        gap = spec.passes.value - spec.fails.value
        if spec.metric == "count" and (gap if spec.passes.is_floor else -gap) < 0:
            raise fields.fault("fail", f"pass {spec.passes} and fail {spec.fails} overlap")
        if spec.passes.percent != spec.fails.percent:
            raise fields.fault("fail", "expected both bounds in percent, or neither")
    if spec.against is not None:
        others = (BASE, *(name for name in conditions if name != spec.condition))
        if spec.against not in others:
            raise fields.fault("against", f"{spec.against!r}: expected {', '.join(others)}")
        if spec.metric in ("worst", "count"):
            raise fields.fault("against", f"{spec.metric} has absolute bounds only: use mean or rate")
        if spec.metric == "perplexity" and spec.against != BASE:
            raise fields.fault("against", f"held-out texts have no condition: expected {BASE}")
    elif spec.in_percent:
        raise fields.fault("pass" if spec.passes else "fail", "a percentage needs `against`")
    if spec.metric == "perplexity" and spec.against and not spec.in_percent:
        raise fields.fault("pass" if spec.passes else "fail", 'expected a percentage, such as "<= 2 %"')
    if spec.metric != "perplexity" and spec.data:
        raise fields.fault("data", "only perplexity is taken of data")
