"""The layers of a llama-like model in NumPy, over MLX's own memory: nothing of the weights is copied.

`lab.decode.host` says why. Activations are `(positions, size)`, the rows of a batch one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.models.gated_layers import GatedLinear
from lab.models.runtime import mx, nn

Floats = NDArray[np.float32]
Variants = Sequence[tuple[str, slice]]
"""Which positions run on which adapter; those on the base are not listed. Slices copy nothing."""

_nn: Any = nn
_ROPE_BLOCK = 1024
FEW_ROWS = 4


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


@dataclass(frozen=True, slots=True)
class _Delta:
    """One adapter's factors A `(in, rank)` and B `(rank, out)`, and DoRA's factor `(out,)` if it has one."""

    a: Floats
    b: Floats
    rescale: Floats | None


class Linear:
    """`x Wᵀ + bias`, with the low-rank deltas of attached adapters as `lab.models.gated_layers` has them."""

    __slots__ = ("_bias", "_deltas", "_weight")

    def __init__(self, module: Any) -> None:
        deltas = module.deltas.factors if type(module) is GatedLinear else {}
        base = exactly(module.base if type(module) is GatedLinear else module, _nn.Linear)
        self._weight = view(base.weight).T
        self._bias = view(base.bias) if "bias" in base else None
        self._deltas: Mapping[str, _Delta] = {
            name: _Delta(view(of.a), view(of.b), None if of.rescale is None else view(of.rescale))
            for name, of in deltas.items()
        }

    def __call__(self, x: Floats, variants: Variants) -> Floats:
        y = product(x, self._weight)
        for name, places in variants:
            if (delta := self._deltas.get(name)) is not None:
                part = y[places]
                part += x[places].dot(delta.a).dot(delta.b)
                if delta.rescale is not None:
                    part *= delta.rescale
        if self._bias is not None:
            y += self._bias
        return y


def product(x: Floats, weight: Floats) -> Floats:
    """`x W` for `x` `(positions, in)`.

    A few rows are multiplied one by one, as vectors: OpenBLAS's matrix product often takes as long for two
    rows as for eight, which is four times as long as for one.
    """
    if len(x) > FEW_ROWS:
        return x @ weight
    by_row: Floats = np.matmul(x[:, None, :], weight)
    return by_row[:, 0]


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
        self._cos = self._sin = np.empty((0, size // 2), dtype=np.float32)

    def table(self, positions: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Cosine and sine `(positions, 1, size / 2)`."""
        if (end := int(positions.max()) + 1) > len(self._cos):
            self._grow(-(-end // _ROPE_BLOCK) * _ROPE_BLOCK)
        return self._cos[positions, None], self._sin[positions, None]

    def _grow(self, positions: int) -> None:
        half = self.size // 2
        unit = mx.concatenate([mx.ones((positions, half)), mx.zeros((positions, half))], axis=-1)
        turned = np.asarray(self._module(unit[None, None])[0, 0])
        self._cos, self._sin = turned[:, :half].copy(), turned[:, half:].copy()


def rotate(x: Floats, table: tuple[Floats, Floats]) -> Floats:
    """Turn `x` `(positions, heads, size)`, whose pairs are its two halves."""
    cos, sin = table
    half = x.shape[-1] // 2
    left, right = x[..., :half], x[..., half:]
    y = np.empty_like(x)
    np.multiply(left, cos, out=y[..., :half])
    np.multiply(right, cos, out=y[..., half:])
    y[..., :half] -= right * sin
    y[..., half:] += left * sin
    return y


def silu_times(gate: Floats, up: Floats) -> Floats:
    """`gate · σ(gate) · up`, in `up`'s memory."""
    up *= gate
    np.negative(gate, out=gate)
    np.exp(gate, out=gate)
    gate += 1
    up /= gate
    return up
