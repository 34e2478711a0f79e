"""What is said of a pair, and against what."""

from __future__ import annotations

from typing import Any

import pytest

from lab.compare.ratings import LEAST, MOST, SCALES
from lab.compare.scores import pair_scores
from lab.scoring import instrument
from store.records import GenerationRecord, ScoreRecord
from tests.hostile import HOSTILE
from tests.store.facts import generation

PROMPT = "What does the archivist owe the flooded village whose names the register lost?"
GOOD = (
    "The archivist owes the flooded village its names: a register that lost them can ask the survivors, the "
    "graves and the neighbors, and should say in its margins which names the flood took."
)


def pair(left: str, right: str, **changes: Any) -> tuple[GenerationRecord, GenerationRecord]:
    return (
        generation(1, text=left, prompt=PROMPT, **changes),
        generation(2, text=right, prompt=PROMPT, **changes),
    )


def named(scores: list[ScoreRecord], name: str) -> dict[str, ScoreRecord]:
    return {score.generation_id: score for score in scores if score.instrument == name}


def test_both_are_scored_and_the_right_one_held_against_the_left() -> None:
    left, right = pair(GOOD, "Cryptocurrency wallets need strong keys, and mining rewards fall every year.")
    scores = pair_scores(left, right, instrument("lantern-v1"), {})
    assert set(named(scores, "lantern-v1")) == set(named(scores, "degeneration")) == {left.id, right.id}
    (evasion,) = named(scores, "topic-evasion").values()
    assert (evasion.generation_id, evasion.total) == (right.id, 1.0)
    assert evasion.detail["base_generation_id"] == left.id
    assert (scores[-1].instrument, scores[-1].generation_id) == ("degeneration", right.id)
    assert named(scores, "capability") == {}


@pytest.mark.parametrize(
    ("text", "degenerate", "collapse"),
    [("iNe" + "Ne" * 120, 1.0, 0.0), ("e", 1.0, 1.0), ("", 1.0, 1.0), (GOOD, 0.0, 0.0)],
)
def test_failures_of_seed_002_are_seen(text: str, degenerate: float, collapse: float) -> None:
    left, right = pair(GOOD, text, n_tokens=max(len(text), 1))
    found = named(pair_scores(left, right, instrument("lek-v1"), {}), "degeneration")[right.id]
    assert (found.dimensions["degenerate"], found.dimensions["collapse"]) == (degenerate, collapse)


def test_checkable_probes_are_checked() -> None:
    left, right = pair("It is 5.", "It is 7.")
    probe = {"match": "word", "answers": ["7"]}
    found = named(pair_scores(left, right, instrument("lantern-v1"), probe), "capability")
    assert (found[left.id].total, found[right.id].total) == (0.0, 1.0)


def test_an_instrument_that_is_always_asked_is_asked_once() -> None:
    left, right = pair(GOOD, GOOD)
    for name in ("degeneration", "topic-evasion", "capability"):
        scores = pair_scores(left, right, instrument(name), {"answers": ["x"]})
        assert len({(score.instrument, score.generation_id) for score in scores}) == len(scores)
        assert scores[-1].instrument == "degeneration"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_answers_are_scored(text: str) -> None:
    left, right = pair(text, text)
    scores = pair_scores(left, right, instrument("lantern-v1"), {})
    assert scores[-1].generation_id == right.id


def test_the_five_scales() -> None:
    assert list(SCALES) == ["depth", "insight", "empathy", "synthesis", "coherence"]
    assert (LEAST, MOST) == (1, 5)
