"""Ratings by people as a report shows them: each scale by side, tested where one rater saw both. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from lab.measure.statistics import PairedTest, holm, sign_flip_test

if TYPE_CHECKING:
    from store.queries import RatingRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedScale:
    """Ratings on one scale.

    `left` and `right` are means of all ratings given to a side (None without any), `blind` counts those given
    with the sides hidden. `test` is of right less left where one rater rated both answers of a pair, folded
    by probe; None where nobody did. `p_holm` is adjusted over the scales.
    """

    name: str
    n_left: int
    left: float | None
    n_right: int
    right: float | None
    blind: int
    test: PairedTest | None
    p_holm: float | None = None


def rated_scales(ratings: Sequence[RatingRow], clusters: Mapping[int, str]) -> tuple[RatedScale, ...]:
    """Each scale in the order of its first rating; `clusters` names the probe of each place."""
    scales = [
        _scale(name, [row for row in ratings if row.scale == name], clusters)
        for name in dict.fromkeys(row.scale for row in ratings)
    ]
    adjusted = holm({scale.name: scale.test.p_value for scale in scales if scale.test is not None})
    return tuple(
        replace(scale, p_holm=adjusted[scale.name].p_adjusted) if scale.name in adjusted else scale
        for scale in scales
    )


def _scale(name: str, ratings: Sequence[RatingRow], clusters: Mapping[int, str]) -> RatedScale:
    left = [row.value for row in ratings if row.side == "left"]
    right = [row.value for row in ratings if row.side == "right"]
    return RatedScale(
        name=name,
        n_left=len(left),
        left=fmean(left) if left else None,
        n_right=len(right),
        right=fmean(right) if right else None,
        blind=sum(row.blind for row in ratings),
        test=_test(ratings, clusters),
    )


def _test(ratings: Sequence[RatingRow], clusters: Mapping[int, str]) -> PairedTest | None:
    """Right less left of each rater's pairs of ratings."""
    given: dict[tuple[int, str], dict[str, int]] = {}
    for row in ratings:
        if row.place is not None and row.side is not None:
            given.setdefault((row.place, row.rater), {})[row.side] = row.value
    both = {key: sides for key, sides in given.items() if len(sides) == 2}
    if not both:
        return None
    return sign_flip_test(
        [sides["right"] - sides["left"] for sides in both.values()],
        clusters=[clusters.get(place, str(place)) for place, _ in both],
    )
