"""Gates, strips and experiments: what was held against what, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

GateVerdict = Literal["pass", "amber", "fail"]
StripState = Literal["ok", "warn", "rollback", "shown", "withheld"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """What one gate of a plan came to.

    `value`, in `unit`, is what is held against the bounds `passes` and `fails` (as they were written). Where
    `against` is given it is a difference or a percentage, and `reference` is the mean over there.
    `p_value` is the chance of harm as large as this if the true value lay on the fail bound; `p_adjusted` is
    what is compared with `level`. `detectable` is the harm beyond the fail bound that n probes find with 80 %
    chance.
    """

    name: str
    verdict: GateVerdict
    primary: bool
    sealed: bool
    metric: str
    instrument: str
    version: str
    dimension: str
    battery: str
    condition: str
    against: str | None
    value: float | None
    reference: float | None
    unit: str
    lower: float | None
    upper: float | None
    confidence: float
    n: int
    passes: str | None
    fails: str | None
    p_value: float | None
    p_adjusted: float | None
    level: float | None
    detectable: float | None
    method: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRecord:
    """A gate plan judged on a model with an adapter (None: the model alone).

    `run_id` and `step` say which training made the adapter, where it is known. `generation_ids` are the
    answers that the verdict rests on; `sealed` says that the sealed probes were opened for it.
    """

    kind: ClassVar[str] = "gate"

    id: str
    plan: str
    version: str
    plan_sha256: str
    model_id: str
    adapter_id: str | None
    run_id: str | None
    step: int | None
    verdict: GateVerdict
    rows: tuple[GateRow, ...]
    generation_ids: tuple[str, ...]
    sealed: bool
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StripRow:
    """One monitor of a safety strip: its value beside that of the reference, in `unit`.

    `change`, with its interval, is what the bounds `warn` and `rollback` (as written) are for. A row without
    bounds is "shown"; a binary one that is not to be read yet is "withheld" and has no value.
    """

    group: str
    name: str
    state: StripState
    value: float | None
    reference: float | None
    change: float | None
    lower: float | None
    upper: float | None
    unit: str
    n: int
    warn: str | None
    rollback: str | None
    method: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How far a head (None: a layer as a whole) is from the reference by one `measure`, over n texts."""

    measure: str
    layer: int
    head: int | None
    value: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StripRecord:
    """The safety strip of one checkpoint, held against a reference: an adapter, or (None) the model alone.

    `settings` are those it was measured with; `shifts` come strongest first within a measure.
    """

    kind: ClassVar[str] = "strip"

    id: str
    model_id: str
    adapter_id: str | None
    reference_id: str | None
    run_id: str | None
    step: int | None
    state: StripState
    rows: tuple[StripRow, ...]
    shifts: tuple[Shift, ...]
    at: str
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRecord:
    """One entry of an experiment; what it says for the first time or anew holds from then on.

    The first entry has `id` and `experiment_id` alike and a hypothesis. Nothing is overwritten: what an
    experiment says now is put together from its entries, the newest that says something winning.
    """

    kind: ClassVar[str] = "experiment"

    id: str
    experiment_id: str
    at: str
    name: str | None = None
    hypothesis: str | None = None
    configuration: Mapping[str, object] = field(default_factory=dict)
    measures: Mapping[str, float | None] = field(default_factory=dict)
    verdict: str | None = None
    next_change: str | None = None
    run_ids: tuple[str, ...] = ()
    gate_ids: tuple[str, ...] = ()
    strip_ids: tuple[str, ...] = ()
