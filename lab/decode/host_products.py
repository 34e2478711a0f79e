"""Products with the weights of a host model, each in the way that is quickest for so many rows.

A few rows are all that a step has, and a product of a few rows costs what reading the weight costs. OpenBLAS
first packs a matrix, which for two rows takes four times as long as the vector product for one; only where
it has kernels for small matrices (with AVX-512) are those read where they lie. So there a weight is
multiplied in pieces that count as small, all rows at once; elsewhere a few rows are multiplied one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.blas import reads_small_matrices_in_place

Floats = NDArray[np.float32]

SMALL_MULTIPLICATIONS = 1_000_000
SMALL_OUTPUTS = 1152
"""Up to so many of both OpenBLAS calls a product small, the outputs counted for all rows. A weight stored by
columns, whose elements it need not turn round, has no limit of outputs."""

PIECE_STEP = 16
"""Pieces have a multiple of so many outputs: an AVX-512 register of them."""

ROWS_ONE_BY_ONE = 4
ROWS_IN_PIECES = 24
ROWS_IN_PIECES_BY_COLUMNS = 6
"""Up to so many rows were quicker so than in one product, on matrices of 0.1 to 20 MB; fewer where the
weight is stored by columns, for then a piece is not in one place."""

ROWS_TURNED = 64
"""Up to so many rows `(W xᵀ)ᵀ` was up to a third quicker than `x Wᵀ`: other loops pack the larger matrix."""


class Matrix:
    """A weight `(out, in)`, which `x` `(rows, in)` is multiplied by: `x Wᵀ`. Nothing of it is copied."""

    __slots__ = ("_by_columns", "_few", "_in_pieces", "_pieces", "_transposed", "size")

    def __init__(self, weight: Floats, one_thread: bool = True) -> None:
        """With `one_thread` false a few rows are multiplied as vectors, which threads can share."""
        self.size, _ = weight.shape
        """Outputs."""
        self._transposed = weight.T
        self._by_columns = not weight.flags.c_contiguous
        self._in_pieces = one_thread and reads_small_matrices_in_place()
        self._few = ROWS_ONE_BY_ONE
        if self._in_pieces:
            self._few = ROWS_IN_PIECES_BY_COLUMNS if self._by_columns else ROWS_IN_PIECES
        self._pieces: dict[int, _Pieces] = {}

    def __call__(self, x: Floats) -> Floats:
        """`(rows, out)`."""
        y = np.empty((len(x), self.size), dtype=np.float32)
        self.into(y, x)
        return y

    def into(self, y: Floats, x: Floats) -> None:
        """The same, written into `y` `(rows, out)`, which may be columns of something larger."""
        rows = len(x)
        if self._few < rows <= ROWS_TURNED and not self._by_columns:
            y[...] = np.matmul(self._transposed.T, x.T).T
        elif rows == 1 or rows > self._few:
            np.matmul(x, self._transposed, out=y)
        elif not self._in_pieces:
            np.matmul(x[:, None, :], self._transposed, out=y[:, None, :])
        else:
            self._cut(rows).into(y, x)

    def _cut(self, rows: int) -> _Pieces:
        if rows not in self._pieces:
            most = SMALL_MULTIPLICATIONS // (rows * len(self._transposed))
            if not self._by_columns:
                most = min(most, SMALL_OUTPUTS // rows)
            self._pieces[rows] = _cut(self._transposed, max(most // PIECE_STEP, 1) * PIECE_STEP)
        return self._pieces[rows]


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """A weight cut into pieces of equally many outputs, `(pieces, in, outputs)`, and the rest `(in, outputs)`
    behind the last of them; `end` is how many outputs are in whole pieces."""

    whole: Floats
    rest: Floats | None
    end: int

    def into(self, y: Floats, x: Floats) -> None:
        count, _, outputs = self.whole.shape
        if count == 1:
            np.matmul(x, self.whole[0], out=y[:, : self.end])
        else:
            by_piece = y[:, : self.end].reshape(len(y), count, outputs).swapaxes(0, 1)
            np.matmul(x, self.whole, out=by_piece)
        if self.rest is not None:
            np.matmul(x, self.rest, out=y[:, self.end :])


def _cut(transposed: Floats, most: int) -> _Pieces:
    """Pieces of at most so many outputs, as even as may be."""
    size_in, size = transposed.shape
    even = -(-size // -(-size // most))
    outputs = min(-(-even // PIECE_STEP) * PIECE_STEP, most, size)
    count = size // outputs
    end = count * outputs
    whole = transposed[:, :end].reshape(size_in, count, outputs).swapaxes(0, 1)
    return _Pieces(whole, transposed[:, end:] if end < size else None, end)
