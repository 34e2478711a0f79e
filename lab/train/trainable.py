"""The trainable arrays of a model, and all of them as one vector.

Low-rank layers are many and small: on a model of 24 layers an update by Adam is some five thousand
operations, each of which costs more to begin than to compute. Laid end to end the arrays are one operand. A
walk through the modules costs as much again, so it is taken once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlx.utils import tree_flatten

from lab.models.runtime import mx
from lab.train.hooks import Array

WHOLE = "whole"
GREATEST_BYTES = 1 << 26
"""Above 64 MiB laying end to end takes longer than what it saves, and memory."""

Weights = dict[str, Array]
"""All trainable numbers: one vector under `WHOLE`, or the arrays by name where that does not serve."""


class Trainable:
    """Where a model's trainable arrays lie; which ones they are is settled when this is made."""

    def __init__(self, model: Any, elementwise: bool) -> None:
        """`elementwise` says whether an update treats every number by itself, whatever array it is in."""
        flat: Any = tree_flatten(model.trainable_parameters())
        self._shapes = {name: tuple(value.shape) for name, value in flat}
        self._places = [_place(model, name) for name in self._shapes]
        alike = len({value.dtype for _, value in flat}) == 1
        small = sum(value.nbytes for _, value in flat) <= GREATEST_BYTES
        self._serves = elementwise and alike and small

    def arrays(self) -> list[Array]:
        """The arrays as they are now."""
        return [owner[key] for owner, key in self._places]

    def put(self, arrays: Sequence[Array]) -> None:
        """Put other arrays in their places."""
        for (owner, key), array in zip(self._places, arrays, strict=True):
            owner[key] = array

    def pack(self, arrays: Sequence[Array]) -> Weights:
        """Arrays of the places, or their gradients, laid end to end where that serves."""
        if not self._serves:
            return dict(zip(self._shapes, arrays, strict=True))
        return {WHOLE: mx.concatenate([array.reshape(-1) for array in arrays])}

    def unpack(self, weights: Weights) -> list[Array]:
        """What `pack` was given."""
        return self._parted(weights[WHOLE]) if self._serves else [weights[name] for name in self._shapes]

    def unpack_state(self, state: Mapping[str, Array]) -> dict[str, Array]:
        """An optimizer's flat state with the moments of every array by its name: "layers.0.….lora_a.m"."""
        unpacked: dict[str, Array] = {}
        for key, value in state.items():
            owner, _, moment = key.rpartition(".")
            parts = {key: value}
            if owner == WHOLE:
                named = zip(self._shapes, self._parted(value), strict=True)
                parts = {f"{name}.{moment}": part for name, part in named}
            unpacked |= parts
        return unpacked

    def pack_state(self, state: Mapping[str, Array]) -> dict[str, Any]:
        """From what `unpack_state` made, the state of an optimizer of packed weights."""
        packed: dict[str, Any] = {}
        for key, value in state.items():
            name, _, moment = key.rpartition(".")
            if name in self._shapes:
                packed.setdefault(name, {})[moment] = value
            else:
                packed[key] = value
        if not self._serves:
            return packed
        of_arrays = [packed.pop(name, {}) for name in self._shapes]
        whole = {m: self.pack([of[m] for of in of_arrays])[WHOLE] for m in of_arrays[0]}
        return packed | ({WHOLE: whole} if whole else {})

    def _parted(self, vector: Array) -> list[Array]:
        ends, end = [], 0
        for shape in self._shapes.values():
            end += math.prod(shape)
            ends.append(end)
        parts = mx.split(vector, ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self._shapes.values(), strict=True)]


def _place(model: Any, name: str) -> tuple[Any, Any]:
    """The module or list that holds an array, and its key there."""
    *path, last = name.split(".")
    owner = model
    for part in path:
        owner = owner[_key(owner, part)]
    return owner, _key(owner, last)


def _key(owner: Any, part: str) -> Any:
    return int(part) if isinstance(owner, list) else part
