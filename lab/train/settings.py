"""What a training run is told, under mlx-lm's own key names where it has them. Plain data, no heavy imports.

`iters` counts micro-batches, as mlx-lm's does; what the lab calls a step is an optimizer update, which takes
`grad_accumulation_steps` of them. Schedules, evaluations, reports and checkpoints count steps.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from lab.errors import LabError
from store.records import FineTuneType

if TYPE_CHECKING:
    from pydantic import TypeAdapter

OptimizerName = Literal["adam", "adamw", "muon", "sgd", "adafactor", "apollo"]
ScheduleName = Literal["constant", "linear", "cosine"]

IGNORED = frozenset(
    {"train", "test", "test_batches", "config", "report_to", "project_name", "trust_remote_code"}
    | {"steps_per_report", "clear_cache_threshold", "lr_schedule"}
)
"""mlx-lm's keys that a file may hold and that have no meaning here, or are read in another form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraParameters:
    """Rank, scale (mlx-lm's: alpha / rank) and dropout; `keys` names modules of a layer (None: all)."""

    rank: int = 8
    scale: float = 20.0
    dropout: float = 0.0
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How the learning rate goes: up to its peak over the warm-up, then to `end_share` of it.

    The warm-up is given in steps, or as a share of all steps. `decay_steps` None: to the end.
    """

    name: ScheduleName = "constant"
    warmup_steps: int = 0
    warmup_share: float = 0.0
    warmup_init: float = 0.0
    end_share: float = 0.0
    decay_steps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """General data mixed into every batch: a data directory or file, or "general", the shipped one."""

    data: str = "general"
    share: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """When to stop early: after `patience` evaluations without a real improvement (0: never)."""

    patience: int = 0
    max_minutes: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """A whole recipe. `iters` None means `epochs` passes over the data.

    `objective_settings`, `scu` and `monitors` are read by those who own them. `monitors` false, like None, is
    none of them; a recipe that does not mention them has the default ones. `val_batches` -1 is all of the
    held-out data; `resume_adapter_file` is an adapter to begin from. `allow_repeats` lets examples be seen
    again: in more passes than one, or after another run.
    """

    data: str
    model: str = "wick"
    name: str = "run"
    objective: str = "sft"
    objective_settings: Mapping[str, Any] = field(default_factory=dict)
    fine_tune_type: FineTuneType = "lora"
    num_layers: int = 16
    lora_parameters: LoraParameters = LoraParameters()
    optimizer: OptimizerName = "adamw"
    optimizer_config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    learning_rate: float = 1e-5
    schedule: Schedule = Schedule()
    batch_size: int = 4
    grad_accumulation_steps: int = 1
    max_grad_norm: float | None = None
    iters: int | None = None
    epochs: float = 1.0
    max_seq_length: int = 2048
    mask_prompt: bool = False
    prompt_feature: str = "prompt"
    completion_feature: str = "completion"
    text_feature: str = "text"
    chat_feature: str = "messages"
    replay: Replay | None = None
    allow_repeats: bool = False
    grad_checkpoint: bool = False
    seed: int = 0
    val_batches: int = -1
    steps_per_eval: int = 200
    save_every: int = 100
    keep_states: int = 2
    stopping: Stopping = Stopping()
    adapter_path: str | None = None
    resume_adapter_file: str | None = None
    scu: Mapping[str, Any] | None = None
    monitors: Mapping[str, Any] | bool | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "grad_accumulation_steps", "steps_per_eval", "save_every", "keep_states"):
            _need(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        _need(self.iters is None or self.iters >= 1, "iters", self.iters, "at least 1")
        _need(math.isfinite(self.epochs) and self.epochs > 0, "epochs", self.epochs, "above 0")
        _need(
            math.isfinite(self.learning_rate) and self.learning_rate > 0,
            "learning_rate",
            self.learning_rate,
            "a rate above 0",
        )
        _need(self.max_seq_length >= 2, "max_seq_length", self.max_seq_length, "at least 2 tokens")
        _need(
            self.max_grad_norm is None or self.max_grad_norm > 0,
            "max_grad_norm",
            self.max_grad_norm,
            "above 0, or nothing",
        )
        _need(self.num_layers >= -1, "num_layers", self.num_layers, "a number of layers, or -1 for all")
        _need(self.lora_parameters.rank >= 1, "lora_parameters.rank", self.lora_parameters.rank, "at least 1")
        _need(
            0 <= self.lora_parameters.dropout < 1,
            "lora_parameters.dropout",
            self.lora_parameters.dropout,
            "a share below 1",
        )
        _need(
            self.replay is None or 0 < self.replay.share < 1,
            "replay.share",
            self.replay and self.replay.share,
            "a share between 0 and 1",
        )
        _need(bool(_is_name(self.name)), "name", self.name, "letters, digits, dots, dashes and underscores")


def from_mapping(values: Mapping[str, Any], source: str = "settings") -> TrainSettings:
    """Settings from plain values, as a recipe file or the command line gives them.

    mlx-lm's `lr_schedule` and a learning rate written as text ("1e-5", which YAML takes for text) are
    understood. Raises LabError naming `source`, the key, and what was expected.
    """
    given = {key: value for key, value in values.items() if value is not None}
    if "lr_schedule" in given:
        given = {**_from_lr_schedule(given["lr_schedule"], source), **given}
    given = {key: value for key, value in given.items() if key not in IGNORED}
    from lab.train.monitors.settings import from_mapping as check_monitors

    known = TrainSettings.__dataclass_fields__
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), list(known), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise LabError(f"{source}: {key}: no such setting{hint}")
    try:
        settings: TrainSettings = _adapter().validate_python(given)
        if isinstance(settings.monitors, Mapping):
            check_monitors(settings.monitors)
    except ValueError as error:
        raise LabError(f"{source}: {_reason(error)}") from error
    except LabError as error:
        raise LabError(f"{source}: {error}") from error
    return settings


def as_mapping(settings: TrainSettings) -> dict[str, Any]:
    """Every setting with its value, as JSON knows it; `from_mapping` reads it back."""
    return asdict(settings)


def _from_lr_schedule(given: Any, source: str) -> dict[str, Any]:
    """mlx-lm's `{name, arguments, warmup, warmup_init}` as learning rate and schedule."""
    if not isinstance(given, Mapping) or not isinstance(given.get("arguments"), list):
        raise LabError(f"{source}: lr_schedule: expected name and arguments, as mlx-lm has them")
    name, arguments = given.get("name"), [float(value) for value in given["arguments"]]
    warm_up = {"warmup_steps": int(given.get("warmup", 0)), "warmup_init": float(given.get("warmup_init", 0))}
    if name == "cosine_decay" and len(arguments) in (2, 3):
        peak, steps, end = (*arguments, 0.0)[:3]
        shape = {"name": "cosine", "decay_steps": int(steps), "end_share": end / peak}
    elif name == "linear_schedule" and len(arguments) == 3:
        peak, end, steps = arguments
        shape = {"name": "linear", "decay_steps": int(steps), "end_share": end / peak}
    else:
        raise LabError(
            f"{source}: lr_schedule: {name!r} is not read; there are cosine_decay, linear_schedule"
        )
    return {"learning_rate": peak, "schedule": {**shape, **warm_up}}


def _is_name(name: str) -> bool:
    return 0 < len(name) <= 64 and name[0] != "." and all(c.isalnum() or c in "._-" for c in name)


def _need(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise LabError(f"{name}: {value!r}; expected {expected}")


def _reason(error: ValueError) -> str:
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    first = errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {str(first['msg'])[0].lower()}{str(first['msg'])[1:]}, not {first['input']!r}"[:200]


@cache
def _adapter() -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter

    described: Any
    for described in (TrainSettings, LoraParameters, Schedule, Replay, Stopping):
        described.__pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)
    return TypeAdapter(TrainSettings)
