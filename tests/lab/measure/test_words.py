"""Word entropy: hand-computed cases, its known traps, and every figure against a slow reference."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.measure.words import bare_word, measure
from tests.hostile import HOSTILE, huge
from tests.lab.measure import slow_words

NONSENSE = " ".join(f"w{number}x" for number in range(250))
LOOP = " ".join(f"w{number}" for number in range(60))

few_words = st.sampled_from(
    ["the", "The", "sea,", "sea", "—", "**b**", "don't", "é", "é", "42", "漢字", "C++"]
)
texts = st.lists(few_words | st.text(max_size=4), max_size=260).map(" ".join)


def test_four_different_words_are_ln_4() -> None:
    figures = measure("a b c d")
    assert figures.word_entropy_nats == pytest.approx(math.log(4), abs=1e-15)
    assert (figures.words, figures.types) == (4, 4)
    assert figures.per_ln_n == pytest.approx(1.0)
    assert figures.miller_madow_nats == pytest.approx(math.log(4) + 3 / 8)
    assert (figures.distinct1, figures.distinct2, figures.repeated_4gram_share) == (1.0, 1.0, 0.0)


def test_uneven_counts_by_hand() -> None:
    # Three of "a", one of "b": −¾ ln ¾ − ¼ ln ¼. Bigrams aa, aa, ab: 2 of 3 distinct.
    figures = measure("a a a b")
    assert figures.word_entropy_nats == pytest.approx(0.5623351446188083)
    assert figures.miller_madow_nats == pytest.approx(0.5623351446188083 + 1 / 8)
    assert figures.distinct1 == 0.5
    assert figures.distinct2 == pytest.approx(2 / 3)


def test_case_and_punctuation_make_types() -> None:
    assert measure("Mind. mind").types == 2
    assert measure("Mind. mind").word_entropy_nats == pytest.approx(math.log(2))


@pytest.mark.parametrize("empty", ["", "   \n\t "])
def test_an_empty_text_has_no_entropy_and_no_ratios(empty: str) -> None:
    figures = measure(empty)
    assert (figures.word_entropy_nats, figures.words, figures.types, figures.miller_madow_nats) == (
        0,
        0,
        0,
        0,
    )
    assert figures.per_ln_n is figures.window_mean_nats is figures.mattr50 is None
    assert figures.distinct1 is figures.distinct2 is figures.repeated_4gram_share is None


def test_one_word_has_no_share_of_ln_n() -> None:
    figures = measure("alone")
    assert (figures.word_entropy_nats, figures.per_ln_n, figures.distinct1) == (0.0, None, 1.0)
    assert figures.distinct2 is None


def test_one_word_over_and_over_is_exactly_zero() -> None:
    figures = measure("la " * 333)
    assert figures.word_entropy_nats == 0.0
    assert figures.window_mean_nats == pytest.approx(0.0, abs=1e-12)
    assert figures.mattr50 == pytest.approx(1 / 50)
    assert figures.repeated_4gram_share == pytest.approx(1 - 1 / 330)


def test_nonsense_scores_high_and_its_windows_show_the_ceiling() -> None:
    figures = measure(NONSENSE)
    assert figures.word_entropy_nats == pytest.approx(5.52, abs=0.005)
    assert figures.window_mean_nats == pytest.approx(math.log(100))


def test_a_loop_scores_well_and_its_4_grams_give_it_away() -> None:
    figures = measure(" ".join([LOOP] * 5))
    assert figures.word_entropy_nats == pytest.approx(4.09, abs=0.005)
    assert figures.repeated_4gram_share == pytest.approx(1 - 60 / 297)


def test_shuffling_leaves_the_entropy_and_destroys_the_bigrams() -> None:
    words = (f"{LOOP} " * 5).split()
    shuffled = random.Random(1).sample(words, len(words))
    before, after = measure(" ".join(words)), measure(" ".join(shuffled))
    assert after.word_entropy_nats == pytest.approx(before.word_entropy_nats, abs=1e-12)
    assert before.distinct2 is not None
    assert after.distinct2 is not None
    assert after.distinct2 > before.distinct2 + 0.5


@pytest.mark.parametrize(("n", "windows"), [(99, 0), (100, 1), (109, 1), (110, 2), (120, 3)])
def test_windows_begin_every_ten_words_and_lie_wholly_in_the_text(n: int, windows: int) -> None:
    # All the same but for one new word at the end: only the last window can have any entropy.
    figures = measure("a " * (n - 1) + "b")
    if not windows:
        assert figures.window_mean_nats is None
        return
    last_sees_the_end = (windows - 1) * 10 + 100 == n
    one_in_100 = -0.99 * math.log(0.99) - 0.01 * math.log(0.01)
    expected = one_in_100 / windows if last_sees_the_end else 0.0
    assert figures.window_mean_nats == pytest.approx(expected, abs=1e-12)


def test_mattr_needs_fifty_words_that_are_more_than_punctuation() -> None:
    words = [f"w{number}" for number in range(50)]
    assert measure(" ".join(words)).mattr50 == 1.0
    assert measure(" ".join([*words[:49], "—", "**"])).mattr50 is None


def test_mattr_ignores_case_and_outer_punctuation() -> None:
    assert measure(" ".join(["Mind.", "mind", "(mind)", "“MIND”", "*mind*"] * 10)).mattr50 == pytest.approx(
        1 / 50
    )


@pytest.mark.parametrize(
    ("word", "bare"),
    [
        ("Mind.", "mind"),
        ("don't", "don't"),
        ("well-being,", "well-being"),
        ("“Quoted”", "quoted"),
        ("`code`", "code"),
        ("क्षि।", "क्षि"),
        ("👍🏽", "👍🏽"),
        ("...", ""),
    ],
)
def test_bare_words(word: str, bare: str) -> None:
    assert bare_word(word) == bare


@settings(max_examples=150, deadline=None)
@given(texts)
def test_every_figure_equals_its_slow_definition(text: str) -> None:
    words = text.split()
    entropy = slow_words.entropy_nats(words)
    figures = measure(text)
    assert figures.words == len(words)
    assert figures.types == len(set(words))
    assert figures.word_entropy_nats == pytest.approx(entropy, abs=1e-9)
    assert figures.per_ln_n == (pytest.approx(entropy / math.log(len(words))) if len(words) > 1 else None)
    assert figures.window_mean_nats == _approx(slow_words.window_mean_nats(words))
    correction = (len(set(words)) - 1) / (2 * len(words)) if words else 0
    assert figures.miller_madow_nats == pytest.approx(entropy + correction, abs=1e-9)
    assert figures.mattr50 == _approx(slow_words.mattr50(words))
    assert figures.distinct1 == _approx(slow_words.distinct(words, 1))
    assert figures.distinct2 == _approx(slow_words.distinct(words, 2))
    distinct_4grams = slow_words.distinct(words, 4)
    assert figures.repeated_4gram_share == _approx(None if distinct_4grams is None else 1 - distinct_4grams)


@settings(max_examples=100, deadline=None)
@given(texts)
def test_entropy_lies_between_zero_and_ln_n(text: str) -> None:
    figures = measure(text)
    assert 0 <= figures.word_entropy_nats <= math.log(max(figures.words, 1)) + 1e-12


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_measured_like_any_other(name: str) -> None:
    words = HOSTILE[name].split()
    figures = measure(HOSTILE[name])
    assert figures.words == len(words)
    assert figures.word_entropy_nats == pytest.approx(slow_words.entropy_nats(words), abs=1e-9)


def test_ten_megabytes() -> None:
    # Four words a line, all equally frequent.
    text = huge()
    figures = measure(text)
    assert figures.words == len(text.split())
    assert figures.types == 4
    assert figures.word_entropy_nats == pytest.approx(math.log(4), abs=1e-6)


def _approx(value: float | None) -> object:
    return None if value is None else pytest.approx(value, abs=1e-9)
