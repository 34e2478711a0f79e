"""What stands after undo and redo, against a rater who keeps whole copies of every state."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.preference.manner import manner, reading_s
from lab.preference.sides import stands_swapped
from lab.preference.verdicts import Standing, preferred, rejected
from store.records import JudgementRecord, Verdict

IDS = itertools.count()


def _judgement(pair: str = "p", verdict: Verdict | None = "left", **changes: Any) -> JudgementRecord:
    fields: dict[str, Any] = {
        "id": f"j{next(IDS)}",
        "pair_id": pair,
        "rater": "ada",
        "pass_number": 0,
        "action": "verdict",
        "left_id": "a",
        "right_id": "b",
        "verdict": verdict,
        "at": "2026-11-21T04:20:00.000000",
    }
    return JudgementRecord(**{**fields, **changes})


def _about(standing: Standing, action: str) -> JudgementRecord | None:
    about = standing.to_undo if action == "undo" else standing.to_redo
    return None if about is None else _judgement(about.pair_id, None, action=action, about=about.id)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["verdict", "verdict", "undo", "redo"]),
            st.sampled_from("pqr"),
            st.sampled_from(["left", "tie"]),
        ),
        max_size=40,
    )
)
def test_undo_and_redo_walk_through_whole_states(presses: list[tuple[str, str, Any]]) -> None:
    standing, log = Standing(), []
    states: list[dict[Any, JudgementRecord]] = [{}]
    at = 0
    for action, pair, verdict in presses:
        made = _judgement(pair, verdict) if action == "verdict" else _about(standing, action)
        if made is None:
            assert (at == 0) if action == "undo" else (at == len(states) - 1)
            continue
        standing.add(made)
        log.append(made)
        if action == "verdict":
            states = [*states[: at + 1], {**states[at], (made.pair_id, made.pass_number): made}]
        at += -1 if action == "undo" else 1
        assert standing.verdicts == states[at]
    assert Standing.of(log).verdicts == standing.verdicts
    assert Standing.of([*log, *log]).verdicts == standing.verdicts


def test_a_second_verdict_on_a_card_counts_and_its_undo_brings_the_first_back() -> None:
    first, second = _judgement(verdict="left"), _judgement(verdict="both_bad")
    standing = Standing.of([first, second])
    assert standing.verdicts[("p", 0)] is second
    standing.add(_judgement(action="undo", verdict=None, about=second.id))
    assert standing.verdicts[("p", 0)] is first and standing.to_redo is second


def test_flags_and_notes_are_no_part_of_undo() -> None:
    standing = Standing.of(
        [
            _judgement(action="flag", verdict=None, flagged=True),
            _judgement(action="note", verdict=None, note="[b]odd"),
        ]
    )
    assert standing.flags == {"p": True} and standing.notes == {"p": "[b]odd"} and standing.to_undo is None


def test_preferred_follows_the_side_shown() -> None:
    assert preferred(_judgement(verdict="right")) == "b" and rejected(_judgement(verdict="right")) == "a"
    assert preferred(_judgement(verdict="tie")) is None and rejected(_judgement(verdict="tie")) is None


def test_sides_are_balanced_independent_of_order_and_turned_on_repeats() -> None:
    pairs = [f"{number:05d}" for number in range(10_000)]
    shown = [stands_swapped(pair, "ada", 0) for pair in pairs]
    assert abs(sum(shown) - 5000) < 150
    runs = sum(a != b for a, b in itertools.pairwise(shown))
    assert abs(runs - 5000) < 150
    assert all(stands_swapped(pair, "ada", 1) != before for pair, before in zip(pairs, shown, strict=True))
    other = [stands_swapped(pair, "bob", 0) for pair in pairs]
    assert abs(sum(a == b for a, b in zip(shown, other, strict=True)) - 5000) < 150


def test_manner_by_hand() -> None:
    given_verdicts = [
        _judgement("p", "left", reading_ms=1000.0),
        _judgement("q", "right", reading_ms=60_000.0),
        _judgement("r", "tie", reading_ms=30_000.0, blind=False),
        _judgement("p", "right", pass_number=1, left_id="b", right_id="a", reading_ms=90_000.0),
        _judgement("q", "right", pass_number=1, left_id="b", right_id="a", reading_ms=45_000.0),
    ]
    found = manner(given_verdicts, {"p": 119, "q": 119, "r": 119})
    assert reading_s(119) == pytest.approx(30.0)
    assert (found.judged, found.decisive, found.unblinded, found.median_s) == (5, 4, 1, 45.0)
    assert found.faster_than_reading == 1
    assert found.left_wins is not None and found.left_wins.value == pytest.approx(0.25)
    assert (found.repeats, found.agreeing_repeats) == (2, 1)
    empty = manner([], {})
    assert empty.median_s is None and empty.left_wins is None
