"""Feed-forward gate and attention with exponentials that suit MLX's wheel for Linux on x86.

There an exponential takes MLX about eighteen nanoseconds, forty times as long as a product, and training a
model of 50 million parameters spent a fifth of its time on them. A polynomial written as MLX operations takes
four. Gradients are written out, so that nothing of the polynomial is kept for the way back.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any

from lab.models.mlx_lm_api import scaled_dot_product_attention, swiglu
from lab.models.runtime import mx, on_cpu

Array = Any

_LOG2_E = 1.4426950408889634
_TO_INTEGER = 1.5 * 2.0**23
"""Added to a float32 it leaves no bits behind the point: the sum's low bits are the rounded number."""

_POWER_OF_TWO = (
    *(0.0013276471873563942, 0.009675541333493931, 0.05550713273865816),
    *(0.24022119723863838, 0.6931469670645338, 1.0000000716546775),
)
"""2^f for |f| ≤ 1/2, highest power first, fitted for the least relative error: 7.5e-8."""

PIECE = 1 << 18
"""How many powers are computed at once. The CPU backend runs some ten operations ahead, each with an array of
such a size: a mebibyte stays in the cache, and long texts do not fill the memory."""

_LEAST, _GREATEST = -87.0, 88.0
_NOTHING = -80.0
"""Softmax takes e to less than this as 0, which beside 1 it is. Products with it would be denormal numbers,
on which a CPU is some ten times as slow."""


def exponentials_are_slow() -> bool:
    """Whether MLX computes here as described above."""
    return on_cpu() and sys.platform == "linux" and platform.machine() == "x86_64"


def exp(x: Array) -> Array:
    """e^x of float32 for -87 ≤ x ≤ 88, and of the bound beyond; its relative error is ≤ (4 + |x|) · 1e-7.

    e^x = 2^n · 2^f with n the integer nearest to x / ln 2; n is added to the exponent's bits.
    """
    return _in_pieces(_exp, x.reshape(-1, 1)).reshape(x.shape)


def _exp(x: Array) -> Array:
    t = mx.clip(x, _LEAST, _GREATEST) * _LOG2_E
    shifted = t + _TO_INTEGER
    f = t - (shifted - _TO_INTEGER)
    power = f * _POWER_OF_TWO[0] + _POWER_OF_TWO[1]
    for coefficient in _POWER_OF_TWO[2:]:
        power = power * f + coefficient
    exponent = mx.left_shift(mx.view(shifted, mx.int32), mx.array(23))
    return mx.view(mx.view(power, mx.int32) + exponent, mx.float32)


def _in_pieces(fn: Callable[[Array], Array], rows: Array) -> Array:
    """`fn` of `rows` `(n, width)`, which treats each by itself, one piece after the other."""
    count = max(PIECE // rows.shape[1], 1)
    if len(rows) <= count:
        return fn(rows)
    pieces: list[Array] = []
    for first in range(0, len(rows), count):
        piece = rows[first : first + count]
        # Else they would all be in memory together.
        pieces.append(fn(mx.depends(piece, pieces[-1]) if pieces else piece))
    return mx.concatenate(pieces)


def silu_times(gate: Array, x: Array) -> Array:
    """silu(gate) · x, mlx-lm's `swiglu`."""
    if gate.dtype != mx.float32 or x.dtype != mx.float32:
        return swiglu(gate, x)
    found: Any = _silu_times(gate, x)
    return found[0]


@mx.custom_function
def _silu_times(gate: Array, x: Array) -> tuple[Array, Array]:
    sigmoid = 1.0 / (exp(-gate) + 1.0)
    return gate * sigmoid * x, sigmoid


@_silu_times.vjp
def _silu_times_back(primals: Sequence[Array], cotangents: Sequence[Array], outputs: Sequence[Array]) -> Any:
    (gate, x), cotangent, sigmoid = primals, cotangents[0], outputs[1]
    silu = gate * sigmoid
    return (sigmoid + silu * (1.0 - sigmoid)) * (x * cotangent), cotangent * silu


@mx.custom_function
def softmax(scores: Array) -> Array:
    """Softmax of float32 over the last axis; a row must have one finite score."""
    return _in_pieces(_softmax, scores.reshape(-1, scores.shape[-1])).reshape(scores.shape)


def _softmax(scores: Array) -> Array:
    below = scores - scores.max(axis=-1, keepdims=True)
    weights = mx.where(below < _NOTHING, mx.array(0.0), _exp(below))
    return weights / weights.sum(axis=-1, keepdims=True)


@softmax.vjp
def _softmax_back(_: Array, cotangent: Array, p: Array) -> Array:
    weighted = p * cotangent
    return weighted - p * weighted.sum(axis=-1, keepdims=True)


def attention(
    queries: Array,
    keys: Array,
    values: Array,
    cache: Any,
    scale: float,
    mask: Any,
    sinks: Array | None = None,
) -> Array:
    """mlx-lm's `scaled_dot_product_attention`: queries `(rows, heads, length, size)`, keys and values of as
    many or fewer heads; `mask` is None, "causal", or an array, of booleans or to be added.
    """
    exact = all(array.dtype == mx.float32 for array in (queries, keys, values))
    if not exact or queries.shape[2] == 1 or sinks is not None or hasattr(cache, "bits"):
        return scaled_dot_product_attention(
            queries, keys, values, cache=cache, scale=scale, mask=mask, sinks=sinks
        )
    rows, heads, length, size = queries.shape
    key_heads, seen = keys.shape[1:3]
    grouped = (queries * scale).reshape(rows, key_heads, heads // key_heads, length, size)
    scores = _masked(grouped @ keys[:, :, None].swapaxes(-1, -2), mask, length, seen)
    return (softmax(scores) @ values[:, :, None]).reshape(rows, heads, length, -1)


def _masked(scores: Array, mask: Any, length: int, seen: int) -> Array:
    """Scores `(rows, key heads, queries of each, length, seen)` with what is not to be seen far below."""
    if mask is None:
        return scores
    if isinstance(mask, str):
        mask = mx.arange(seen - length, seen)[:, None] >= mx.arange(seen)[None]
    elif mask.ndim > 2:
        mask = mx.broadcast_to(mask, (*mask.shape[:-2], length, seen))
        heads = mask.shape[-3]
        parts = (1, 1) if heads == 1 else scores.shape[1:3]
        mask = mask.reshape(*mask.shape[:-3], *parts, length, seen)
    if mask.dtype == mx.bool_:
        return mx.where(mask, scores, mx.finfo(scores.dtype).min)
    return scores + mask
