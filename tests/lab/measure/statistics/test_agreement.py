"""κ and α against published examples, their definitions in loops, and each other."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import LabError
from lab.measure.statistics import cohen_kappa, krippendorff_alpha

ratings = st.sampled_from(["A", "B", "tie"])
pairs = st.lists(st.tuples(ratings, ratings), min_size=1, max_size=15)
units = st.lists(
    st.lists(st.none() | ratings, min_size=3, max_size=3),
    min_size=1,
    max_size=10,
)

# Four coders and twelve units in Krippendorff 2011, "Computing Krippendorff's alpha-reliability", part C.
KRIPPENDORFF_2011 = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


def slow_kappa(rated: list[tuple[str, str]]) -> float | None:
    n = len(rated)
    observed = sum(a == b for a, b in rated) / n
    expected = sum(a == b for (a, _), (_, b) in itertools.product(rated, rated)) / n**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def slow_alpha(rows: list[list[str | None]]) -> float | None:
    """1 − D_o / D_e over ordered pairs of ratings: within units, and of all pairable ratings."""
    rated = [[r for r in row if r is not None] for row in rows]
    pairable = [row for row in rated if len(row) > 1]
    everything = [r for row in pairable for r in row]
    n = len(everything)
    within = sum(sum(a != b for a, b in itertools.permutations(row, 2)) / (len(row) - 1) for row in pairable)
    between = sum(a != b for a, b in itertools.permutations(everything, 2))
    return None if between == 0 else 1 - (within / n) / (between / (n * (n - 1)))


def test_kappa_of_the_standard_example() -> None:
    # 20 both yes, 5 and 10 split, 15 both no: observed 0.7, expected 0.5.
    rated = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    kappa = cohen_kappa(*zip(*rated, strict=True))
    assert kappa.value == pytest.approx(0.4)
    assert kappa.observed == pytest.approx(0.7)
    assert kappa.n == 50
    assert kappa.categories == ("yes", "no")
    # The large-sample standard error of Fleiss, Cohen & Everitt is 0.127 here.
    assert (kappa.lower, kappa.upper) == pytest.approx((0.4 - 1.96 * 0.127, 0.4 + 1.96 * 0.127), abs=0.03)


def test_alpha_of_the_published_examples() -> None:
    binary = list(zip("0100000010", "1110010000", strict=True))
    assert krippendorff_alpha(binary).value == pytest.approx(0.095, abs=5e-4)
    table = [[None if r == "." else r for r in unit] for unit in zip(*KRIPPENDORFF_2011, strict=True)]
    alpha = krippendorff_alpha(table)
    assert alpha.value == pytest.approx(0.743, abs=5e-4)
    assert alpha.n == 11
    assert alpha.lower < 0.743 < alpha.upper


@given(pairs)
@settings(max_examples=60, deadline=None)
def test_kappa_is_its_definition(rated: list[tuple[str, str]]) -> None:
    kappa = cohen_kappa(*zip(*rated, strict=True), resamples=50)
    expected = slow_kappa(rated)
    assert kappa.value == (None if expected is None else pytest.approx(expected, abs=1e-12))


@given(units)
@settings(max_examples=60, deadline=None)
def test_alpha_is_its_definition(rows: list[list[str | None]]) -> None:
    alpha = krippendorff_alpha(rows, resamples=50)
    expected = slow_alpha(rows)
    assert alpha.value == (None if expected is None else pytest.approx(expected, abs=1e-12))
    assert alpha.n == sum(sum(r is not None for r in row) > 1 for row in rows)


@given(units, st.permutations(range(3)))
@settings(max_examples=40, deadline=None)
def test_alpha_does_not_mind_names_raters_order_or_lonely_ratings(
    rows: list[list[str | None]], order: list[int]
) -> None:
    names = {"A": "x", "B": "y", "tie": "z", None: None}
    changed = [[names[row[rater]] for rater in order] for row in reversed(rows)]
    changed += [["q", None, None], [None, None, None]]
    before, after = (krippendorff_alpha(table, resamples=50).value for table in (rows, changed))
    assert after == (None if before is None else pytest.approx(before, abs=1e-12))


@given(pairs)
@settings(max_examples=40, deadline=None)
def test_kappa_does_not_mind_names_or_who_is_first(rated: list[tuple[str, str]]) -> None:
    names = {"A": "x", "B": "y", "tie": "z"}
    before = cohen_kappa(*zip(*rated, strict=True), resamples=50).value
    after = cohen_kappa(*zip(*[(names[b], names[a]) for a, b in rated], strict=True), resamples=50).value
    assert after == (None if before is None else pytest.approx(before, abs=1e-12))


def test_two_raters_in_full_alpha_is_scotts_pi_with_its_small_sample_correction() -> None:
    rng = np.random.default_rng(2)
    first = rng.choice(["A", "B", "tie"], 40)
    second = np.where(rng.random(40) < 0.6, first, rng.choice(["A", "B", "tie"], 40))
    observed = float(np.mean(first == second))
    pooled = np.concatenate([first, second])
    expected = sum(np.mean(pooled == name) ** 2 for name in ("A", "B", "tie"))
    pi = (observed - expected) / (1 - expected)
    alpha = krippendorff_alpha([list(pair) for pair in zip(first, second, strict=True)])
    assert alpha.value == pytest.approx(pi + (1 - pi) / 80)


def test_unanimous_raters_get_no_number_but_the_reason() -> None:
    for agreement in (cohen_kappa(["A"] * 9, ["A"] * 9), krippendorff_alpha([["A", "A", None]] * 9)):
        assert (agreement.value, agreement.lower, agreement.upper) == (None, None, None)
        assert agreement.note == "undefined: unanimous, every rating is 'A', as chance would have it too"
        assert agreement.observed == 1.0
        assert agreement.n == 9


def test_nothing_to_pair_is_undefined_too() -> None:
    for agreement in (cohen_kappa([], []), krippendorff_alpha([["A", None], [None, "B"], []])):
        assert (agreement.value, agreement.n, agreement.observed) == (None, 0, None)
        assert agreement.note == "undefined: no item has two ratings"


def test_perfect_agreement_over_several_categories_is_one_without_an_interval() -> None:
    for agreement in (cohen_kappa("ABAB", "ABAB"), krippendorff_alpha([["A", "A"], ["B", "B"]] * 2)):
        assert agreement.value == 1.0
        assert agreement.lower is None
        assert agreement.note == "no interval: resampling these 4 items has no spread to find"


def test_resamples_that_came_out_unanimous_are_reported() -> None:
    agreement = cohen_kappa(["A", "A", "A", "B"], ["A", "A", "B", "B"], resamples=1_000)
    left_out = int(agreement.note.split()[0])
    # A resample is unanimous when it holds only ("A", "A"), or only ("B", "B"): (1/2)⁴ + (1/4)⁴.
    assert left_out / 1_000 == pytest.approx(1 / 16 + 1 / 256, abs=0.03)


def test_uneven_or_incomplete_raters_are_refused() -> None:
    with pytest.raises(LabError, match="as many ratings from both raters, got 1 and 2"):
        cohen_kappa(["A"], ["A", "B"])
    with pytest.raises(LabError, match="use Krippendorff's α"):
        cohen_kappa(["A", None], ["A", "B"])
