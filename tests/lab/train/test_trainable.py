"""Weights laid end to end, and sums of squares over many of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx.utils import tree_flatten

from lab.models.runtime import mx, nn
from lab.train import trainable as trainable_module
from lab.train.net import split
from lab.train.optimizers import make_optimizer
from lab.train.settings import TrainSettings
from lab.train.sft import Sft
from lab.train.step import Stepper
from lab.train.sums import sum_of_squares
from lab.train.trainable import WHOLE, Trainable
from tests.lab.train.models import examples, loaded, with_lora


class Part(nn.Module):
    def __init__(self, *shapes: tuple[int, ...]) -> None:
        super().__init__()
        self.a, self.b = (mx.random.normal(shape) for shape in shapes)


class Model(nn.Module):
    """Arrays in modules, in lists of modules and in a list of arrays; one of them frozen."""

    def __init__(self) -> None:
        super().__init__()
        mx.random.seed(4)
        self.layers = [Part((3, 2), (5,)), Part((2, 2, 2), (7, 7))]
        self.layers[1].freeze(keys="b")
        self.scales = [mx.array([0.5]), mx.array([1.5, 2.5])]


SIZE = 6 + 5 + 8 + 1 + 2


def flat(arrays: Any) -> dict[str, np.ndarray]:
    return {name: np.array(value) for name, value in tree_flatten(arrays)}


def assert_equal(left: Any, right: Any) -> None:
    assert flat(left).keys() == flat(right).keys()
    for name, value in flat(left).items():
        assert np.array_equal(value, flat(right)[name]), name


def test_the_arrays_come_out_as_they_went_in() -> None:
    model = Model()
    trainable = Trainable(model, elementwise=True)
    packed = trainable.pack(trainable.arrays())
    assert {name: value.shape for name, value in packed.items()} == {WHOLE: (SIZE,)}
    assert_equal(trainable.arrays(), [value for _, value in tree_flatten(model.trainable_parameters())])
    assert_equal(trainable.unpack(packed), trainable.arrays())


def test_what_is_put_lies_in_the_model_and_the_frozen_is_not_touched() -> None:
    model = Model()
    trainable, frozen = Trainable(model, elementwise=True), np.array(model.layers[1].b)
    trainable.put(trainable.unpack({WHOLE: mx.arange(float(SIZE))}))
    assert sorted(np.concatenate([v.ravel() for v in flat(model.trainable_parameters()).values()])) == [
        *range(SIZE)
    ]
    assert np.array_equal(model.layers[1].b, frozen)
    assert_equal(trainable.arrays(), [value for _, value in tree_flatten(model.trainable_parameters())])


@pytest.mark.parametrize("reason", ["not elementwise", "too large", "of two kinds"])
def test_what_would_not_gain_stays_in_its_arrays(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model()
    if reason == "too large":
        monkeypatch.setattr(trainable_module, "GREATEST_BYTES", 4 * SIZE - 1)
    if reason == "of two kinds":
        model.scales[0] = model.scales[0].astype(mx.float16)
    trainable = Trainable(model, elementwise=reason != "not elementwise")
    packed = trainable.pack(trainable.arrays())
    assert_equal(packed, flat(model.trainable_parameters()))
    assert_equal(trainable.unpack(packed), trainable.arrays())
    saved = {"step": mx.array(3), "layers.0.a.m": model.layers[0].a, "layers.0.b.m": model.layers[0].b}
    state = trainable.pack_state(saved)
    assert state["layers.0.a"]["m"] is model.layers[0].a
    assert_equal(state, saved)


def test_moments_are_saved_by_the_names_of_their_weights() -> None:
    model = Model()
    trainable = Trainable(model, elementwise=True)
    state = {"step": mx.array(3), f"{WHOLE}.m": mx.arange(float(SIZE)), f"{WHOLE}.v": -mx.arange(float(SIZE))}
    saved = trainable.unpack_state(state)
    names = flat(model.trainable_parameters())
    assert saved.keys() == {"step", *(f"{name}.{moment}" for name in names for moment in "mv")}
    trainable.put([saved[f"{name}.m"] for name in names])
    assert_equal(trainable.pack(trainable.arrays()), {WHOLE: state[f"{WHOLE}.m"]})
    assert_equal(trainable.pack_state(saved), state)


def test_an_optimizer_without_moments_has_none_to_pack() -> None:
    assert_equal(Trainable(Model(), elementwise=True).pack_state({"step": mx.array(3)}), {"step": 3})


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_an_update_of_the_whole_is_one_of_its_parts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    items, trained = examples([20, 15]), []
    options = {"sgd": {"momentum": 0.9}, "adam": {"bias_correction": True}, "adamw": {"weight_decay": 0.1}}
    settings = TrainSettings(
        data="x", optimizer=name, learning_rate=0.01, optimizer_config={name: options[name]}
    )
    for greatest in (trainable_module.GREATEST_BYTES, 0):
        monkeypatch.setattr(trainable_module, "GREATEST_BYTES", greatest)
        model = with_lora(loaded().model)
        stepper = Stepper(split(model), Sft(), make_optimizer(settings), max_grad_norm=1.0)
        assert (WHOLE in stepper.weights()) == (greatest > 0)
        for _ in range(3):
            stepper.add(items)
            stepper.update(0.01)
        trained.append((flat(model.trainable_parameters()), flat(stepper.optimizer_arrays())))
    for whole, parts in zip(*trained, strict=True):
        assert whole.keys() == parts.keys()
        for key, value in whole.items():
            np.testing.assert_allclose(value, parts[key], rtol=1e-4, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("size", [1, 2, 3, 116_736, (1 << 20) + 7])
def test_sums_of_squares_are_exact_to_a_few_millionths(size: int) -> None:
    values = mx.random.normal((size,), key=mx.random.key(size)) * 0.02
    expected = np.square(np.array(values).astype(np.float64)).sum()
    assert sum_of_squares({"a": values}).item() == pytest.approx(expected, rel=3e-6)


@given(st.lists(st.lists(st.floats(-1e3, 1e3, width=32), max_size=30), min_size=1, max_size=5))
def test_sums_of_squares_run_over_all_arrays(rows: list[list[float]]) -> None:
    expected = sum(value * value for row in rows for value in row)
    found = sum_of_squares([mx.array(row, mx.float32) for row in rows]).item()
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-30)
