"""The power table against sums of binomial probabilities."""

import math

import pytest

from lab.errors import LabError
from lab.measure.statistics import pairs_needed, power_table


def slow_power(n: int, win_rate: float, level: float = 0.05) -> float:
    """The chance of a count of wins that the exact two-sided test rejects."""
    below = [sum(math.comb(n, i) for i in range(k + 1)) / 2**n for k in range(n + 1)]
    rejected = [k for k in range(n + 1) if 2 * below[min(k, n - k)] <= level]
    return sum(math.comb(n, k) * win_rate**k * (1 - win_rate) ** (n - k) for k in rejected)


def test_the_published_table_comes_out() -> None:
    table = power_table()
    assert [(row.win_rate, row.n) for row in table] == [
        (0.60, 199),
        (0.65, 90),
        (0.70, 49),
        (0.75, 30),
        (0.80, 20),
    ]
    for row in table:
        assert row.power == pytest.approx(slow_power(row.n, row.win_rate))
        assert row.level == 0.05


@pytest.mark.parametrize(
    ("win_rate", "level", "power"), [(0.7, 0.05, 0.8), (0.8, 0.01, 0.9), (0.65, 0.1, 0.7), (0.55, 0.2, 0.2)]
)
def test_it_is_the_first_n_that_is_enough(win_rate: float, level: float, power: float) -> None:
    needed = pairs_needed(win_rate, level=level, power=power)
    enough = [n for n in range(1, needed.n + 1) if slow_power(n, win_rate, level) >= power]
    assert enough == [needed.n]
    assert needed.power == pytest.approx(slow_power(needed.n, win_rate, level))


def test_a_sure_winner_needs_the_fewest_pairs_that_can_reject() -> None:
    assert pairs_needed(1.0).n == 6


def test_a_faint_preference_needs_more_than_one_block_of_the_search() -> None:
    needed = pairs_needed(0.52)
    # (1.96 · 0.5 + 0.8416 · √(0.52 · 0.48))² / 0.02², the normal approximation
    assert needed.n == pytest.approx(4_903, rel=0.02)
    assert needed.power >= 0.8


@pytest.mark.parametrize("win_rate", [0.5, 0.505, 0.2, 1.1, float("nan")])
def test_win_rates_that_no_battery_can_tell_from_chance_are_refused(win_rate: float) -> None:
    with pytest.raises(LabError, match="win rate: expected"):
        pairs_needed(win_rate)


def test_levels_outside_0_and_1_are_refused() -> None:
    with pytest.raises(LabError, match="level and power"):
        pairs_needed(0.7, level=5)
