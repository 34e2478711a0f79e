"""The review desk: a key each, all of it kept, undo without end, nothing said by an unchanged text."""

from __future__ import annotations

from lab.curriculum.desk import ReviewDesk
from lab.curriculum.pipeline import prepare
from lab.curriculum.review import ReviewPlan, standing
from tests.lab.curriculum.answers import candidates
from tests.lab.curriculum.test_pipeline import RECIPE


def desk(reviewer: str = "ada") -> ReviewDesk:
    prepared = prepare(candidates(60), RECIPE, [], [], "d1")
    return ReviewDesk.of(prepared, "d1", reviewer, ReviewPlan(), [])


def test_keys_go_from_answer_to_answer_and_back() -> None:
    at = desk()
    first, second, third = at.answers[:3]
    assert at.current == first
    accepted = at.accept(1200.0)
    assert accepted is not None
    assert (accepted.action, accepted.generation_id, accepted.reading_ms) == ("accept", first.id, 1200.0)
    assert at.current == second
    at.reject("too sweet")
    assert at.edit(f" {third.answer}\n") is None
    assert at.edit(" ") is None
    edited = at.edit("A better answer.\n")
    assert edited is not None
    assert (edited.text, edited.generation_id) == ("A better answer.", third.id)
    assert (at.done, at.outcome.reviewed, at.outcome.errors) == (3, 3, 2)
    for back in (third, second, first):
        assert at.undo() is not None
        assert at.current == back
    assert at.undo() is None
    assert standing(at.reviews) == {}
    assert len(at.reviews) == 6


def test_what_is_passed_over_stays_to_be_done() -> None:
    at = desk()
    at.pass_over()
    assert at.current == at.answers[1]
    assert at.done == 0


def test_at_the_end_there_is_nothing_to_press() -> None:
    at = desk()
    while at.current is not None:
        at.accept()
    assert at.done == len(at.answers) == at.outcome.drawn
    assert (at.accept(), at.reject(), at.edit("x")) == (None, None, None)
