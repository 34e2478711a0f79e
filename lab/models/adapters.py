"""Adapters on disk, in mlx-lm's layout: a folder with `adapters.safetensors` and `adapter_config.json`.

Checkpoints (`0000100_adapters.safetensors`) lie beside them, share their settings, and are adapters too.
Everything that can be checked without a model is checked here, in one line by file, before weights are read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard, get_args

from lab.errors import LabError
from lab.models.hashes import file_sha256, json_sha256
from lab.models.inspect import safetensors_header
from lab.models.names import PEFT_WEIGHTS, SETTINGS, WEIGHTS
from lab.models.runtime import mx
from store.ids import utc_now
from store.records import AdapterRecord, FineTuneType

LEAVES: Mapping[str, tuple[str, ...]] = {"lora": ("lora_a", "lora_b"), "dora": ("lora_a", "lora_b", "m")}
_CHECKPOINT = re.compile(r"(\d+)_adapters\.safetensors")
_LARGEST_SCALE = 1e9
_FLOATS = {"F64", "F32", "F16", "BF16"}


@dataclass(frozen=True, slots=True)
class Adapter:
    """A fine-tune on disk, looked at but not loaded.

    `weights` is its safetensors file, `shapes` are those of its tensors by name, and `state` is the file's
    size and time when it was hashed.
    """

    record: AdapterRecord
    weights: Path
    shapes: Mapping[str, tuple[int, ...]]
    state: tuple[int, int]

    @property
    def id(self) -> str:
        """What a decoded row names as its variant."""
        return self.record.id

    def modules(self) -> dict[str, dict[str, str]]:
        """Names of the low-rank tensors by layer and leaf: `{"…q_proj": {"lora_a": "…q_proj.lora_a", …}}`."""
        layers: dict[str, dict[str, str]] = {}
        for name in self.shapes:
            layer, _, leaf = name.rpartition(".")
            layers.setdefault(layer, {})[leaf] = name
        return layers

    def load(self) -> dict[str, Any]:
        """The tensors by name, as mx.arrays. Raises LabError when the file is damaged or has changed."""
        try:
            tensors: dict[str, Any] = mx.load(str(self.weights))  # type: ignore[assignment]
            mx.eval(tensors)
        except (OSError, RuntimeError, ValueError) as error:
            raise LabError(f"{self.weights} cannot be read: it is damaged, fetch it again") from error
        if _state(self.weights) != self.state:
            raise LabError(f"{self.weights} changed while it was being read: read it again")
        for name, tensor in tensors.items():
            if not mx.isfinite(tensor).all().item():
                raise LabError(f"{self.weights}: {name} holds values that are no numbers (NaN or infinity)")
        return tensors


def read_adapter(path: str | Path) -> Adapter:
    """Look at an adapter: a folder in mlx-lm's layout, or one checkpoint file in such a folder.

    Raises LabError, naming file and field, when a file is missing or what it says cannot be true.
    """
    weights, settings_file = _files(_expanded(Path(path)))
    settings = _settings(settings_file)
    kind = _fine_tune_type(settings_file, settings)
    shapes = _shapes(weights)
    rank = scale = None
    if kind != "full":
        rank, scale = _low_rank(settings_file, settings)
        _check_low_rank(weights, kind, rank, shapes)
    state = _state(weights)
    digest = file_sha256(weights)
    record = AdapterRecord(
        id=json_sha256({"weights_sha256": digest, "fine_tune_type": kind, "scale": scale}),
        name=_name(weights),
        path=str(weights if weights.name != WEIGHTS else weights.parent),
        base_model_id=_base_model_id(settings_file, settings),
        fine_tune_type=kind,
        rank=rank,
        scale=scale,
        num_layers=_num_layers(settings_file, settings, required=kind != "full"),
        parameters=sum(math.prod(shape) for shape in shapes.values()),
        at=utc_now(),
    )
    return Adapter(record, weights, shapes, state)


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoint files of an adapter folder, in the order in which they were saved."""
    steps = {path: _CHECKPOINT.fullmatch(path.name) for path in folder.glob("*_adapters.safetensors")}
    return sorted(
        (path for path, match in steps.items() if match), key=lambda path: int(path.name.split("_")[0])
    )


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def _files(path: Path) -> tuple[Path, Path]:
    """Where the tensors and the settings are."""
    try:
        return _existing_files(path)
    except OSError as error:
        raise LabError(f"no adapter at {str(path)[:200]}: {error.strerror}") from error


def _existing_files(path: Path) -> tuple[Path, Path]:
    weights = (path / WEIGHTS if path.is_dir() else path).absolute()
    settings = weights.parent / SETTINGS
    if not path.exists():
        raise LabError(f"no adapter at {path}: give a folder that holds {WEIGHTS} and {SETTINGS}")
    if not weights.is_file():
        raise LabError(_no_weights(path))
    if not settings.is_file():
        raise LabError(f"{weights.parent} has no {SETTINGS} beside {weights.name}: mlx-lm writes both")
    return weights, settings


def _no_weights(folder: Path) -> str:
    if (folder / PEFT_WEIGHTS).is_file():
        return f"{folder} holds an adapter in PEFT's layout ({PEFT_WEIGHTS}): give one in mlx-lm's"
    if saved := checkpoints(folder):
        return f"{folder} has no {WEIGHTS}, but checkpoints: give one of them, such as {saved[-1]}"
    return f"{folder} has no {WEIGHTS}: give the folder that mlx-lm calls --adapter-path"


def _settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise LabError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(settings, dict):
        raise LabError(f"{path}: expected an object, as mlx-lm writes it")
    return settings


def _fine_tune_type(path: Path, settings: Mapping[str, Any]) -> FineTuneType:
    kind = settings.get("fine_tune_type", "lora")
    for known in get_args(FineTuneType):
        if kind == known:
            return known  # type: ignore[no-any-return]
    raise LabError(f"{path}: fine_tune_type is {_short(kind)}, expected lora, dora or full")


def _num_layers(path: Path, settings: Mapping[str, Any], required: bool) -> int | None:
    layers = settings.get("num_layers")
    if layers is None and not required:
        return None
    if not _is_whole(layers) or not -1 <= layers < 2**31:
        raise LabError(f"{path}: num_layers is {_short(layers)}, expected a whole number")
    return layers


def _low_rank(path: Path, settings: Mapping[str, Any]) -> tuple[int, float]:
    """Rank and scale."""
    parameters = settings.get("lora_parameters")
    if not isinstance(parameters, dict):
        raise LabError(
            f"{path}: lora_parameters is {_short(parameters)}, expected an object with rank and scale"
        )
    rank, scale = parameters.get("rank"), parameters.get("scale")
    if not _is_whole(rank) or rank < 1:
        raise LabError(f"{path}: lora_parameters.rank is {_short(rank)}, expected a whole number from 1")
    if scale is None and "alpha" in parameters:
        raise LabError(f"{path}: lora_parameters has alpha but no scale: mlx-lm's scale is alpha / rank")
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not abs(scale) < _LARGEST_SCALE:
        raise LabError(f"{path}: lora_parameters.scale is {_short(scale)}, expected a number")
    return rank, float(scale)


def _base_model_id(path: Path, settings: Mapping[str, Any]) -> str | None:
    """The lab's own training says on which model an adapter was trained; mlx-lm gives a path at most."""
    value = settings.get("base_model_id")
    if value is None or isinstance(value, str):
        return value
    raise LabError(f"{path}: base_model_id is {_short(value)}, expected a text")


def _shapes(weights: Path) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for name, tensor in safetensors_header(weights).items():
        shape = tensor.get("shape")
        if (
            tensor.get("dtype") not in _FLOATS
            or not isinstance(shape, list)
            or not all(map(_is_whole, shape))
        ):
            raise LabError(f"{weights}: {_short(name)} is not a tensor of floats, as an adapter's are")
        shapes[name] = tuple(shape)
    if not shapes:
        raise LabError(f"{weights} holds no tensors")
    return shapes


def _check_low_rank(weights: Path, kind: str, rank: int, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Every layer has its leaves, and A and B have the rank that the settings state."""
    found: dict[str, set[str]] = {}
    for name in shapes:
        layer, _, leaf = name.rpartition(".")
        if leaf not in LEAVES[kind] or not layer:
            raise LabError(f"{weights}: {_short(name)} is not part of a {kind} adapter")
        found.setdefault(layer, set()).add(leaf)
    for layer, leaves in found.items():
        if missing := set(LEAVES[kind]) - leaves:
            raise LabError(f"{weights}: {layer} lacks {', '.join(sorted(missing))}")
        a, b = shapes[f"{layer}.lora_a"], shapes[f"{layer}.lora_b"]
        experts = len(a) == len(b) == 3
        if not experts and not len(a) == len(b) == 2:
            raise LabError(f"{weights}: {layer} has lora_a {a} and lora_b {b}, expected two matrices")
        ranks = (a[1], b[2]) if experts else (a[1], b[0])
        if ranks != (rank, rank):
            raise LabError(
                f"{weights}: {layer} has lora_a {a} and lora_b {b}, but {SETTINGS} says rank {rank}"
            )


def _name(weights: Path) -> str:
    """The folder's name; a checkpoint's with its step, such as "tuned@100"."""
    folder, step = weights.parent.name, _CHECKPOINT.fullmatch(weights.name)
    if step:
        return f"{folder}@{int(step[1])}"
    return folder if weights.name == WEIGHTS else f"{folder}/{weights.stem}"


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _short(value: object) -> str:
    return "missing" if value is None else repr(value)[:60]
