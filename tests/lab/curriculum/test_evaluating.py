"""What a comparison of a curriculum came to is what the comparison's own report says."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from lab.curriculum.evaluating import delta_of
from lab.errors import LabError
from lab.measure.comparison import Measure, ScoredAnswer, compare
from store.queries.compared import ComparedAnswer


class Answers:
    """A store that has these answers and nothing else."""

    def __init__(self, answers: list[ComparedAnswer]) -> None:
        self._answers = answers

    def query(self, _: Any, comparison_id: str) -> list[ComparedAnswer]:
        return self._answers


def scored(answers: list[ComparedAnswer], side: str) -> list[ScoredAnswer]:
    measure = Measure(instrument="lantern-v1", version="1")
    return [
        ScoredAnswer(
            probe_id=f"probe-{answer.place}",
            domain="Any",
            measure=measure,
            score=answer.scores["total"],
            source_probe=answer.cluster,
        )
        for answer in answers
        if answer.side == side
    ]


@pytest.mark.parametrize("pairs", [7, 41])
def test_its_interval_is_that_of_the_report(pairs: int) -> None:
    dice = random.Random(5)
    answers = []
    for place in range(pairs):
        cluster = f"probe-{place - place % 2}"
        for side, mean in (("left", 0.0), ("right", 3.0)):
            scores = {"total": dice.gauss(mean, 4.0)}
            answers.append(ComparedAnswer(place=place, side=side, cluster=cluster, scores=scores))  # type: ignore[arg-type]
    comparison: Any = SimpleNamespace(id="one")
    found = delta_of(Answers(answers), comparison)  # type: ignore[arg-type]
    report = compare(scored(answers, "left"), scored(answers, "right")).overall
    said = report.test.effect
    assert (found.delta.value, found.delta.lower, found.delta.upper) == pytest.approx(
        (said.value, said.lower, said.upper)
    )
    assert found.delta.method == said.method
    assert found.delta.n == report.n == (pairs + 1) // 2


def test_a_comparison_without_a_scored_pair_says_so() -> None:
    answers = [ComparedAnswer(place=0, side="left", cluster="p", scores={"total": 1.0})]
    with pytest.raises(LabError, match="no pair with both its scores"):
        delta_of(Answers(answers), SimpleNamespace(id="one"))  # type: ignore[arg-type]
