"""What is dropped before training, where, and why; what is kept keeps its order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.curriculum import sieve
from lab.curriculum.candidates import Candidate
from lab.errors import LabError
from tests.hostile import HOSTILE
from tests.lab.curriculum.answers import candidate, candidates, paraphrase, text
from tests.store.facts import probe

GATE = probe(
    "G1", battery="creative", prompt="Write about the last keymaker of a city where doors open alone."
)


def dropped(by: sieve.Sieve, *answers: Candidate) -> dict[str, str]:
    return {one.id: why for one, why in by(answers)}


def test_what_is_cut_off_or_empty_is_never_data() -> None:
    short, empty = candidate(1, finish_reason="length", score=40.0), candidate(2, answer=" \n")
    assert dropped(sieve.cut_off, candidate(0), short, empty) == {
        "g0001": "it did not end by itself",
        "g0002": "it is empty",
    }


def test_the_score_gate_is_at_the_threshold() -> None:
    answers = [candidate(n, score=score) for n, score in enumerate((12.0, 11.99, None))]
    assert dropped(sieve.score_below(12.0, "lantern-v1"), *answers) == {
        "g0001": "lantern-v1 11.99, and 12 is asked for",
        "g0002": "lantern-v1 has no score for it",
    }
    assert dropped(sieve.score_below(None, "lantern-v1"), *answers) == {}


def test_loops_are_dropped_whatever_they_score() -> None:
    loop = candidate(1, answer="It goes on and on. " * 40, score=30.0)
    assert list(dropped(sieve.degenerate, candidate(0), loop)) == ["g0001"]


def test_of_two_copies_the_better_one_stays_whatever_their_order() -> None:
    worse, better = candidate(0, score=13.0), candidate(5, score=19.0, answer=paraphrase(text(0), 1, 0.1))
    for order in ((worse, better), (better, worse)):
        (gone,) = dropped(sieve.duplicate, candidate(2), *order).items()
        assert gone[0] == "g0000"
        assert gone[1].endswith("% as in g0005")


def test_equal_answers_under_other_ids_drop_the_same() -> None:
    copies = [candidate(n, answer=text(7), score=14.0) for n in range(4)]
    renamed = [replace(one, id=f"x{9 - place}") for place, one in enumerate(copies)]
    kept = [one.seed for one in copies if one.id not in dropped(sieve.duplicate, *copies)]
    again = [one.seed for one in renamed if one.id not in dropped(sieve.duplicate, *reversed(renamed))]
    assert kept == again
    assert len(kept) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cluster": "G1"}, "it belongs to G1, as the gate probe creative/G1 does"),
        ({"prompt": GATE.prompt.upper()}, "it has the gate probe creative/G1: same prompt"),
        (
            {"answer": f"{text(1)} In the last keymaker of a city where doors open."},
            "it has the gate probe creative/G1: 8 words in the answer",
        ),
        (
            {"prompt": "Write, please, about the last keymaker of a town where doors open alone."},
            "% the gate probe creative/G1",
        ),
    ],
)
def test_what_gates_judge_by_is_given_away_by_nothing(changes: dict[str, str], words: str) -> None:
    answers = (candidate(0), candidate(1, **changes))
    (gone,) = dropped(sieve.given_away([GATE], refuse=False), *answers).items()
    assert gone[0] == "g0001"
    assert words in gone[1]
    with pytest.raises(LabError, match="training data must not hold what gates judge by"):
        dropped(sieve.given_away([GATE], refuse=True), *answers)


def test_a_rephrasing_of_a_gate_probe_is_of_its_cluster() -> None:
    other = probe("P00_R_URGE", battery="rephrased", source_probe="P00", prompt="Quite another wording.")
    assert "P00" in dropped(sieve.given_away([other], refuse=False), candidate(0))["g0000"]


def test_sieves_come_one_after_the_other_and_tell_all() -> None:
    answers = [*candidates(8), candidate(8, finish_reason="length"), candidate(9, score=1.0)]
    sifted = sieve.sift(
        answers,
        {sieve.CUT_OFF: sieve.cut_off, sieve.SCORE: sieve.score_below(12.0, "lantern-v1")},
    )
    assert sifted.kept == tuple(answers[:8])
    assert [(one.candidate.id, one.step) for one in sifted.dropped] == [
        ("g0008", "cut off"),
        ("g0009", "score"),
    ]
    assert sifted.counts() == {"cut off": 1, "score": 1}


def test_hostile_answers_go_through_every_sieve() -> None:
    answers = [candidate(n, answer=answer, prompt=answer) for n, answer in enumerate(HOSTILE.values())]
    for by in (sieve.cut_off, sieve.degenerate, sieve.duplicate, sieve.given_away([GATE], refuse=False)):
        assert set(dropped(by, *answers)) <= {one.id for one in answers}
