"""Strengths against hand-computed odds and against a likelihood maximized by scipy."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from scipy.optimize import minimize

from lab.errors import LabError
from lab.measure.statistics.bradley_terry import PSEUDO_WIN, Contest, Strength, bradley_terry


def _contests(tally: dict[tuple[str, str], tuple[float, ...]]) -> list[Contest]:
    flat = [(names, score) for names, scores in tally.items() for score in scores]
    return [
        Contest(first=names[0], second=names[1], score=score, cluster=place)
        for place, (names, score) in enumerate(flat)
    ]


def _by_name(found: tuple[Strength, ...]) -> dict[str, float]:
    return {one.name: one.strength.value or 0.0 for one in found}


def test_two_sides_have_the_log_odds_with_haldanes_half() -> None:
    found = bradley_terry(_contests({("a", "b"): (1.0,) * 7 + (0.0,) * 2 + (0.5,)}), resamples=50)
    strengths = _by_name(found)
    # a: 7 + ½ + ½ of a tie, b: 2 + ½ + ½.
    assert strengths["a"] - strengths["b"] == pytest.approx(math.log(8.0 / 3.0), abs=1e-7)
    assert sum(strengths.values()) == pytest.approx(0.0, abs=1e-9)
    assert [one.name for one in found] == ["a", "b"] and found[0].contests == 10
    assert found[0].strength.n == 10


def test_a_side_that_never_lost_is_strong_but_finite() -> None:
    strengths = _by_name(bradley_terry(_contests({("a", "b"): (1.0,) * 5}), resamples=50))
    assert strengths["a"] - strengths["b"] == pytest.approx(math.log(5.5 / 0.5), abs=1e-7)


def test_four_sides_maximize_the_likelihood() -> None:
    dice = random.Random(3)
    names = "abcd"
    tally = {
        (one, other): tuple(
            float(dice.random() < 0.5 + 0.1 * (names.index(other) - names.index(one))) for _ in range(12)
        )
        for place, one in enumerate(names)
        for other in names[place + 1 :]
    }
    contests = _contests(tally)

    def loss(strengths: np.ndarray) -> float:
        value = 0.0
        at = {name: float(strengths[place]) for place, name in enumerate(names)}
        met = {(one.first, one.second) for one in contests}
        weighted = [(one.first, one.second, one.score, 1.0) for one in contests]
        weighted += [(one, other, 0.5, 2 * PSEUDO_WIN) for one, other in met]
        for one, other, score, weight in weighted:
            gap = at[one] - at[other]
            value += weight * (score * np.logaddexp(0, -gap) + (1 - score) * np.logaddexp(0, gap))
        return value + float(np.sum(strengths)) ** 2

    best = minimize(loss, np.zeros(4), tol=1e-12).x
    found = _by_name(bradley_terry(contests, resamples=20))
    assert [found[name] for name in names] == pytest.approx(list(best - best.mean()), abs=1e-4)


def test_sides_that_no_verdict_links_are_groups_of_their_own() -> None:
    found = bradley_terry(_contests({("a", "b"): (1.0, 0.0), ("c", "d"): (1.0, 1.0)}), resamples=20)
    groups = {one.name: one.group for one in found}
    assert groups == {"a": 0, "b": 0, "c": 1, "d": 1}
    strengths = _by_name(found)
    assert strengths["a"] == pytest.approx(0.0, abs=1e-9) and strengths["c"] == pytest.approx(-strengths["d"])


def test_the_bootstrap_draws_probes_not_verdicts() -> None:
    scores = [1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0]
    spread = [Contest(first="a", second="b", score=s, cluster=n) for n, s in enumerate(scores)]
    repeated = [
        Contest(first="a", second="b", score=s, cluster=n) for n, s in enumerate(scores) for _ in range(9)
    ]
    widths = []
    for contests in (spread, repeated):
        estimate = bradley_terry(contests, resamples=400)[0].strength
        assert estimate.lower is not None and estimate.upper is not None and estimate.n == 8
        assert estimate.lower < (estimate.value or 0.0) < estimate.upper
        widths.append(estimate.upper - estimate.lower)
    assert widths[1] > 0.8 * widths[0]
    one = [Contest(first="a", second="b", score=1.0, cluster="P") for _ in range(5)]
    assert bradley_terry(one)[0].strength.note == "one probe has no interval"
    assert bradley_terry(spread, resamples=50) == bradley_terry(list(spread), resamples=50)


def test_nothing_and_what_makes_no_sense() -> None:
    assert bradley_terry([]) == ()
    for bad in (
        Contest(first="a", second="a", score=1.0, cluster=0),
        Contest(first="a", second="b", score=1.5, cluster=0),
    ):
        with pytest.raises(LabError, match="contest 1"):
            bradley_terry([bad])
