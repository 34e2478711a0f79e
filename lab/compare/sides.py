"""A side of a comparison: a model, what is put on it, and under what it answers. Pure.

A side is written as `base`, or as changes to it: `adapter=PATH`, `kernel=lantern`, `preset=greedy`,
`model=PATH`, several of them joined by commas.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.conditions import condition
from lab.decode.types import Sampling
from lab.errors import LabError
from lab.kernels import Kernel
from lab.kernels import load as load_kernel
from lab.sampling import load_preset, presets
from store.ids import new_id, utc_now
from store.records import AdapterRecord, ConditionRecord, KernelRecord, ModelRecord, SideRecord

BASE = "base"
DEFAULT_PRESET = "default"
KEYS = ("model", "adapter", "kernel", "preset")
_NEXT_KEY = re.compile(rf",(?=(?:{'|'.join(KEYS)})=|{BASE}$)")


@dataclass(frozen=True, slots=True)
class Side:
    """What answers: a model (folder, hub id or "wick") and perhaps an adapter (folder or checkpoint file),
    under a kernel and sampling settings."""

    model: str
    sampling: Sampling
    adapter: str | None = None
    kernel: Kernel | None = None


def parse(changes: Sequence[str], base: Side) -> Side:
    """The side that `changes` make of `base`; an option given several times is several changes.

    Raises LabError for what is no change, naming what there is.
    """
    side = base
    for change in (part for text in changes for part in _NEXT_KEY.split(text)):
        key, given, value = change.partition("=")
        if change == BASE:
            continue
        if not given or key not in KEYS:
            known = ", ".join(f"{key}=…" for key in KEYS)
            raise LabError(f"side {change!r}: expected {BASE}, or {known}, joined by commas")
        if not value:
            raise LabError(f"side {change!r}: nothing behind the equals sign")
        side = _changed(side, key, value)
    return side


def shares_model(left: Side, right: Side) -> bool:
    """Whether one loaded model answers for both sides."""
    return left.model == right.model


def adapters(*sides: Side) -> tuple[str, ...]:
    """The adapters of these sides, each once."""
    return tuple(dict.fromkeys(side.adapter for side in sides if side.adapter is not None))


def words(side: Side, model_name: str, adapter_name: str | None = None) -> str:
    """What a side is, for people: "wick + tuned@100 under lantern.txt, greedy"."""
    text = model_name if adapter_name is None else f"{model_name} + {adapter_name}"
    if side.kernel is not None:
        text += f" under {side.kernel.name}"
    settings = sampling_words(side.sampling)
    return text if settings == DEFAULT_PRESET else f"{text}, {settings}"


def sampling_words(sampling: Sampling) -> str:
    """The preset by name if it is one, whatever the length of answers, else the temperature."""
    for name, preset in presets().items():
        if replace(preset, max_tokens=sampling.max_tokens) == sampling:
            return name
    return f"temperature {sampling.temperature:g}"


def side_record(
    side: Side, model: ModelRecord, adapter: AdapterRecord | None, run_id: str | None = None
) -> SideRecord:
    """A side as it is kept, given what was loaded for it."""
    return SideRecord(
        run_id=run_id or new_id(),
        words=words(side, model.name, adapter.name if adapter else None),
        model_id=model.id,
        condition_id=condition(side.kernel, side.sampling).id,
        adapter_sha256=adapter.id if adapter else None,
    )


def condition_records(side: Side) -> tuple[KernelRecord | ConditionRecord, ...]:
    """What else has to be kept of a side so that it can be asked again: its kernel and its condition."""
    under = condition(side.kernel, side.sampling)
    if side.kernel is None:
        return (under,)
    kernel = side.kernel
    return (KernelRecord(sha256=kernel.sha256, name=kernel.name, text=kernel.text, at=utc_now()), under)


def _changed(side: Side, key: str, value: str) -> Side:
    match key:
        case "model":
            return replace(side, model=value)
        case "adapter":
            return replace(side, adapter=str(Path(value).expanduser()))
        case "kernel":
            return replace(side, kernel=load_kernel(value))
        case _:
            # Both sides may say as much: an answer that is longer by its settings would win by them.
            preset = load_preset(value)
            return replace(side, sampling=replace(preset, max_tokens=side.sampling.max_tokens))
