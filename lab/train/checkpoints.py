"""Checkpoints: an adapter folder that mlx-lm opens, and what a run needs to go on from it to the bit.

The adapter appears in one step (written beside, flushed, renamed); `state.json` is written last and is what
makes a checkpoint one that can be gone on from. A kill or a loss of power at any moment leaves whole ones.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlx.utils import tree_flatten

from lab.errors import LabError
from lab.models.names import SETTINGS, WEIGHTS
from lab.models.runtime import mx
from lab.outfiles import write_file

OPTIMIZER, STATE = "optimizer.safetensors", "state.json"
_STEP = re.compile(r".+-(\d{7,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a run stands after `step` updates. Plain values; evaluations are lists of totals and weights.

    `reference` is the evaluation that later ones must really be below, `misses` how many were not.
    """

    step: int
    micro_batches: int
    peak_learning_rate: float
    elapsed_s: float
    reason: str
    model_id: str
    data_sha256: str
    valid_loss_nats: float | None = None
    best_step: int | None = None
    best_loss_nats: float | None = None
    reference: tuple[list[float], list[float]] | None = None
    misses: int = 0
    witness: str | None = None
    stop: str | None = None
    hooks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def save_adapter(path: Path, model: Any, settings: Mapping[str, Any]) -> None:
    """Write the trainable weights as an adapter folder, unless they are there already."""
    if path.exists():
        return
    aside = path.with_name(f".{path.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(mode=0o700)
        _save_arrays(aside / WEIGHTS, dict(_flat(model.trainable_parameters())))
        write_file(aside / SETTINGS, json.dumps(dict(settings), indent=2))
        aside.rename(path)
        _sync(path.parent)
    except OSError as error:
        raise LabError(f"{path}: the checkpoint cannot be written: {error.strerror or error}") from error


def save_state(path: Path, state: State, optimizer: Mapping[str, Any]) -> None:
    """Make an adapter folder one that can be gone on from; a state that is there already is replaced."""
    try:
        if not (path / STATE).exists():
            aside = path / f".{OPTIMIZER}"
            _save_arrays(aside, dict(optimizer))
            aside.rename(path / OPTIMIZER)
            _sync(path)
        write_file(path / STATE, json.dumps(asdict(state)))
        _sync(path)
    except OSError as error:
        raise LabError(f"{path}: the checkpoint cannot be written: {error.strerror or error}") from error


def resumable(folder: Path) -> list[Path]:
    """The checkpoints that can be gone on from, in the order of their steps."""
    found = (path.parent for path in folder.glob(f"*/{STATE}") if _STEP.fullmatch(path.parent.name))
    return sorted(found, key=step_of)


def step_of(path: Path) -> int:
    """The step in the name of a checkpoint."""
    match = _STEP.fullmatch(path.name)
    if match is None:
        raise LabError(f"{path} is no checkpoint of a run")
    return int(match[1])


def load_state(path: Path) -> State:
    """The state of a checkpoint."""
    try:
        fields = json.loads((path / STATE).read_text(encoding="utf-8"))
        if fields.get("reference") is not None:
            fields["reference"] = tuple(fields["reference"])
        return State(**fields)
    except (OSError, ValueError, TypeError) as error:
        raise LabError(f"{path / STATE} cannot be read: {error}") from error


def load_arrays(path: Path, name: str) -> dict[str, Any]:
    """The arrays of one of its files (WEIGHTS or OPTIMIZER)."""
    try:
        arrays: Any = mx.load(str(path / name))
        mx.eval(arrays)
    except (OSError, RuntimeError, ValueError) as error:
        raise LabError(f"{path / name} cannot be read: {error}") from error
    return dict(arrays)


def prune(folder: Path, keep: int, whole: bool, best: Path) -> None:
    """Leave only the `keep` newest checkpoints resumable.

    Their adapters stay; full weights (`whole`) are too big for that: of these only the first checkpoint and
    the `best` one stay.
    """
    old = resumable(folder)[:-keep]
    for path in old:
        (path / STATE).unlink(missing_ok=True)
        (path / OPTIMIZER).unlink(missing_ok=True)
    if not whole:
        return
    newest = resumable(folder)
    for path in folder.iterdir():
        if _STEP.fullmatch(path.name) and step_of(path) > 0 and path != best and path not in newest:
            shutil.rmtree(path)


def _flat(tree: Any) -> list[tuple[str, Any]]:
    flat: Any = tree_flatten(tree)
    return list(flat)


def _save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    mx.save_safetensors(str(path), arrays)
    written = path if path.exists() else path.with_name(f"{path.name}.safetensors")
    if written != path:
        written.rename(path)
    path.chmod(0o600)
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
