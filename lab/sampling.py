"""Sampling presets: named settings for drawing tokens, as data in `seeds/sampling.yaml`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lab.decode.types import Sampling
from lab.errors import LabError
from lab.seeds import SEEDS
from lab.textfiles import load_yaml

DEFAULT_PRESETS = SEEDS / "sampling.yaml"
_WHOLE = {"top_k": 0, "max_tokens": 1}
_REAL = {"temperature": math.inf, "top_p": 1.0, "min_p": 1.0}
_SWITCHED_OFF: Mapping[str, Any] = {"top_p": 1.0, "top_k": 0, "min_p": 0.0}


@dataclass(frozen=True, slots=True)
class Sweep:
    """One answer at each temperature, all else as in `sampling`."""

    sampling: Sampling
    temperatures: tuple[float, ...]


@cache
def presets(path: Path = DEFAULT_PRESETS) -> Mapping[str, Sampling]:
    """Every preset of a file by name, in the file's order; a filter that is left out is switched off.

    Raises LabError naming file and field.
    """
    data = load_yaml(path)
    table = data.get("presets") if isinstance(data, dict) else None
    if not isinstance(table, dict) or not table:
        raise LabError(f"{path}: expected `presets:` with at least one named preset")
    return {str(name): _sampling(fields, f"{path}: presets.{name}") for name, fields in table.items()}


def load_preset(name: str = "default") -> Sampling:
    """A shipped preset by name. Raises LabError with the names there are."""
    known = presets()
    if name not in known:
        raise LabError(f"no sampling preset {name!r}: use one of {', '.join(known)}")
    return known[name]


def load_sweep(name: str = "pairs", path: Path = DEFAULT_PRESETS) -> Sweep:
    """A shipped temperature sweep by name. Raises LabError naming file and field, or the sweeps there are."""
    data = load_yaml(path)
    table = data.get("sweeps") if isinstance(data, dict) else None
    if not isinstance(table, dict) or not isinstance(table.get(name), dict):
        known = ", ".join(map(str, table)) if isinstance(table, dict) else "none"
        raise LabError(f"no sweep {name!r} in {path.name}: there is {known}")
    fields, where = table[name], f"{path}: sweeps.{name}"
    preset = presets(path).get(str(fields.get("preset")))
    if preset is None:
        raise LabError(f"{where}.preset: expected one of {', '.join(presets(path))}")
    given = fields.get("temperatures")
    if not isinstance(given, list) or not given:
        raise LabError(f"{where}.temperatures: expected a list of numbers")
    values = [_value("temperature", value, f"{where}.temperatures") for value in given]
    return Sweep(preset, tuple(map(float, values)))


def _sampling(fields: Any, where: str) -> Sampling:
    if not isinstance(fields, dict):
        raise LabError(f"{where}: expected fields (temperature, top_p, …)")
    settings = dict(_SWITCHED_OFF)
    for key, value in fields.items():
        if key == "description":
            continue
        if key not in _WHOLE and key not in _REAL:
            raise LabError(f"{where}.{key}: no such setting; known are {', '.join((*_REAL, *_WHOLE))}")
        settings[key] = _value(key, value, f"{where}.{key}")
    for key in ("temperature", "max_tokens"):
        if key not in settings:
            raise LabError(f"{where}.{key}: missing")
    return Sampling(**settings)


def _value(key: str, value: Any, where: str) -> float | int:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if key in _WHOLE:
        if not is_number or not isinstance(value, int) or value < _WHOLE[key]:
            raise LabError(f"{where}: expected a whole number, {_WHOLE[key]} or more")
        return int(value)
    if not is_number or not 0 <= value <= _REAL[key] or value == math.inf:
        limit = "" if _REAL[key] == math.inf else f" and at most {_REAL[key]:g}"
        raise LabError(f"{where}: expected a number, 0 or more{limit}")
    return float(value)
