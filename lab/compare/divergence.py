"""Where two answers part. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def divergence(left_ids: Sequence[int], right_ids: Sequence[int]) -> int | None:
    """The index of the first token that differs, or at which one of the answers is over; None if equal.

    Both sides had said the same up to there, so each one's alternatives at this index are comparable.
    """
    for index, (left, right) in enumerate(zip(left_ids, right_ids, strict=False)):
        if left != right:
            return index
    shorter, longer = sorted((len(left_ids), len(right_ids)))
    return None if shorter == longer else shorter
