"""Where two answers part."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.compare.divergence import divergence

ids = st.lists(st.integers(0, 3), max_size=12)


@pytest.mark.parametrize(
    ("left", "right", "index"),
    [
        ([1, 2, 3], [1, 2, 4], 2),
        ([1, 2], [1, 2, 4], 2),
        ([1, 2, 4], [1, 2], 2),
        ([], [5], 0),
        ([1], [2], 0),
        ([], [], None),
        ([1, 2], [1, 2], None),
    ],
)
def test_by_hand(left: list[int], right: list[int], index: int | None) -> None:
    assert divergence(left, right) == index


@given(ids, ids)
def test_they_agree_before_it_and_nowhere_longer(left: list[int], right: list[int]) -> None:
    index = divergence(left, right)
    if index is None:
        assert left == right
    else:
        assert left[:index] == right[:index]
        assert left[: index + 1] != right[: index + 1]
