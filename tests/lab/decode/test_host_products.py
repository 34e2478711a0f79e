"""Products with host weights: the same numbers whatever way is taken for so many rows."""

from __future__ import annotations

import numpy as np
import pytest

from lab.decode import host_products
from lab.decode.host_products import Matrix


@pytest.fixture
def small(monkeypatch):
    """Pieces, and ways for few and more rows, on matrices of a test's size."""
    monkeypatch.setattr(host_products, "SMALL_MULTIPLICATIONS", 2_000)
    monkeypatch.setattr(host_products, "SMALL_OUTPUTS", 100)


def reaches(monkeypatch, in_place: bool) -> None:
    monkeypatch.setattr(host_products, "reads_small_matrices_in_place", lambda: in_place)


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("by_columns", [True, False])
@pytest.mark.parametrize("size", [(1, 9), (16, 9), (33, 20), (70, 64), (200, 7)])
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 7, 24, 25, 64, 70])
def test_every_way_is_the_product(monkeypatch, small, in_place, by_columns, size, rows):
    reaches(monkeypatch, in_place)
    noise = np.random.default_rng(rows)
    weight = noise.standard_normal(size).astype(np.float32)
    x = noise.standard_normal((rows, 2 * size[1])).astype(np.float32)[:, size[1] :]
    matrix = Matrix(np.asfortranarray(weight) if by_columns else weight)
    expected = x.astype(np.float64) @ weight.T
    assert np.abs(matrix(x) - expected).max() < 5e-5
    wide = np.zeros((rows, size[0] + 4), dtype=np.float32)
    matrix.into(wide[:, 2:-2], x)
    assert np.abs(wide[:, 2:-2] - expected).max() < 5e-5
    assert not wide[:, [0, 1, -2, -1]].any()


def test_a_weight_is_cut_into_pieces_that_count_as_small(monkeypatch):
    reaches(monkeypatch, True)
    matrix = Matrix(np.ones((8192, 640), dtype=np.float32))
    for rows in (2, 3, 8, 24):
        matrix(np.ones((rows, 640), dtype=np.float32))
        pieces = matrix._pieces[rows]
        count, size_in, outputs = pieces.whole.shape
        assert rows * outputs <= host_products.SMALL_OUTPUTS
        assert rows * outputs * size_in <= host_products.SMALL_MULTIPLICATIONS
        assert count * outputs == pieces.end > 8192 - outputs
        assert np.shares_memory(pieces.whole, matrix._transposed)


def test_with_several_threads_a_few_rows_are_vectors(monkeypatch):
    reaches(monkeypatch, True)
    matrix = Matrix(np.ones((64, 8), dtype=np.float32), one_thread=False)
    assert (matrix(np.ones((3, 8), dtype=np.float32)) == 8).all()
    assert not matrix._pieces
