"""The layers of a llama-like model in NumPy, over MLX's own memory: nothing of the weights is copied.

`lab.decode.host` says why. Activations are `(positions, size)`, the rows of a batch one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.decode.host_deltas import Deltas, Factors, Variants
from lab.decode.host_products import Matrix
from lab.models.gated_layers import GatedLinear
from lab.models.runtime import mx, nn

Floats = NDArray[np.float32]

_nn: Any = nn
_ROPE_BLOCK = 1024


class UnsupportedError(Exception):
    """This layer has no counterpart here."""


def view(array: Any) -> Floats:
    """An MLX array's memory as NumPy's, without a copy. Raises UnsupportedError unless it is float32."""
    if array.dtype != mx.float32:
        raise UnsupportedError
    return np.asarray(array)


def exactly(module: Any, kind: type) -> Any:
    """The module, if it is of this class itself: a subclass may compute something else."""
    if type(module) is not kind:
        raise UnsupportedError
    return module


class Linear:
    """One linear layer of the model: its weight, its bias, and the factors of the adapters attached to it."""

    __slots__ = ("bias", "factors", "matrix")

    def __init__(self, module: Any, one_thread: bool) -> None:
        deltas = module.deltas.factors if type(module) is GatedLinear else {}
        base = exactly(module.base if type(module) is GatedLinear else module, _nn.Linear)
        self.matrix = Matrix(view(base.weight), one_thread)
        self.bias = view(base.bias) if "bias" in base else None
        self.factors = {
            name: Factors(view(of.a), view(of.b), None if of.rescale is None else view(of.rescale))
            for name, of in deltas.items()
        }


class Projections:
    """Linear layers that read the same: `x Wᵀ + bias` of each, side by side, with their adapters' deltas."""

    __slots__ = ("_bias", "_deltas", "_parts", "_size")

    def __init__(self, *layers: Linear) -> None:
        ends = np.cumsum([layer.matrix.size for layer in layers]).tolist()
        columns = [slice(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]
        self._size = ends[-1]
        self._parts = [(layer.matrix, of) for layer, of in zip(layers, columns, strict=True)]
        self._bias = _side_by_side(layers)
        self._deltas = Deltas([(layer.factors, of) for layer, of in zip(layers, columns, strict=True)])

    def __call__(self, x: Floats, variants: Variants) -> Floats:
        """`(positions, Σ out)` of `x` `(positions, in)`."""
        y = np.empty((len(x), self._size), dtype=np.float32)
        for matrix, columns in self._parts:
            matrix.into(y[:, columns], x)
        if variants.adapters:
            self._deltas.add(y, x, variants)
        if self._bias is not None:
            y += self._bias
        return y


def _side_by_side(layers: Sequence[Linear]) -> Floats | None:
    """The biases `(Σ out,)`; None where no layer has one."""
    if all(layer.bias is None for layer in layers):
        return None
    missing = [np.zeros(layer.matrix.size, dtype=np.float32) for layer in layers]
    return np.concatenate(
        [zeros if layer.bias is None else layer.bias for layer, zeros in zip(layers, missing, strict=True)]
    )


class RMSNorm:
    """`x / √(mean x² + ε) · w` over the last axis (Zhang & Sennrich 2019)."""

    __slots__ = ("_eps", "_weight")

    def __init__(self, module: Any) -> None:
        exactly(module, _nn.RMSNorm)
        # √(Σ x² / n + ε) = √(Σ x² + n ε) / √n, and √n goes into the weight: two passes less.
        size = module.weight.shape[0]
        self._weight = view(module.weight) * np.float32(math.sqrt(size))
        self._eps = np.float32(size * module.eps)

    def __call__(self, x: Floats) -> Floats:
        scale = np.vecdot(x, x)
        scale += self._eps
        np.sqrt(scale, out=scale)
        y = np.asarray(x / scale[..., None])
        y *= self._weight
        return y


class Rope:
    """Rotary embedding, as the model's own module turns: its effect on unit vectors is the table.

    Whatever scaling the module does to frequencies, position by position it is a rotation of pairs.
    """

    def __init__(self, module: Any, size: int) -> None:
        if getattr(module, "dims", None) != size or module.traditional:
            raise UnsupportedError
        self.size = size
        """Of a head."""
        self._module = module
        self._table = np.empty((2, 0, 2, size // 2), dtype=np.float32)

    def table(self, positions: NDArray[np.intp]) -> Floats:
        """What `rotate` multiplies by: `(2, positions, 1, 2, size / 2)`, of the cosine and of the sine."""
        if (end := int(positions.max()) + 1) > self._table.shape[1]:
            self._grow(-(-end // _ROPE_BLOCK) * _ROPE_BLOCK)
        return self._table[:, positions, None]

    def _grow(self, positions: int) -> None:
        half = self.size // 2
        unit = mx.concatenate([mx.ones((positions, half)), mx.zeros((positions, half))], axis=-1)
        turned = np.asarray(self._module(unit[None, None])[0, 0])
        cos, sin = turned[:, :half], turned[:, half:]
        self._table = np.stack([np.stack([cos, cos], axis=1), np.stack([-sin, sin], axis=1)])


def rotate(x: Floats, table: Floats) -> Floats:
    """Turn `x` `(positions, heads, size)`, whose pairs are its two halves."""
    halves = x.reshape(*x.shape[:-1], 2, -1)
    y: Floats = halves * table[0]
    y += halves[..., ::-1, :] * table[1]
    return y.reshape(x.shape)


def silu_times(gate: Floats, up: Floats) -> Floats:
    """`gate · σ(gate) · up`, in `up`'s memory."""
    up *= gate
    np.negative(gate, out=gate)
    np.exp(gate, out=gate)
    gate += 1
    up /= gate
    return up
