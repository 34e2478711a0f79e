"""Accounts of scores: weights, ceilings and matched words, against figures worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.measure.instrument import Reading
from lab.measure.rubric import Account, DimensionAccount, Match, explain
from lab.scoring import instrument, names

TEXT = "I feel the grief. Feel it\nwith me: if I feel nothing, what then? My heart."


def account(name: str, text: str, prompt: str | None = None) -> Account:
    return explain(instrument(name), Reading(text=text, prompt=prompt))


def dimension(found: Account, name: str) -> DimensionAccount:
    return next(entry for entry in found.dimensions if entry.name == name)


def test_a_dimension_tells_its_weight_worth_and_words() -> None:
    feeling = dimension(account("lek-v2", TEXT), "emotional_register")
    # feel × 3, grief, heart: 5 × 0.8, below the cap of 5.
    assert (feeling.value, feeling.weight, feeling.most) == (5, 0.8, 5)
    assert feeling.contribution == pytest.approx(4.0)
    assert not feeling.is_full
    assert feeling.matches == (Match("feel", 3), Match("grief", 1), Match("heart", 1))
    assert [TEXT[start:end] for start, end in feeling.spans] == ["feel", "grief", "Feel", "feel", "heart"]


def test_a_ceiling_is_said_to_be_reached() -> None:
    full = dimension(account("lek-v2", "love joy hope dream trust awe longing"), "emotional_register")
    assert (full.value, full.contribution, full.is_full) == (7, 5.0, True)


def test_the_ceiling_of_a_limited_value_counts_its_weight() -> None:
    # lek-v1 weighs an emotional register of at most 10 by 2.
    assert dimension(account("lek-v1", TEXT), "emotional_register").most == 20


def test_what_takes_points_off_has_no_ceiling_and_says_what_it_measures() -> None:
    broken = dimension(account("lek-v2", "e"), "empty_broken")
    assert (broken.contribution, broken.most, broken.is_full) == (-20, None, False)
    assert broken.measures == ("stripped_characters",)


def test_matches_over_a_line_break_are_one_line() -> None:
    found = account("lantern-v1", "So it was said plainly that I must\ndecline to say more of it.")
    assert dimension(found, "compliance_markers").matches == (Match("i must decline", 1),)


def test_an_instrument_without_weights_has_none_and_gives_its_reasons() -> None:
    found = account("degeneration", "iNeNeNeNeNeNeNeNeNeNeNeNeNeNeNeNeNeNe")
    assert found.total == 1.0 and found.maximum is None and found.reasons
    assert all(entry.weight is None for entry in found.dimensions)


def test_faults_and_maximum_stand_beside_the_score() -> None:
    found = account("lek-v2", TEXT)
    assert found.maximum == 49
    assert any("Markdown" in fault for fault in found.known_faults)


@pytest.mark.parametrize("name", names())
@given(text=st.text(max_size=400))
def test_it_is_the_score_that_is_accounted_for(name: str, text: str) -> None:
    by, reading = instrument(name), Reading(text=text, prompt="What is it?")
    score, found = by.score(reading), explain(by, reading)
    assert (found.total, found.text_sha256) == (score.total, score.text_sha256)
    assert [entry.name for entry in found.dimensions] == list(score.dimensions)
    for entry in found.dimensions:
        assert sum(match.n for match in entry.matches) == len(entry.spans)
        assert all(0 <= start <= end <= len(text) for start, end in entry.spans)
        assert entry.most is None or entry.contribution <= entry.most + 1e-9
    if found.maximum is not None and found.total is not None:
        assert found.total == pytest.approx(math.fsum(e.contribution for e in found.dimensions), abs=0.005)
