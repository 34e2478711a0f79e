"""Figures of verdicts, each worked out by hand; and sides that are balanced and tell nothing of the model."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lab.measure.statistics import wilson
from lab.preference.judged import condition_words, curate
from lab.preference.put_up import pair_id
from lab.preference.sides import stands_swapped
from lab.preference.stats import PairStats, pair_stats, words_to_read
from store.queries.pairs import JudgedPair
from store.records import JudgementRecord
from tests.lab.preference.test_selection import _answer, _pair, _said

LV, LEK = ("lantern-v1", "1"), ("lek-v2", "1")


def _words(n: int) -> str:
    return " ".join(f"w{k}" for k in range(n))


def _two(
    number: int, base_words: int = 10, tuned_words: int = 20, **totals: tuple[float, float]
) -> JudgedPair:
    """Base against tuned on a probe of its own; totals are (base, tuned) by instrument."""
    of = {"lv": LV, "lek": LEK}
    sides = [
        _answer(
            f"{number:03}{side}",
            f"{side} {number} {_words(n - 2)}",
            cluster=f"P{number}",
            adapter_name="tuned" if side == "t" else None,
            totals={of[name]: both[place] for name, both in totals.items()},
        )
        for place, (side, n) in enumerate((("b", base_words), ("t", tuned_words)))
    ]
    return _pair(*sides)


def _stats(pairs: list[JudgedPair], log: list[JudgementRecord], **changes: Any) -> PairStats:
    return pair_stats(curate(pairs, log), **changes)


def test_wins_ties_and_losses_between_two_models() -> None:
    pairs = [_two(n) for n in range(10)]
    # Right is tuned: 6 wins, 1 tie, 1 both bad, 2 losses; a skip says nothing.
    said = ["right"] * 6 + ["tie", "both_bad", "left", "left"]
    log = [_said(pair, verdict) for pair, verdict in zip(pairs, said, strict=True)]
    log.append(_said(_two(99), "skip"))
    found = _stats([*pairs, _two(99)], log)
    (matchup,) = found.matchups
    assert (matchup.first, matchup.second) == ("wick", "wick + tuned")
    rate = matchup.rate
    assert (rate.wins, rate.ties, rate.losses, rate.n) == (6, 2, 2, 10)
    assert rate.decisive == wilson(6, 8) and rate.with_ties.value == pytest.approx(0.7)
    assert rate.p_value == pytest.approx(2 * (28 + 8 + 1) / 256)
    assert found.everyone.verdicts == {"right": 6, "tie": 1, "both_bad": 1, "left": 2, "skip": 1}
    assert (found.everyone.pairs, found.decided, found.one_model, found.undone) == (10, 8, 0, 0)
    strengths = {one.name: one.strength.value or 0.0 for one in found.strengths}
    # Haldane's ½ each, two ties as a win each.
    assert strengths["wick + tuned"] - strengths["wick"] == pytest.approx(math.log(7.5 / 3.5), abs=1e-6)
    assert [row.n for row in found.power] == [199, 90, 49, 30, 20]


def test_position_and_length_bias_and_steadiness() -> None:
    pairs = [_two(0, 10, 20), _two(1, 20, 10), _two(2, 19, 20), _two(3, 10, 10), _two(4, 30, 20)]
    log = [
        _said(pairs[0], "right"),  # tuned, longer (gap 50 %)
        _said(pairs[1], "left"),  # base, longer (gap 50 %)
        _said(pairs[2], "left"),  # base, shorter (gap 5 %)
        _said(pairs[3], "left"),  # as long
        _said(pairs[4], "tie"),
        _said(pairs[0], "left", n=1),  # swapped: tuned again
        _said(pairs[1], "left", n=1),  # swapped: tuned now, the other way round
        _said(pairs[4], "tie", n=1),
    ]
    found = _stats(pairs, log).raters[0]
    assert found.length.longer_wins == wilson(2, 3)
    assert found.length.by_gap == {"within 10 %": wilson(0, 1), "25 to 50 %": wilson(2, 2)}
    assert found.manner.left_wins == wilson(5, 6)
    assert found.steady == wilson(2, 3)


def test_speed_counts_what_is_new_on_the_card() -> None:
    one, other = _answer("a", "same start then this"), _answer("b", "same start but that one")
    pair = _pair(one, other)
    assert words_to_read(pair) == 2 + 4 + 5 - 2
    # 9 words at 238 a minute take 2.27 s.
    log = [_said(pair, "left", reading_ms=2200.0), _said(pair, "left", "bea", reading_ms=2300.0)]
    found = _stats([pair], log)
    assert [one.manner.faster_than_reading for one in found.raters] == [1, 0]
    assert found.everyone.manner.median_s == pytest.approx(2.25)


def test_verdicts_of_files_have_no_part_in_position_and_speed_of_everyone() -> None:
    pairs = [_two(n) for n in range(4)]
    log = [_said(pair, "left", "imported", blind=False) for pair in pairs]
    log.append(_said(pairs[0], "right", "ada", reading_ms=1e6))
    found = _stats(pairs, log).everyone
    assert found.manner.left_wins == wilson(0, 1) and found.manner.unblinded == 4
    assert found.manner.judged == 5 and found.manner.median_s == 1000.0


def test_people_against_scorers() -> None:
    pairs = [
        _two(0, lv=(1.0, 2.0), lek=(5.0, 1.0)),
        _two(1, lv=(1.0, 2.0), lek=(1.0, 1.0)),
        _two(2, lv=(3.0, 2.0)),
        _two(3, lv=(0.0, 9.0)),
    ]
    log = [
        _said(pairs[0], "right"),
        _said(pairs[1], "right"),
        _said(pairs[2], "right"),
        _said(pairs[3], "tie"),
    ]
    lantern, lek = _stats(pairs, log).raters[0].scorers
    assert (lantern.instrument, lantern.agrees, lantern.equal) == ("lantern-v1", wilson(2, 3), 0)
    assert (lek.instrument, lek.agrees, lek.equal) == ("lek-v2", wilson(0, 1), 1)


def test_agreement_of_raters_and_none_where_they_are_unanimous() -> None:
    pairs = [_two(n) for n in range(10)]
    ada = ["left"] * 5 + ["right"] * 5
    bea = ["left"] * 4 + ["right"] * 5 + ["both_bad"]
    log = [_said(pair, verdict) for pair, verdict in zip(pairs, ada, strict=True)]
    log += [_said(pair, verdict, "bea") for pair, verdict in zip(pairs, bea, strict=True)]
    found = _stats(pairs, log)
    (kappa,) = found.kappas
    # 8 of 10 agree; chance: .5 · .4 + .5 · .5.
    assert kappa.agreement.value == pytest.approx((0.8 - 0.45) / 0.55) and kappa.raters == ("ada", "bea")
    # α: 20 ratings 9 first, 10 second, 1 tie; expected disagreement 1 − (9·8 + 10·9)/(20·19).
    assert found.alpha is not None and found.alpha.value == pytest.approx(1 - 0.2 / (1 - 162 / 380))
    same = [_said(pair, "left", rater) for pair in pairs for rater in ("ada", "bea")]
    unanimous = _stats(pairs, same)
    assert unanimous.kappas[0].agreement.value is None and "unanimous" in unanimous.kappas[0].agreement.note
    assert unanimous.alpha is not None and unanimous.alpha.value is None
    assert _stats(pairs, same[:1]).alpha is None


def test_everyone_has_one_verdict_a_pair_and_undone_ones_none() -> None:
    pairs = [_two(n) for n in range(3)]
    log = [_said(pairs[0], "right", rater) for rater in ("ada", "bea", "cy")]
    log += [_said(pairs[1], "right"), _said(pairs[1], "left", "bea")]
    gone = _said(pairs[2], "left")
    log += [gone, _said(pairs[2], None, action="undo", about=gone.id, id="z")]
    found = _stats(pairs, log)
    rate = found.matchups[0].rate
    assert (rate.wins, rate.ties, rate.losses, found.undone) == (1, 1, 0, 1)


def test_sides_can_be_conditions_and_one_side_says_nothing() -> None:
    hot, cold = (_answer(name, temperature=t) for name, t in (("a", 1.2), ("b", 0.1)))
    log = [_said(_pair(hot, cold), "right")]
    assert (_stats([_pair(hot, cold)], log).one_model, _stats([_pair(hot, cold)], log).matchups) == (1, ())
    (matchup,) = _stats([_pair(hot, cold)], log, name=condition_words).matchups
    assert (matchup.first, matchup.second, matchup.rate.losses) == ("wick at 0.1", "wick at 1.2", 1)


def test_no_verdicts_give_no_figures() -> None:
    found = _stats([], [])
    assert (found.raters, found.matchups, found.strengths, found.alpha) == ((), (), (), None)


def test_sides_over_ten_thousand_pairs_are_balanced_and_independent_of_the_model() -> None:
    """Each pair is base against tuned; which of them has the lower id, and so comes first, varies."""
    n, left, first_left, by_pass = 10_000, 0, 0, 0
    table = [[0, 0], [0, 0]]
    for number in range(n):
        base, tuned = f"{number * 7919 % 10_007:05}-b", f"{number * 104_729 % 10_009:05}-t"
        pair = pair_id(base, tuned)
        first, second = sorted((base, tuned))
        swapped = stands_swapped(pair, "ada", 0)
        on_left = second if swapped else first
        left += on_left == tuned
        first_left += on_left == first
        by_pass += stands_swapped(pair, "ada", 1) != swapped
        table[first == tuned][on_left == tuned] += 1
    # Five standard deviations of a fair coin are 250 of 10,000.
    assert abs(left - n / 2) < 250 and abs(first_left - n / 2) < 250
    assert by_pass == n
    for row in table:
        assert abs(row[1] - sum(row) / 2) < 2.5 * sum(row) ** 0.5
    raters = sum(stands_swapped(str(k), "ada", 0) == stands_swapped(str(k), "bea", 0) for k in range(n))
    assert abs(raters - n / 2) < 250
    runs = sum(stands_swapped(str(k), "ada", 0) == stands_swapped(str(k + 1), "ada", 0) for k in range(n))
    assert abs(runs - n / 2) < 250
