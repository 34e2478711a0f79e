"""What an adapter has learned, read off its weights (seed 003's analysis): pure functions over NumPy arrays.

A low-rank module holds A and B as mlx-lm stores them: `lora_a` (d_in, r) and `lora_b` (r, d_out); for experts
`lora_a` (experts, r, d_in) and `lora_b` (experts, d_out, r). The change it makes is scale · A·B.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = Mapping[str, NDArray[Any]]

NEAR_ZERO = 1e-6
TOP = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleAnatomy:
    """One module: L2 norms of A, B and the change A·B (times the scale), and how far A has moved.

    `moved_l2` is ‖A − A₀‖, None where the initial weights are not known.
    """

    name: str
    a_l2: float
    b_l2: float
    change_l2: float
    moved_l2: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFigures:
    """All A matrices, or all B matrices, together."""

    parameters: int
    std: float
    l2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """A whole adapter. `near_zero` is the share of weights with |w| < 1e-6; sums are over every weight."""

    modules: tuple[ModuleAnatomy, ...]
    a: PartFigures
    b: PartFigures
    parameters: int
    near_zero: float
    sum_squares: float
    sum_squares_from_init: float | None

    def top(self, n: int = TOP) -> tuple[ModuleAnatomy, ...]:
        """The modules that change the model most, by the norm of the change."""
        return tuple(sorted(self.modules, key=lambda module: -module.change_l2)[:n])


def dissect(weights: Weights, scale: float, initial: Weights | None = None) -> Anatomy:
    """The anatomy of an adapter's `weights`; `initial` are the same weights before the first update."""
    names = sorted(name.removesuffix(".lora_a") for name in weights if name.endswith(".lora_a"))
    flat = {name: np.asarray(array, np.float64) for name, array in weights.items()}
    start = {name: np.asarray(array, np.float64) for name, array in (initial or {}).items()}
    modules = tuple(_module(name, flat, start, scale) for name in names)
    parameters = sum(array.size for array in flat.values())
    near_zero = sum(int((np.abs(array) < NEAR_ZERO).sum()) for array in flat.values())
    return Anatomy(
        modules=modules,
        a=_part(flat, ".lora_a"),
        b=_part(flat, ".lora_b"),
        parameters=parameters,
        near_zero=near_zero / parameters if parameters else 0.0,
        sum_squares=_squares(flat.values()),
        sum_squares_from_init=_squares(flat[name] - start[name] for name in flat)
        if flat.keys() <= start.keys()
        else None,
    )


def change_l2(a: NDArray[Any], b: NDArray[Any], scale: float) -> float:
    """‖scale · A·B‖ without forming the product: ‖AB‖² = Σ (AᵀA) ∘ (BBᵀ), summed over experts."""
    if a.ndim == 3:
        a, b = a.swapaxes(1, 2), b.swapaxes(1, 2)
    grams = (a.swapaxes(-1, -2) @ a) * (b @ b.swapaxes(-1, -2))
    return abs(scale) * math.sqrt(max(float(grams.sum()), 0.0))


def _module(name: str, weights: Weights, initial: Weights, scale: float) -> ModuleAnatomy:
    a, b = weights[f"{name}.lora_a"], weights[f"{name}.lora_b"]
    before = initial.get(f"{name}.lora_a")
    return ModuleAnatomy(
        name=name,
        a_l2=float(np.linalg.norm(a)),
        b_l2=float(np.linalg.norm(b)),
        change_l2=change_l2(a, b, scale),
        moved_l2=None if before is None else float(np.linalg.norm(a - before)),
    )


def _part(weights: Weights, suffix: str) -> PartFigures:
    parts = [array.ravel() for name, array in weights.items() if name.endswith(suffix)]
    joined = np.concatenate(parts) if parts else np.zeros(0)
    return PartFigures(
        parameters=joined.size,
        std=float(joined.std()) if joined.size else 0.0,
        l2=float(np.linalg.norm(joined)),
    )


def _squares(arrays: Any) -> float:
    return float(sum(float((array * array).sum()) for array in arrays))
