"""Look at a model folder before anything is loaded: what cannot work is said in one line, by file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from lab.errors import LabError

GIB = 2**30
_NARROW = {"BF16", "F16"}


def check_folder(folder: Path) -> tuple[dict[str, Any], list[Path]]:
    """The folder's config and its weight files, both of them sound. Raises LabError otherwise."""
    if not folder.is_dir():
        raise LabError(f"no model folder at {folder}: give a folder that holds config.json and *.safetensors")
    config = _config(folder / "config.json")
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise LabError(_no_weights(folder))
    for path in files:
        safetensors_header(path)
    return config, files


def check_memory(folder: Path, files: list[Path], widen: bool) -> None:
    """Raise LabError when the weights cannot fit into what is free now; half floats double when widened."""
    needed = sum(_loaded_bytes(path, widen) for path in files)
    available = available_bytes()
    if available is not None and needed > available:
        raise LabError(
            f"{folder}: the weights need {needed / GIB:.1f} GiB and {available / GIB:.1f} GiB are free: "
            "close something, or choose a smaller or quantized model"
        )


def safetensors_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file, checked against its length. Raises LabError for a damaged file."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if 0 < length <= size - 8 else None
        if not isinstance(header, dict):
            raise ValueError("no header")
        tensors = {key: value for key, value in header.items() if key != "__metadata__"}
        end = 8 + length + max((value["data_offsets"][1] for value in tensors.values()), default=0)
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise LabError(f"{path} is not a safetensors file or is damaged: fetch it again") from error
    if end > size:
        raise LabError(f"{path} is cut short ({size:,} bytes of {end:,}): fetch it again")
    return tensors


def available_bytes() -> int | None:
    """Memory that can be taken now without swapping; None where the system does not say."""
    if sys.platform == "linux":
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def _loaded_bytes(path: Path, widen: bool) -> int:
    total = 0
    for tensor in safetensors_header(path).values():
        begin, end = tensor["data_offsets"]
        total += (end - begin) * (2 if widen and tensor.get("dtype") in _NARROW else 1)
    return total


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LabError(f"{path.parent} has no config.json: give a model folder in mlx-lm format") from None
    except (OSError, ValueError) as error:
        raise LabError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise LabError(f"{path}: expected an object with a model_type")
    if config.get("model_file"):
        raise LabError(f"{path}: model_file asks to run code from the model folder, which the lab never does")
    return config


def _no_weights(folder: Path) -> str:
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt*")):
        return (
            f"{folder} holds pickled weights (.bin, .pt), which can run code and are not loaded: "
            "convert it with `mlx_lm.convert`"
        )
    return f"{folder} has no model*.safetensors: give a model folder in mlx-lm format"
