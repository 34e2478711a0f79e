"""Bradley–Terry strengths of several models from pairwise verdicts, with bootstrap intervals over probes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.errors import LabError
from lab.measure.statistics.inputs import batches, check_confidence
from lab.measure.statistics.results import Estimate

_Floats = NDArray[np.float64]
PSEUDO_WIN = 0.5
TOLERANCE = 1e-9
MOST_ROUNDS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One verdict between two sides: `score` is 1 where the first won, 0 where the second, ½ for a tie."""

    first: str
    second: str
    score: float
    cluster: Hashable


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """A side's strength in nats of odds: it beats another with the odds e^(difference).

    Strengths of one `group` have mean 0 and can be compared; those of two groups cannot, as no verdict links
    them. `contests` counts the verdicts the side was in.
    """

    name: str
    group: int
    contests: int
    strength: Estimate


def bradley_terry(
    contests: Sequence[Contest], *, confidence: float = 0.95, resamples: int = 2_000, seed: int = 0
) -> tuple[Strength, ...]:
    """Maximum-likelihood strengths (Bradley & Terry 1952) by Hunter's MM iteration (2004), strongest first.

    A tie is half a win for each side. Each two sides that met get half a win each on top, so that a side
    which never lost has a finite strength (for two sides: the log odds with Haldane's ½). The intervals draw
    clusters (probes) again with replacement; one cluster alone has none. Raises LabError for a contest of a
    side with itself or a score outside 0 to 1.
    """
    check_confidence(confidence)
    for number, one in enumerate(contests):
        if one.first == one.second or not 0 <= one.score <= 1:
            raise LabError(f"contest {number + 1}: expected two sides and a score from 0 to 1")
    names = sorted({name for one in contests for name in (one.first, one.second)})
    place = {name: number for number, name in enumerate(names)}
    clusters = list(dict.fromkeys(one.cluster for one in contests))
    wins = np.zeros((len(clusters), len(names), len(names)))
    cluster_place = {cluster: number for number, cluster in enumerate(clusters)}
    for one in contests:
        first, second, at = place[one.first], place[one.second], cluster_place[one.cluster]
        wins[at, first, second] += one.score
        wins[at, second, first] += 1.0 - one.score
    if not names:
        return ()
    total = wins.sum(axis=0)
    met = (total + total.T) > 0
    groups = _groups(met)
    strengths = _fit(total[None], met, groups)[0]
    bounds = _bounds(wins, met, groups, confidence, resamples, seed)
    method = f"bootstrap over {len(clusters)} probes, {resamples:,} resamples, seed {seed}; ½ pseudo-win each"
    found = [
        Strength(
            name=name,
            group=int(groups[number]),
            contests=round(float(total[number].sum() + total[:, number].sum())),
            strength=Estimate(
                value=float(strengths[number]),
                lower=None if bounds is None else float(bounds[0][number]),
                upper=None if bounds is None else float(bounds[1][number]),
                confidence=confidence,
                n=int((wins[:, number].sum(axis=1) + wins[:, :, number].sum(axis=1) > 0).sum()),
                method=method,
                note="one probe has no interval" if bounds is None else "",
            ),
        )
        for number, name in enumerate(names)
    ]
    return tuple(sorted(found, key=lambda one: (one.group, -(one.strength.value or 0.0), one.name)))


def _fit(wins: _Floats, met: NDArray[np.bool_], groups: NDArray[np.int64]) -> _Floats:
    """Strengths `(resamples, sides)` of win matrices `(resamples, sides, sides)`, mean 0 in each group."""
    wins = wins + PSEUDO_WIN * met
    won = wins.sum(axis=2)
    played = wins + wins.transpose(0, 2, 1)
    odds = np.ones_like(won)
    before = np.zeros_like(won)
    for _ in range(MOST_ROUNDS):
        odds = won / (played / (odds[:, :, None] + odds[:, None, :])).sum(axis=2)
        strengths = _centered(np.log(odds), groups)
        odds = np.exp(strengths)
        if np.abs(strengths - before).max() < TOLERANCE:
            break
        before = strengths
    return strengths


def _centered(strengths: _Floats, groups: NDArray[np.int64]) -> _Floats:
    centered = strengths.copy()
    for group in np.unique(groups):
        of_it = groups == group
        centered[:, of_it] -= centered[:, of_it].mean(axis=1, keepdims=True)
    return centered


def _bounds(
    wins: _Floats,
    met: NDArray[np.bool_],
    groups: NDArray[np.int64],
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[_Floats, _Floats] | None:
    n = len(wins)
    if n < 2:
        return None
    rng = np.random.default_rng(seed)
    flat = wins.reshape(n, -1)
    drawn = np.concatenate(
        [
            _fit(
                (rng.multinomial(n, np.full(n, 1 / n), size=rows) @ flat).reshape(rows, *wins.shape[1:]),
                met,
                groups,
            )
            for rows in batches(resamples, flat.shape[1] + n)
        ]
    )
    lower, upper = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return lower, upper


def _groups(met: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Which sides verdicts link, whichever way they went: a number for each, from 0."""
    groups = np.full(len(met), -1)
    for start in range(len(met)):
        if groups[start] >= 0:
            continue
        waiting, group = [start], groups.max() + 1
        while waiting:
            at = waiting.pop()
            if groups[at] < 0:
                groups[at] = group
                waiting += list(np.flatnonzero(met[at]))
    return groups
