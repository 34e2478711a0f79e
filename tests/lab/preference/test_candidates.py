"""Which pairs are chosen: spread, strata, directions in balance, nothing twice; and how alike texts are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.preference.candidates import (
    ACCEPT,
    GAP,
    LOW_GAP,
    MATCHED_LENGTH,
    MATCHED_RATIO,
    PUSH_BACK,
    Answer,
    Choice,
    choose,
    length_ratio,
)
from lab.preference.put_up import pair_id
from lab.preference.similarity import MOST_CHARACTERS, similarity
from tests.hostile import HOSTILE, huge


def _answer(name: str, text: str, total: float | None, **changes: Any) -> Answer:
    return Answer(**{"id": name, "prompt": "q", "text": text, "total": total, "probe_id": "P", **changes})


def _choose(answers: list[Answer], n: int, **changes: Any) -> Choice:
    return choose(answers, n, instrument="lantern-v1", **changes)


def _many(questions: int, each: int = 6, **changes: Any) -> list[Answer]:
    """Answers whose lengths and totals differ; every second one has a partner of nearly its length."""
    return [
        _answer(
            f"{question:02}-{place}",
            " ".join(f"w{(question * 7 + place * 13 + word * (place + 1)) % 97}" for word in range(length)),
            float((question * 5 + place * place) % 23),
            probe_id=f"P{question}",
            prompt=f"q{question}",
            **changes,
        )
        for question in range(questions)
        for place, length in zip(range(each), (20, 21, 35, 36, 60, 90), strict=False)
    ]


def _slow_common(one: str, other: str) -> int:
    row = [0] * (len(other) + 1)
    for a in one:
        new = [0]
        for place, b in enumerate(other):
            new.append(row[place] + 1 if a == b else max(row[place + 1], new[place]))
        row = new
    return row[-1]


@given(st.text("abc ", max_size=14), st.text("abc ", max_size=14))
def test_similarity_is_the_longest_common_subsequence_over_both_lengths(one: str, other: str) -> None:
    longest = len(one) + len(other)
    expected = 2 * _slow_common(one, other) / longest if longest else 1.0
    assert similarity(one, other) == similarity(other, one) == pytest.approx(expected)


def test_similarity_of_known_texts() -> None:
    assert similarity("the cat sat", "the cat sat") == 1.0
    # 12 of 14 characters of each are in both, in order: "bed of roses" without "he s".
    assert similarity("kitten", "sitting") == pytest.approx(2 * 4 / 13)
    assert similarity("", "a") == 0.0
    assert similarity("a" * MOST_CHARACTERS + "b", "a" * MOST_CHARACTERS + "c") == 1.0
    assert 0.0 <= similarity(huge(100_000), huge(90_000)) <= 1.0
    for text in HOSTILE.values():
        assert similarity(text, text) == 1.0


def test_the_id_of_a_pair_knows_no_order() -> None:
    assert pair_id("a", "b") == pair_id("b", "a") != pair_id("a", "c")


def test_strata_get_their_shares_and_hold_what_they_say() -> None:
    answers = _many(20)
    by_id = {answer.id: answer for answer in answers}
    choice = _choose(answers, 50)
    assert choice.strata == {MATCHED_LENGTH: 20, GAP: 20, LOW_GAP: 10} and len(choice.pairs) == 50
    assert len({pair.id for pair in choice.pairs}) == 50
    gaps = {pair.id: abs(pair.score_gap or 0.0) for pair in choice.pairs}
    for pair in choice.pairs:
        first, second = by_id[pair.first_id], by_id[pair.second_id]
        assert first.question == second.question and pair.first_id < pair.second_id
        assert pair.score_gap == (first.total or 0) - (second.total or 0)
        assert pair.similarity == similarity(first.text, second.text)
        assert (pair.instrument, pair.source, pair.probe_id) == ("lantern-v1", "sweep", first.probe_id)
        if pair.stratum == MATCHED_LENGTH:
            assert length_ratio(first.text, second.text) >= MATCHED_RATIO
    lowest = max(gaps[pair.id] for pair in choice.pairs if pair.stratum == LOW_GAP)
    assert lowest < min(gaps[pair.id] for pair in choice.pairs if pair.stratum != LOW_GAP)


def test_questions_take_turns() -> None:
    choice = _choose(_many(10), 10)
    of_gap = Counter(pair.probe_id for pair in choice.pairs if pair.stratum == GAP)
    assert max(of_gap.values()) == 1
    everything = _choose(_many(3, each=3), 1000)
    assert len(everything.pairs) == everything.considered == 3 * 3


def test_answers_to_different_questions_are_never_paired() -> None:
    answers = [_answer("a", "x", 1.0), _answer("b", "y", 2.0, prompt="another")]
    assert _choose(answers, 5).pairs == ()


def test_what_is_passed_over_is_counted() -> None:
    answers = [
        _answer("a", "one two three", 1.0),
        _answer("b", " one two three\n", 2.0),
        _answer("c", "something else entirely", 3.0),
        _answer("d", "no score for this", None),
    ]
    choice = _choose(answers, 5, known={pair_id("a", "c")})
    assert [(pair.first_id, pair.second_id) for pair in choice.pairs] == [("b", "c")]
    assert (choice.equal_texts, choice.known, choice.unscored, choice.considered) == (1, 1, 3, 1)


def test_nearly_identical_answers_come_last_and_are_told() -> None:
    text = "The archive keeps what it was given, and people bring boxes to it every year in spring."
    answers = [_answer("a", text, 1.0), _answer("b", text + "!", 9.0), _answer("c", "Nobody knows.", 2.0)]
    two = _choose(answers, 2)
    assert {(pair.first_id, pair.second_id) for pair in two.pairs} == {("a", "c"), ("b", "c")}
    assert two.near_identical == 0
    three = _choose(answers, 3)
    assert three.near_identical == 1 and any("nearly the same" in warning for warning in three.warnings)


def test_directions_are_balanced_and_one_sided_ones_warn() -> None:
    accept = _many(6, direction="accept")
    object_ = [
        _answer(f"z{one.id}", one.text, one.total, probe_id=f"D{one.probe_id}", prompt=f"d{one.prompt}")
        for one in _many(6)
    ]
    push_back = [_answer(one.id, one.text, one.total, **_kept(one, direction="pushback")) for one in object_]
    choice = _choose([*accept, *push_back], 12)
    assert choice.strata == {ACCEPT: 6, PUSH_BACK: 6} and choice.warnings == ()
    assert {pair.source for pair in choice.pairs} == {"directions"}
    one_sided = _choose(accept, 12)
    assert one_sided.strata == {ACCEPT: 12} and "one-sided: 12 accept and 0" in one_sided.warnings[0]
    mixed = _choose([*_many(6), *push_back], 20)
    assert mixed.strata[PUSH_BACK] >= 5 and ACCEPT not in mixed.strata and sum(mixed.strata.values()) == 20


def _kept(one: Answer, **changes: Any) -> dict[str, Any]:
    return {"probe_id": one.probe_id, "prompt": one.prompt, **changes}


def test_without_matched_lengths_a_warning_says_so() -> None:
    answers = [_answer("a", "short", 1.0), _answer("b", "a good deal longer than that", 9.0)]
    answers += [_answer("c", "an answer of an entirely different number of words", 4.0)]
    choice = _choose(answers, 2)
    assert MATCHED_LENGTH not in choice.strata and "matched length" in choice.warnings[0]
