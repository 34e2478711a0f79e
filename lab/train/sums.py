"""Sums of squares over many weights that stay exact."""

from __future__ import annotations

import math
from typing import Any

from mlx.utils import tree_flatten

from lab.models.runtime import mx
from lab.train.hooks import Array, Tree


def sum_of_squares(tree: Tree) -> Array:
    """Σw² over all arrays of a tree, float32, relative error about 1e-6.

    Summed row by row: on a CPU MLX adds up float32 one number after the other, and of 16 million squares it
    loses 3 %.
    """
    leaves: Any = tree_flatten(tree)
    return mx.stack([_squares(leaf.reshape(-1).astype(mx.float32)) for _, leaf in leaves]).sum()


def _squares(vector: Array) -> Array:
    width = math.isqrt(vector.size)
    rows = vector.size // width if width else 0
    whole = vector[: rows * width].reshape(rows, width)
    return mx.square(whole).sum(axis=-1).sum() + mx.square(vector[rows * width :]).sum()
