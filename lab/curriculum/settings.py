"""A curriculum as data: its phases with what they distill, sift, train and are judged by. Plain data.

A curriculum is a YAML file in `seeds/curricula/` or one of yours; faults are named by line. What stands under
`defaults` holds for every phase that does not say otherwise.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lab.errors import LabError
from lab.seeds import SEEDS
from lab.textfiles import compose_yaml, construct_yaml, read_text, yaml_line

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from lab.curriculum.gate_plan import GatePlan
    from lab.train.settings import TrainSettings

PRESETS = SEEDS / "curricula"
BEFORE, AFTER = "before", "after"
RESERVED = (BEFORE, AFTER)
GATES = "gates of the phase"
PLACEHOLDER = "(made by the phase)"
OWN_TRAIN_KEYS = ("data", "model", "name", "resume_adapter_file", "adapter_path")

Chain = Literal["adapter", "fused"]
OnFail = Literal["stop", "skip"]
OnOverlap = Literal["refuse", "drop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillSettings:
    """What is asked: probes of batteries (and domains) in their variants, so many samples under a kernel.

    `teacher` is the model alone ("base") or what the phase before it made ("previous").
    """

    batteries: tuple[str, ...] = ("core",)
    domains: tuple[str, ...] = ()
    limit: int | None = None
    variants: tuple[str, ...] = ("original",)
    samples: int = 1
    kernel: str | None = None
    preset: str = "distill"
    temperature: float | None = None
    max_tokens: int | None = None
    teacher: Literal["base", "previous"] = "base"
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSettings:
    """How large a random share a person looks at, and the error rate that is allowed."""

    share: float = 0.1
    max_error_rate: float = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """What becomes data. `external` are files of other sources by name, `mix` the shares of the sources."""

    instrument: str = "lantern-v1"
    threshold: float | None = None
    on_overlap: OnOverlap = "refuse"
    review: ReviewSettings = ReviewSettings()
    external: Mapping[str, str] = field(default_factory=dict)
    mix: Mapping[str, float] = field(default_factory=dict)
    valid_share: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One phase. `train` are settings of a recipe, `gates` a plan of gates in the form of `seeds/gates`."""

    name: str
    words: str = ""
    distill: DistillSettings = DistillSettings()
    data: DataSettings = DataSettings()
    train: Mapping[str, Any] = field(default_factory=dict)
    gates: Mapping[str, Any] | None = None
    on_fail: OnFail = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeChoice:
    """Probes of a battery, of all its domains unless some are named."""

    battery: str
    domains: tuple[str, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What is measured before the first phase and after the last, on probes that no phase distills.

    `target` is where the kernel's effect is to show, `floor` what must not fall, and `sealed` is opened after
    the last phase only, for the last word. The first of `kernels` is the one whose effect is baked in.
    """

    target: ProbeChoice = ProbeChoice(battery="core")
    floor: ProbeChoice | None = None
    sealed: ProbeChoice | None = None
    instrument: str = "lantern-v1"
    kernels: tuple[str, ...] = ("lantern.txt",)
    preset: str = "default"
    samples: int = 1
    seed: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Curriculum:
    """A whole curriculum. `chain` says what a phase goes on from: the adapter before it, or fused weights.

    An `unattended` one asks nobody: it goes on where a gate is amber or a review open.
    """

    name: str
    version: str = "1"
    description: str = ""
    notes: tuple[str, ...] = ()
    model: str = "wick"
    chain: Chain = "adapter"
    seed: int = 0
    unattended: bool = False
    evaluation: Evaluation = Evaluation()
    phases: tuple[Phase, ...]

    @property
    def sha256(self) -> str:
        """The hash of all that it says."""
        return hashlib.sha256(json.dumps(as_mapping(self), sort_keys=True).encode()).hexdigest()


class _FaultError(LabError):
    """A fault at a field of a curriculum."""

    def __init__(self, path: Sequence[str], words: str) -> None:
        self.path, self.words = tuple(path), words
        super().__init__(f"{'.'.join(path)}: {words}" if path else words)


def load_curriculum(name_or_path: str | Path) -> Curriculum:
    """A shipped curriculum by name, or the one of a YAML file.

    Raises LabError naming file, line and field.
    """
    path = Path(name_or_path).expanduser()
    if path.suffix not in (".yaml", ".yml") and not path.exists():
        if str(name_or_path) not in preset_names():
            known = ", ".join(preset_names())
            raise LabError(f"no curriculum {str(name_or_path)!r}: there are {known}, or give a YAML file")
        path = PRESETS / f"{name_or_path}.yaml"
    node = compose_yaml(read_text(path), str(path))
    try:
        value = construct_yaml(node)
    except LabError as error:
        raise LabError(f"{path}: {error}") from error
    try:
        return _curriculum(value, path.parent)
    except _FaultError as fault:
        raise LabError(f"{path}: line {yaml_line(node, fault.path)}: {fault}") from fault


def preset_names() -> list[str]:
    """The shipped curricula."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def from_mapping(value: Mapping[str, Any], source: str) -> Curriculum:
    """A curriculum from plain values, as `as_mapping` gives them. Raises LabError naming the field."""
    try:
        return _curriculum(value, Path())
    except _FaultError as fault:
        raise LabError(f"{source}: {fault}") from fault


def as_mapping(curriculum: Curriculum) -> dict[str, Any]:
    """Every setting with its value, as JSON knows it; `from_mapping` reads it back."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(curriculum), default=list))
    return plain


def file_name(words: str) -> str:
    """Words as the name of a run or a folder."""
    signs = (sign if sign.isalnum() or sign in "._-" else "-" for sign in words.lower())
    return "".join(signs).strip(".-")[:64] or "phase"


def train_settings(phase: Phase, **given: Any) -> TrainSettings:
    """The settings of a phase's run, with what the phase itself knows. Raises LabError naming the key."""
    from lab.train.settings import from_mapping as train_from_mapping

    values = {"data": PLACEHOLDER, "name": file_name(phase.name), **phase.train, **given}
    return train_from_mapping(values)


def gate_plan(phase: Phase) -> GatePlan | None:
    """The gates of a phase; None where it has none, and everything passes."""
    from lab.curriculum.gate_plan import read_gates

    if phase.gates is None:
        return None
    return read_gates({"name": phase.name, **phase.gates}, GATES)


def _curriculum(value: Any, folder: Path) -> Curriculum:
    if not isinstance(value, Mapping):
        raise _FaultError((), "expected fields, one `name: value` a line")
    fields = dict(value)
    defaults = fields.pop("defaults", None) or {}
    if not isinstance(defaults, Mapping):
        raise _FaultError(("defaults",), "expected fields, one `name: value` a line")
    phases = fields.get("phases")
    if not isinstance(phases, list | tuple) or not phases:
        raise _FaultError(("phases",), "expected at least one phase")
    fields["phases"] = [_merged(defaults, phase, place) for place, phase in enumerate(phases)]
    try:
        curriculum: Curriculum = _adapter().validate_python(fields)
    except ValueError as error:
        raise _located(error, phases, defaults) from error
    _check(curriculum, phases, defaults)
    return _with_whole_paths(curriculum, folder)


def _merged(defaults: Mapping[str, Any], phase: Any, place: int) -> Any:
    if not isinstance(phase, Mapping):
        raise _FaultError(("phases", str(place)), "expected fields, one `name: value` a line")
    return _over(defaults, phase)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`, one setting after the other also inside of others; gates are taken whole."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        whole = key == "gates" or not (isinstance(value, Mapping) and isinstance(under, Mapping))
        merged[key] = value if whole else _over(under or {}, value)
    return merged


def _located(error: ValueError, phases: Sequence[Any], defaults: Mapping[str, Any]) -> _FaultError:
    details = getattr(error, "errors", None)
    if details is None:
        return _FaultError((), str(error).splitlines()[0])
    first = details()[0]
    path = [str(part) for part in first["loc"]]
    words = str(first["msg"]).splitlines()[0]
    shown = "" if first["type"] in ("missing", "unexpected_keyword_argument") else f", not {first['input']!r}"
    if first["type"] == "unexpected_keyword_argument":
        words = "no such setting"
    return _FaultError(_where(path, phases, defaults), f"{words[:1].lower()}{words[1:]}{shown}"[:200])


def _where(path: Sequence[str], phases: Sequence[Any], defaults: Mapping[str, Any]) -> tuple[str, ...]:
    """Where a setting of a phase stands in the file: there, or under `defaults`."""
    if len(path) < 3 or path[0] != "phases":
        return tuple(path)
    phase, inside = phases[int(path[1])], path[2:]
    is_default = not _holds(phase, inside) and (_holds(defaults, inside) or not _holds(phase, inside[:1]))
    return ("defaults", *inside) if is_default else tuple(path)


def _holds(value: Any, path: Sequence[str]) -> bool:
    for step in path:
        if not isinstance(value, Mapping) or step not in value:
            return False
        value = value[step]
    return True


def _check(curriculum: Curriculum, phases: Sequence[Any], defaults: Mapping[str, Any]) -> None:
    names: set[str] = set()
    for place, phase in enumerate(curriculum.phases):
        here = ("phases", str(place))
        if phase.name in names or phase.name in RESERVED:
            raise _FaultError((*here, "name"), f"{phase.name!r}: expected a name of its own")
        names.add(phase.name)
        for key in OWN_TRAIN_KEYS:
            if key in phase.train:
                path = _where((*here, "train", key), phases, defaults)
                raise _FaultError(path, "the phase knows this itself: leave it out")
        _check_part(lambda phase=phase: train_settings(phase), (*here, "train"), phases, defaults)
        _check_part(lambda phase=phase: gate_plan(phase), (*here, "gates"), phases, defaults)
        _check_shares(phase, here, phases, defaults)


def _check_part(read: Any, path: tuple[str, ...], phases: Sequence[Any], defaults: Mapping[str, Any]) -> None:
    """What another reader says of a part of a phase, at the line of the key that it names."""
    try:
        read()
    except LabError as error:
        said = str(error).removeprefix("settings: ").removeprefix(f"{GATES}: ")
        key, _, words = said.partition(": ")
        found = path + tuple(key.split(".")) if words and " " not in key else path
        raise _FaultError(_where(found, phases, defaults), words if found != path else said) from error


def _check_shares(
    phase: Phase, here: tuple[str, ...], phases: Sequence[Any], defaults: Mapping[str, Any]
) -> None:
    data = phase.data

    def fault(path: tuple[str, ...], words: str) -> _FaultError:
        return _FaultError(_where((*here, "data", *path), phases, defaults), words)

    if data.mix and abs(sum(data.mix.values()) - 1) > 1e-6:
        raise fault(("mix",), f"the shares sum to {sum(data.mix.values()):g}, expected 1")
    if data.external and set(data.mix) != {"self", *data.external}:
        raise fault(("mix",), f"expected a share for self and for each of {', '.join(data.external)}")
    if data.mix and not data.external and set(data.mix) != {"self"}:
        raise fault(("mix",), "expected the files of the other sources under external")
    for name in ("share", "max_error_rate"):
        if not 0 <= getattr(data.review, name) <= 1:
            raise fault(("review", name), f"{getattr(data.review, name)!r}: expected a share from 0 to 1")
    if not 0 <= data.valid_share < 1:
        raise fault(("valid_share",), f"{data.valid_share!r}: expected a share below 1")


def _with_whole_paths(curriculum: Curriculum, folder: Path) -> Curriculum:
    """Files of other sources are named as seen from the curriculum's own file."""
    from dataclasses import replace

    def whole(phase: Phase) -> Phase:
        external = {name: str((folder / path).expanduser()) for name, path in phase.data.external.items()}
        return replace(phase, data=replace(phase.data, external=external))

    return replace(curriculum, phases=tuple(whole(phase) for phase in curriculum.phases))


@cache
def _adapter() -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter

    described: Any
    parts = (Phase, DistillSettings, DataSettings, ReviewSettings, Evaluation, ProbeChoice)
    for described in (Curriculum, *parts):
        described.__pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)
    return TypeAdapter(Curriculum)
