"""Shift, steering and style: against plain loops and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lab.measure.shift import attention_shift, mean_change, mean_cosine, relative_change
from lab.measure.steering import cosine, steering
from lab.measure.style import FEATURES, drift, style
from tests.hostile import HOSTILE


def test_attention_shift_by_hand() -> None:
    before = np.array([[[1.0, 0.0], [0.5, 0.5]], [[1.0, 0.0], [1.0, 0.0]]])
    after = np.array([[[1.0, 0.0], [0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]]])
    assert attention_shift(before, after).tolist() == [0.0, math.sqrt(2)]
    assert attention_shift(before[:, :1, :1], after[:, :1, :1]).tolist() == [0.0, 0.0]


def test_gates_states_and_cosines_by_hand() -> None:
    assert mean_change(
        np.array([[0.2, 0.4], [0.4, 0.4]]), np.array([[0.3, 0.4], [0.5, 0.2]])
    ) == pytest.approx([0.1, -0.1])
    assert relative_change(np.array([2.0, 0.0]), np.array([3.0, 0.0])).tolist() == [0.5, 0.0]
    assert mean_cosine(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 0.0], [1.0, 0.0]])) == 0.5


def test_steering_agrees_with_plain_loops() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(size=(7, 5)) + np.array([2.0, 0, 0, 0, 0])
    found = steering(differences)
    pairs = [
        differences[i]
        @ differences[j]
        / math.sqrt(differences[i] @ differences[i] * (differences[j] @ differences[j]))
        for i in range(7)
        for j in range(i)
    ]
    assert found.pairwise == pytest.approx(np.mean(pairs))
    assert found.vector == pytest.approx(differences.mean(axis=0))
    again = np.random.default_rng(0)
    halves = []
    for _ in range(100):
        order = again.permutation(7)
        halves.append(cosine(differences[order[:3]].mean(axis=0), differences[order[3:]].mean(axis=0)))
    assert found.split_half == pytest.approx(np.mean(halves))


def test_steering_of_one_direction_and_of_none() -> None:
    same = steering(np.outer(np.arange(1.0, 6.0), np.array([1.0, 2.0])))
    assert (same.pairwise, same.split_half) == (pytest.approx(1.0), pytest.approx(1.0))
    rng = np.random.default_rng(1)
    nothing = steering(rng.normal(size=(400, 300)))
    assert nothing.pairwise == pytest.approx(0.0, abs=0.01)
    few = steering(np.zeros((1, 3)))
    assert (few.pairwise, few.split_half, few.pairs) == (None, None, 1)


def test_style_by_hand() -> None:
    found = dict(zip(FEATURES, style("I don't know. Do you?\n\n- yes, **yes**"), strict=True))
    assert found["log_words"] == pytest.approx(math.log1p(7))
    assert found["first_person"] == pytest.approx(1 / 7)
    assert found["second_person"] == pytest.approx(1 / 7)
    assert found["contractions"] == pytest.approx(1 / 7)
    assert found["questions"] == pytest.approx(1 / 3)
    assert found["commas"] == pytest.approx(1 / 7)
    assert found["markup"] == pytest.approx(3 / 7)
    assert found["distinct_words"] == pytest.approx(6 / 7)
    assert found["words_per_sentence"] == pytest.approx(7 / 3)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_style_of_anything_is_finite(text: str) -> None:
    assert np.isfinite(style(text)).all()


def test_an_unchanged_style_lies_at_its_floor_and_a_changed_one_above() -> None:
    rng = np.random.default_rng(2)
    probes = rng.normal(size=(40, len(FEATURES)))

    def answers() -> np.ndarray:
        return probes + rng.normal(size=probes.shape)

    same = drift(answers(), answers(), answers())
    assert same.lower is not None
    assert same.upper is not None
    assert same.lower < 0 < same.upper
    moved = drift(answers(), answers() + np.eye(len(FEATURES))[3] * 4, answers())
    assert moved.lower is not None
    assert moved.lower > 0
    assert moved.strongest[0][0] == FEATURES[3]
    assert moved.excess == pytest.approx(moved.distance - moved.floor)
    base = answers()
    assert drift(base, base, base).distance == 0
