"""Adapter folders read, converted and fused: the edges around anatomy and layouts."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lab.adapters.anatomy import Anatomy, dissect
from lab.adapters.peft import from_peft, to_peft
from lab.errors import LabError
from lab.models.adapters import Adapter, checkpoints, read_adapter
from lab.models.inspect import check_folder
from lab.models.load import resolve
from lab.models.mlx_lm_api import GGUF_ARCHITECTURES, fuse_adapter, write_gguf
from lab.models.names import PEFT_WEIGHTS, SETTINGS, WEIGHTS
from lab.models.runtime import mx
from lab.train.folder import RunFolder
from store.home import Home
from store.records import Record

if TYPE_CHECKING:
    from lab.report.card import CardFacts

INITIAL_STEP = 0


def analyse(path: Path, initial: Path | None = None) -> tuple[Adapter, Anatomy]:
    """An adapter and its anatomy. `initial` is its checkpoint before the first update; where it is not given
    and the folder keeps one of step 0, that is taken.

    Raises LabError for what cannot be read, and for weights that are no low-rank adapter.
    """
    adapter = read_adapter(path)
    if adapter.record.fine_tune_type == "full" or adapter.record.scale is None:
        raise LabError(f"{path}: a full fine-tune has no low-rank matrices to take apart")
    before = read_adapter(initial) if initial else _step_zero(adapter)
    if before is not None and before.shapes != adapter.shapes:
        raise LabError(
            f"{before.weights}: its tensors are not those of {adapter.weights}; expected the same run's start"
        )
    start = _arrays(before) if before else None
    return adapter, dissect(_arrays(adapter), adapter.record.scale, start)


def card_of(home: Home, run: RunFolder) -> str:
    """The card of the adapter that came out of a run, from its records and weights as they are now.

    Raises LabError where the run has not ended with an adapter.
    """
    from lab.report.card import card

    return card(facts_of_run(home, run)[0])


def facts_of_run(home: Home, run: RunFolder) -> tuple[CardFacts, list[Record]]:
    """What a run's card and report are made of, and all its records."""
    from lab.report.card import facts_of
    from lab.train.watch import RunTail

    settings = run.read_plan()["settings"]
    given = settings.get("adapter_path")
    place = Path(given).expanduser() if given else run.adapter
    if not (place / WEIGHTS).is_file():
        raise LabError(f"run {run.run_id[-8:]} has no adapter at {place}: it has not ended yet")
    said = _read_json(place / SETTINGS)
    step = int(said.get("step", 0))
    if said.get("run_id") != run.run_id:
        raise LabError(f"{place} holds another run's adapter by now: the run's own are in {run.checkpoints}")
    adapter, anatomy = read_adapter(place), None
    if adapter.record.fine_tune_type != "full":
        adapter, anatomy = analyse(place, run.checkpoint(str(settings["name"]), INITIAL_STEP))
    records = RunTail(home, run).poll()
    return facts_of(records, adapter.record, step, anatomy), records


def export_peft(path: Path, target: Path, base: str) -> None:
    """Write an mlx-lm LoRA as a PEFT folder; `base` goes into it as the base model's name."""
    adapter = read_adapter(path)
    settings = json.loads((adapter.weights.parent / SETTINGS).read_text(encoding="utf-8"))
    weights, config = to_peft(_arrays(adapter), settings, base)
    with _new_folder(target) as folder:
        _save(folder / PEFT_WEIGHTS, weights)
        _write_json(folder / SETTINGS, config)


def import_peft(path: Path, target: Path, model: str) -> Adapter:
    """Write a PEFT LoRA as an mlx-lm adapter folder for `model`, and read it back."""
    weights_file, config = path / PEFT_WEIGHTS, _read_json(path / SETTINGS)
    if not weights_file.is_file():
        raise LabError(f"{path} has no {PEFT_WEIGHTS}; only safetensors are read")
    layers = _layers(model)
    try:
        loaded: Mapping[str, Any] = mx.load(str(weights_file))  # type: ignore[assignment]
        arrays = {name: np.array(array.astype(mx.float32)) for name, array in loaded.items()}
    except (OSError, RuntimeError, ValueError) as error:
        raise LabError(f"{weights_file} cannot be read: it is damaged, fetch it again") from error
    weights, settings = from_peft(arrays, config, layers)
    with _new_folder(target) as folder:
        _save(folder / WEIGHTS, weights)
        _write_json(folder / SETTINGS, settings)
    return read_adapter(target)


def fuse(model: str, path: Path, target: Path, dequantize: bool = False, gguf: bool = False) -> None:
    """Write `model` with the adapter worked into its weights as a model folder, and a GGUF file if asked.

    Raises LabError where mlx-lm cannot write the architecture as GGUF.
    """
    adapter = read_adapter(path)
    source = resolve(model)
    config, _ = check_folder(source)
    architecture = str(config["model_type"])
    if gguf and architecture not in GGUF_ARCHITECTURES:
        raise LabError(
            f"mlx-lm writes GGUF for {', '.join(GGUF_ARCHITECTURES)}, not for {architecture}: fuse without "
            "--gguf and use llama.cpp's convert_hf_to_gguf.py on the result"
        )
    with _new_folder(target) as folder, _as_folder(adapter) as adapter_folder:
        fuse_adapter(source, adapter_folder, folder, dequantize)
        if gguf:
            write_gguf(folder, folder / "model.gguf")


def _step_zero(adapter: Adapter) -> Adapter | None:
    for saved in checkpoints(adapter.weights.parent):
        if int(saved.name.split("_")[0]) == INITIAL_STEP:
            return read_adapter(saved)
    return None


def _arrays(adapter: Adapter) -> dict[str, NDArray[Any]]:
    return {name: np.array(tensor.astype(mx.float32)) for name, tensor in adapter.load().items()}


def _layers(model: str) -> int:
    config, _ = check_folder(resolve(model))
    layers = config.get("num_hidden_layers") or config.get("text_config", {}).get("num_hidden_layers")
    if not isinstance(layers, int):
        raise LabError(f"{model}: config.json does not say how many layers the model has (num_hidden_layers)")
    return layers


@contextmanager
def _as_folder(adapter: Adapter) -> Iterator[Path]:
    """A folder in which the adapter is *the* adapter: its own, or for a checkpoint a temporary one."""
    if adapter.weights.name == WEIGHTS:
        yield adapter.weights.parent
        return
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / WEIGHTS).symlink_to(adapter.weights)
        shutil.copy(adapter.weights.parent / SETTINGS, Path(folder) / SETTINGS)
        yield Path(folder)


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """A folder that is there whole or not at all; one that holds something is never written over."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise LabError(f"{target} exists already; give a new or an empty folder")
    building = target.with_name(f".{target.name}.{os.getpid()}.part")
    building.mkdir(parents=True, mode=0o700)
    try:
        yield building
        for file in building.iterdir():
            file.chmod(0o600)
        if target.exists():
            target.rmdir()
        building.rename(target)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _save(path: Path, weights: Mapping[str, NDArray[Any]]) -> None:
    from safetensors.numpy import save_file

    save_file(dict(weights), str(path), metadata={"format": "pt"})


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise LabError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(value, dict):
        raise LabError(f"{path}: expected an object, as PEFT writes it")
    return value
