"""Training runs and the adapters that come out of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

FineTuneType = Literal["lora", "dora", "full"]
EventLevel = Literal["info", "warning", "error"]
RUN_ENDS = ("finished", "stopped", "failed")
"""The events that end a run; a run that is gone on with later has other events behind them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterRecord:
    """A fine-tune as found on disk: the id hashes what decides its effect (its tensors, type and scale).

    `base_model_id` is the model it was trained on, where its files say so. `rank`, `scale` and `num_layers`
    are those of its settings; a full fine-tune has no rank and no scale. `parameters` counts its numbers.
    """

    kind: ClassVar[str] = "adapter"

    id: str
    name: str
    path: str
    base_model_id: str | None
    fine_tune_type: FineTuneType
    rank: int | None
    scale: float | None
    num_layers: int | None
    parameters: int
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A training run as planned, written once before its first step; resuming it writes no other.

    `settings` is the recipe with every default filled in, `folder` holds its checkpoints, `parent_id` is the
    run whose adapter it went on from. `planned_steps` counts optimizer updates.
    """

    kind: ClassVar[str] = "run"

    id: str
    name: str
    model_id: str
    objective: str
    fine_tune_type: FineTuneType
    settings: Mapping[str, object]
    data_sha256: str
    train_examples: int
    valid_examples: int
    trainable_parameters: int
    planned_steps: int
    folder: str
    at: str
    parent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRecord:
    """What `source` measured after `step` optimizer updates; (run_id, source, step) is unique.

    `source` is "train" (every step), "valid" (held-out), or the name of a regularizer or monitor. Names in
    `values` carry their units; `words` is what changes with the numbers and is none, such as a state.
    """

    kind: ClassVar[str] = "metric"

    run_id: str
    step: int
    source: str
    values: Mapping[str, float | None]
    at: str
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRecord:
    """A checkpoint on disk: `folder` opens as an adapter, whose AdapterRecord has the id `adapter_id`."""

    kind: ClassVar[str] = "checkpoint"

    id: str
    run_id: str
    step: int
    folder: str
    adapter_id: str
    reason: str
    at: str
    valid_loss_nats: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRecord:
    """That a generation was made by a run after `step` updates, for its monitor of that name."""

    kind: ClassVar[str] = "sample"

    id: str
    run_id: str
    step: int
    monitor: str
    generation_id: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """What happened in a run, in words for people. `name` is from a small vocabulary (see lab.train)."""

    kind: ClassVar[str] = "event"

    id: str
    run_id: str
    step: int
    name: str
    level: EventLevel
    words: str
    at: str
    detail: Mapping[str, object] = field(default_factory=dict)
