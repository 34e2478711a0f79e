"""The same model, batches, seed and settings as `mlx_lm.lora`: the same losses, step by step."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlx.utils import tree_flatten
from mlx_lm.lora import CONFIG_DEFAULTS, train_model
from mlx_lm.tuner import trainer as peer
from mlx_lm.tuner.callbacks import TrainingCallback

from lab.models.mlx_lm_api import load_model
from lab.models.runtime import mx
from lab.train.data.examples import Example
from lab.train.layers import make_trainable
from lab.train.net import split
from lab.train.optimizers import make_optimizer
from lab.train.schedule import learning_rate
from lab.train.settings import TrainSettings, from_mapping
from lab.train.sft import Sft
from lab.train.step import Stepper
from tests.lab.train.models import examples, loaded
from tests.models import tiny_model

STEPS = 60
SCHEDULE = {"name": "cosine_decay", "arguments": [5e-4, 50, 5e-6], "warmup": 6, "warmup_init": 1e-5}
GIVEN: dict[str, Any] = {
    "data": "x",
    "seed": 11,
    "num_layers": 2,
    "batch_size": 3,
    "iters": STEPS,
    "optimizer": "adamw",
    "lora_parameters": {"rank": 4, "scale": 4.0, "dropout": 0.0},
    "lr_schedule": SCHEDULE,
}


class Losses(TrainingCallback):
    """What mlx-lm reports."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.rates: list[float] = []

    def on_train_loss_report(self, train_info: dict[str, Any]) -> None:
        self.losses.append(train_info["train_loss"])
        self.rates.append(train_info["learning_rate"])


def batches() -> list[list[Example]]:
    """Batches of rows of one length each, some with a masked prompt: what both sides see alike."""
    return [examples([12 + step % 5] * 3, [step % 4] * 3, seed=step % 12) for step in range(STEPS)]


def theirs(monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[Losses, dict[str, np.ndarray]]:
    """mlx-lm's own `train_model`, fed our batches; eager, for compiling on the CPU only takes time."""

    def feed(**_: Any) -> Iterator[tuple[Any, Any]]:
        for items in batches():
            tokens = mx.array(np.stack([item.token_ids for item in items]))
            yield tokens, mx.array([[item.start, item.length] for item in items])

    monkeypatch.setattr(
        peer.train,
        "__defaults__",
        tuple(feed if default is peer.iterate_batches else default for default in peer.train.__defaults__),
    )
    monkeypatch.setattr(mx, "compile", lambda fn, **_: fn)
    model, _ = load_model(tiny_model("llama"))
    model.set_dtype(mx.float32)
    arguments = types.SimpleNamespace(
        **{**CONFIG_DEFAULTS, **GIVEN, "steps_per_report": 1, "adapter_path": str(folder), "save_every": 1000}
    )
    said = Losses()
    train_model(arguments, model, [None], [], said)
    return said, {name: np.array(value) for name, value in tree_flatten(model.trainable_parameters())}


def ours() -> tuple[list[float], dict[str, np.ndarray]]:
    settings: TrainSettings = from_mapping(GIVEN)
    model = loaded()
    make_trainable(model, settings)
    model.model.train()
    stepper = Stepper(split(model.model), Sft(), make_optimizer(settings))
    losses = []
    for step, items in enumerate(batches()):
        stepper.add(items)
        rate = learning_rate(settings.learning_rate, settings.schedule, step, STEPS)
        losses.append(stepper.update(rate).loss_nats)
    weights = tree_flatten(model.model.trainable_parameters())
    return losses, {name: np.array(value) for name, value in weights}


def test_sixty_steps_are_those_of_mlx_lm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    their_losses, their_weights = theirs(monkeypatch, tmp_path)
    our_losses, our_weights = ours()
    assert len(their_losses.losses) == STEPS
    assert our_losses[0] - our_losses[-1] > 0.5
    np.testing.assert_allclose(our_losses, their_losses.losses, rtol=1e-4)
    assert our_weights.keys() == their_weights.keys()
    for name, weight in our_weights.items():
        np.testing.assert_allclose(weight, their_weights[name], atol=2e-4, err_msg=name)


def test_the_low_rank_layers_begin_as_mlx_lms_do() -> None:
    from mlx_lm.tuner.utils import linear_to_lora_layers

    settings = from_mapping(GIVEN)
    model = loaded()
    make_trainable(model, settings)
    other, _ = load_model(tiny_model("llama"))
    mx.random.seed(11)
    other.freeze()
    linear_to_lora_layers(other, 2, {"rank": 4, "scale": 4.0, "dropout": 0.0})
    expected = dict(tree_flatten(other.trainable_parameters()))
    for name, value in tree_flatten(model.model.trainable_parameters()):
        assert mx.array_equal(value, expected[name]), name
