"""Seed 003's own arithmetic, and what may not be compared."""

from __future__ import annotations

import math

import pytest

from lab.errors import LabError
from lab.train.scu.quantities import (
    Prior,
    comparable,
    data_bpt,
    decay_of,
    expected_init_sum_squares,
    param_bpt,
    read,
    s_ratio,
)

PUBLISHED = Prior(sigma=0.01, tokens=98_304_000, basis="planned")


def test_the_published_description_length() -> None:
    assert param_bpt(1427.60, PUBLISHED) == pytest.approx(0.104756, abs=5e-7)


def test_the_same_weights_over_half_the_tokens_read_double() -> None:
    planned = Prior(sigma=0.01, tokens=49_152_000, basis="planned")
    assert param_bpt(1427.60, planned) == pytest.approx(0.210, abs=5e-4)


def test_loss_in_bits_and_the_share() -> None:
    assert data_bpt(math.log(2)) == pytest.approx(1.0)
    assert s_ratio(3.475, 0.105) == pytest.approx(0.029330, abs=1e-6)
    assert math.isnan(s_ratio(0.0, 0.0))


def test_the_floor_is_what_initialization_alone_costs() -> None:
    squares = expected_init_sum_squares(rank=16, modules=7 * 32)
    assert squares == pytest.approx(1194.67, abs=0.01)
    reading = read(2.587716198, 1267.0, 72.0, squares, PUBLISHED)
    assert reading.floor == pytest.approx(0.0229, abs=1e-4)
    assert reading.of("raw") > reading.floor > reading.of("from_init")


def test_a_lambda_of_twenty_thousand_is_a_decay_of_two() -> None:
    assert decay_of(20_000, PUBLISHED) == pytest.approx(2.0345, abs=1e-3)


def test_different_priors_are_not_compared() -> None:
    comparable(PUBLISHED, Prior(sigma=0.01, tokens=98_304_000, basis="seen"))
    with pytest.raises(LabError, match=r"factor 2\.00.*pin one N"):
        comparable(PUBLISHED, Prior(sigma=0.01, tokens=49_152_000, basis="dataset"))
    with pytest.raises(LabError, match=r"σ = 0\.01"):
        comparable(PUBLISHED, Prior(sigma=0.02, tokens=98_304_000, basis="planned"))


@pytest.mark.parametrize(("sigma", "tokens"), [(0.0, 1), (math.inf, 1), (0.01, 0)])
def test_a_prior_that_is_none_is_refused(sigma: float, tokens: int) -> None:
    with pytest.raises(LabError, match="scu"):
        Prior(sigma=sigma, tokens=tokens, basis="given")
