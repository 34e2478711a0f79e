"""Ratings of a comparison by scale: both sides' means and the difference over pairs rated on both. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from lab.compare.ratings import SCALES

if TYPE_CHECKING:
    from lab.measure.statistics import Estimate
    from store.queries import RatingRow


@dataclass(frozen=True, slots=True)
class RatedScale:
    """One scale over the pairs that were rated on both sides; `effect` is right less left with its interval.

    Several raters of one answer are averaged. `n_blind` counts pairs of which every rating was blind.
    """

    scale: str
    left: float
    right: float
    effect: Estimate
    n_blind: int


def rated_scales(rows: Iterable[RatingRow]) -> list[RatedScale]:
    """A line for each scale with a rated pair, in the order of the scales."""
    from lab.measure.statistics import sign_flip_test

    values: dict[str, dict[int, dict[str, list[RatingRow]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for row in rows:
        if row.place is not None and row.side is not None:
            values[row.scale][row.place][row.side].append(row)
    found = []
    for scale in (*SCALES, *sorted(set(values) - set(SCALES))):
        pairs = [sides for sides in values.get(scale, {}).values() if len(sides) == 2]
        if pairs:
            lefts = [fmean(row.value for row in sides["left"]) for sides in pairs]
            rights = [fmean(row.value for row in sides["right"]) for sides in pairs]
            deltas = [right - left for left, right in zip(lefts, rights, strict=True)]
            blind = sum(all(row.blind for side in sides.values() for row in side) for sides in pairs)
            found.append(RatedScale(scale, fmean(lefts), fmean(rights), sign_flip_test(deltas).effect, blind))
    return found
