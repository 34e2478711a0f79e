"""Layers of a model with the low-rank deltas of any number of adapters, gated by row.

    y = W x + (((x A) * gate) B)

A `(in, Σ rank)` and B `(Σ rank, out)` hold the adapters' factors side by side, each adapter's scale
multiplied into its B, and the gate `(rows, Σ rank)` is 1 where a column belongs to the row's adapter
(LoRA: Hu et al. 2021; the factors' shapes are mlx-lm's). A pass in which all rows share one adapter uses its
factors alone, ungated; in one of the base alone the delta does not exist.

DoRA (Liu et al. 2024) also rescales each output by m / ‖W + s B A‖, which depends on weights alone and is
computed once: y = (W x + delta) · factor, bias excepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from lab.errors import LabError
from lab.models.gate import Gate, Rows
from lab.models.mlx_lm_api import QuantizedSwitchLinear, SwitchGLU, SwitchLinear, SwitchMLP
from lab.models.runtime import mx, nn

_nn: Any = nn
"""MLX's layers have no types."""

LINEAR = (_nn.Linear, _nn.QuantizedLinear)
SWITCH = (SwitchLinear, QuantizedSwitchLinear)
EMBEDDING = (_nn.Embedding, _nn.QuantizedEmbedding)
EXPERTS = (SwitchGLU, SwitchMLP)


@dataclass(frozen=True, slots=True)
class Factors:
    """What one adapter does to one layer; `b` contains the scale, `rescale` `(out,)` is DoRA's factor."""

    a: Any
    b: Any
    rescale: Any = None


class Joined(NamedTuple):
    """The deltas of one layer for the rows of a pass.

    `gate` `(rows, Σ rank)` is None where it would be 1 throughout; `rescale` `(rows or 1, out)` is None
    without DoRA.
    """

    a: Any
    b: Any
    gate: Any
    rescale: Any


class Deltas:
    """The adapters of one layer, and what they come to for the rows of the pass under way."""

    def __init__(self, gate: Gate, name: str, rank_axes: tuple[int, int]) -> None:
        """`rank_axes` are the axes of A and B along which ranks lie."""
        self.factors: dict[str, Factors] = {}
        self._gate = gate
        self._name = name
        self._rank_axes = rank_axes
        self._rows: Rows | None = None
        self._joined: Joined | None = None
        self._stacks: dict[tuple[str, ...], tuple[Any, Any]] = {}

    @property
    def rows(self) -> Rows | None:
        """The rows of the pass under way; None where all are base."""
        return self._gate.rows

    def now(self) -> Joined | None:
        """What to add in this pass; None where the layer is the base's for all rows."""
        rows = self._gate.rows
        if rows is not self._rows:
            self._rows = rows
            self._joined = None if rows is None else self._join(rows)
        return self._joined

    def add(self, y: Any, x: Any, a: Any, b: Any, joined: Joined) -> Any:
        """`y + ((x a) * gate) b` for matrices `x` `(positions, in)`, `y` `(positions, out)`, row after row.

        MLX would fold and unfold a batch around each product, which costs a small model on a CPU as much as
        the products themselves; matrices are folded once.
        """
        z = x @ a
        if joined.gate is not None:
            z = self.gated(z, joined.gate)
        return mx.addmm(y, z, b) if y.dtype == z.dtype == b.dtype else y + (z @ b).astype(y.dtype)

    def gated(self, z: Any, gate: Any) -> Any:
        """`z` `(positions, Σ rank)` with each row's own columns left."""
        positions, rows = len(z), len(gate)
        if positions == rows:
            return z * gate
        return (z.reshape(rows, positions // rows, -1) * gate[:, None]).reshape(z.shape)

    def check_rows(self, x: Any, joined: Joined) -> None:
        """Raise LabError where a model does not keep the rows of a batch on the first axis."""
        if joined.gate is not None and len(x) != len(joined.gate):
            raise LabError(
                f"{self._name} does not keep the rows of a batch apart in this model: "
                "decode one variant at a time"
            )

    def _join(self, rows: Rows) -> Joined | None:
        used = tuple(name for name in rows.adapters if name in self.factors)
        if not used:
            return None
        a, b = self._stack(used)
        if rows.alone:
            rescale = self.factors[rows.alone].rescale
            return Joined(a, b, None, None if rescale is None else rescale[None])
        rank_axis = self._rank_axes[0]
        owners = tuple((name, self.factors[name].a.shape[rank_axis]) for name in used)
        return Joined(a, b, rows.columns(owners), self._rescale(rows))

    def _stack(self, used: tuple[str, ...]) -> tuple[Any, Any]:
        """The factors of the adapters in use, side by side; kept, for the same few come again and again."""
        if len(used) == 1:
            return self.factors[used[0]].a, self.factors[used[0]].b
        if used not in self._stacks:
            parts = [self.factors[name] for name in used]
            a_axis, b_axis = self._rank_axes
            a = mx.concatenate([part.a for part in parts], axis=a_axis)
            b = mx.concatenate([part.b for part in parts], axis=b_axis)
            mx.eval(a, b)
            self._stacks[used] = a, b
        return self._stacks[used]

    def _rescale(self, rows: Rows) -> Any:
        """DoRA's factor `(rows, out)`, 1 for rows without; None where no row has one."""
        own = [self.factors[v].rescale if v in self.factors else None for v in rows.variants]
        some = next((factor for factor in own if factor is not None), None)
        if some is None:
            return None
        ones = mx.ones_like(some)
        return mx.stack([ones if factor is None else factor for factor in own])


class Gated(_nn.Module):  # type: ignore[misc]
    """A layer of the model with its adapters' deltas beside it. The layer itself stays as it is."""

    rank_axes = (1, 0)

    def __init__(self, base: Any, gate: Gate, name: str) -> None:
        super().__init__()
        self.base = base
        self.deltas = Deltas(gate, name, self.rank_axes)


class GatedLinear(Gated):
    """Linear or QuantizedLinear; A is `(in, rank)`, B `(rank, out)`."""

    def __call__(self, x: Any) -> Any:
        joined = self.deltas.now()
        if joined is None:
            return self.base(x)
        self.deltas.check_rows(x, joined)
        flat = x.reshape(-1, x.shape[-1])
        y = self.base(flat)
        y = self.deltas.add(y, flat, joined.a, joined.b, joined).reshape(*x.shape[:-1], -1)
        if joined.rescale is None:
            return y
        rescale = _beside(joined.rescale, y)
        bias = self.base.get("bias")
        return y * rescale if bias is None else (y - bias) * rescale + bias


class GatedEmbedding(Gated):
    """Embedding or QuantizedEmbedding, tied or not; A is `(vocab, rank)`, B `(rank, out)`."""

    def __call__(self, ids: Any) -> Any:
        y = self.base(ids)
        joined = self.deltas.now()
        if joined is None:
            return y
        self.deltas.check_rows(ids, joined)
        z = joined.a[ids]
        if joined.gate is not None:
            z = z * joined.gate[:, None]
        y = y + (z @ joined.b).astype(y.dtype)
        if joined.rescale is None:
            return y
        by_row = mx.broadcast_to(joined.rescale, (len(ids), joined.rescale.shape[-1]))
        return y * mx.take_along_axis(by_row, ids, axis=1)[..., None].astype(y.dtype)

    def as_linear(self, x: Any) -> Any:
        """The logits `(rows, positions, vocab)` of tied embeddings."""
        joined = self.deltas.now()
        if joined is None:
            return self.base.as_linear(x)
        self.deltas.check_rows(x, joined)
        flat = x.reshape(-1, x.shape[-1])
        y = self.base.as_linear(flat)
        y = self.deltas.add(y, flat, joined.b.T, joined.a.T, joined).reshape(*x.shape[:-1], -1)
        return y if joined.rescale is None else y * _beside(joined.rescale, y)


class GatedSwitchLinear(Gated):
    """SwitchLinear or QuantizedSwitchLinear; A is `(experts, rank, in)`, B `(experts, out, rank)`."""

    rank_axes = (1, 2)

    def __call__(self, x: Any, indices: Any, sorted_indices: bool = False) -> Any:
        y = self.base(x, indices, sorted_indices=sorted_indices)
        joined = self.deltas.now()
        if joined is None:
            return y
        z = _of_experts(x, joined.a, indices, sorted_indices)
        if joined.gate is not None and sorted_indices:
            z = z * joined.gate[self._slots()][:, None]
        elif joined.gate is not None:
            self.deltas.check_rows(x, joined)
            z = z * _beside(joined.gate, z)
        return y + _of_experts(z, joined.b, indices, sorted_indices).astype(y.dtype)

    def _slots(self) -> Any:
        rows = self.deltas.rows
        if rows is None or rows.slots is None:
            raise LabError("this model sorts tokens by expert in its own way: decode one variant at a time")
        return rows.slots


class GatedExperts(_nn.Module):  # type: ignore[misc]
    """mlx-lm's SwitchGLU or SwitchMLP around gated layers.

    From 64 places on it sorts them by expert; this says which row each of them came from.
    """

    def __init__(self, base: Any, gate: Gate) -> None:
        super().__init__()
        self.base = base
        self._gate = gate

    def __call__(self, x: Any, indices: Any) -> Any:
        rows = self._gate.rows
        if rows is None or rows.alone:
            return self.base(x, indices)
        rows.slots = mx.argsort(indices.flatten()) // (indices.size // len(rows))
        try:
            return self.base(x, indices)
        finally:
            rows.slots = None


def _beside(by_row: Any, y: Any) -> Any:
    """A table `(rows or 1, out)` in the shape and precision in which it multiplies `y` `(rows, ..., out)`."""
    return by_row.reshape(len(by_row), *[1] * (y.ndim - 2), -1).astype(y.dtype)


def _of_experts(x: Any, weight: Any, indices: Any, sorted_indices: bool) -> Any:
    return mx.gather_mm(x, weight.swapaxes(-1, -2), rhs_indices=indices, sorted_indices=sorted_indices)


def dense_weight(layer: Any) -> Any:
    """A layer's weight in float32, unpacked where it is quantized."""
    if not hasattr(layer, "bits"):
        return layer.weight.astype(mx.float32)
    weight = mx.dequantize(
        layer.weight,
        layer.scales,
        layer.get("biases"),
        group_size=layer.group_size,
        bits=layer.bits,
        mode=layer.mode,
    )
    return weight.astype(mx.float32)


def low_rank_shapes(base: Any, rank: int) -> dict[str, tuple[int, ...]]:
    """The shapes that mlx-lm gives to A, B and m on a layer that takes an adapter."""
    if isinstance(base, SWITCH):
        return {
            "lora_a": (base.num_experts, rank, base.input_dims),
            "lora_b": (base.num_experts, base.output_dims, rank),
        }
    rows, columns = base.weight.shape
    if hasattr(base, "bits"):
        columns = columns * 32 // base.bits
    if isinstance(base, EMBEDDING):
        return {"lora_a": (rows, rank), "lora_b": (rank, columns), "m": (rows,)}
    return {"lora_a": (columns, rank), "lora_b": (rank, rows), "m": (rows,)}
