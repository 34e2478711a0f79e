"""A person's review: a stable draw, keys that can be taken back, and an error rate that decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.curriculum.review import ReviewPlan, draw, last_to_undo, outcome, reviewed, standing
from lab.measure.statistics import wilson
from store.records import ReviewRecord
from tests.lab.curriculum.answers import candidates


def keys(*pressed: tuple[str, str], reviewer: str = "ada") -> list[ReviewRecord]:
    return [
        reviewed("d1", generation, action, reviewer, text="Better." if action == "edit" else None)  # type: ignore[arg-type]
        for generation, action in pressed
    ]


def test_a_tenth_is_drawn_the_same_whatever_the_ids_and_the_order() -> None:
    answers = candidates(57)
    drawn = draw(answers, ReviewPlan(0.1, seed=3))
    assert len(drawn) == len(set(drawn)) == 6
    renamed = [replace(one, id=f"x{one.seed}") for one in reversed(answers)]
    assert [int(name[1:]) for name in draw(renamed, ReviewPlan(0.1, seed=3))] == [
        int(one[1:]) for one in drawn
    ]
    assert draw(answers, ReviewPlan(0.1, seed=4)) != drawn
    assert len(draw(answers[:3], ReviewPlan(0.1))) == 1
    assert draw(answers, ReviewPlan(0.0)) == []
    assert sorted(draw(answers, ReviewPlan(1.0))) == [one.id for one in answers]


def test_the_last_key_that_was_not_taken_back_stands() -> None:
    pressed = keys(("g1", "accept"), ("g2", "reject"), ("g1", "edit"))
    assert {g: e.action for g, e in standing(pressed).items()} == {"g1": "edit", "g2": "reject"}
    back = reviewed("d1", "g1", "undo", "ada", about=pressed[2].id)
    assert standing([*pressed, back])["g1"].action == "accept"
    assert last_to_undo([*pressed, back], "ada") == pressed[1]
    assert last_to_undo([*pressed, back], "bob") is None


@pytest.mark.parametrize(
    ("accepted", "rejected", "allowed", "decision"),
    [
        (0, 0, 0.15, "not reviewed"),
        (22, 0, 0.15, "pass"),  # Wilson upper bound of 0 of 22: 0.149
        (21, 0, 0.15, "amber"),  # of 0 of 21: 0.155
        (10, 10, 0.15, "fail"),  # lower bound of 10 of 20: 0.299
        (17, 3, 0.15, "amber"),
    ],
)
def test_the_interval_of_the_error_rate_decides(
    accepted: int, rejected: int, allowed: float, decision: str
) -> None:
    drawn = [f"g{n}" for n in range(30)]
    pressed = keys(*((f"g{n}", "accept") for n in range(accepted)))
    pressed += keys(*((f"g{29 - n}", "edit" if n % 2 else "reject") for n in range(rejected)))
    found = outcome(drawn, standing(pressed), ReviewPlan(0.1, allowed))
    assert (found.decision, found.errors, found.reviewed) == (decision, rejected, accepted + rejected)
    assert found.rate == wilson(rejected, accepted + rejected)
    assert (str(found.reviewed) in found.words) or decision == "not reviewed"


def test_only_the_drawn_answers_count() -> None:
    found = outcome(["g1"], standing(keys(("g1", "accept"), ("g2", "reject"))), ReviewPlan(0.1))
    assert (found.reviewed, found.errors) == (1, 0)
    assert outcome([], {}, ReviewPlan(0.0)).decision == "not asked for"
