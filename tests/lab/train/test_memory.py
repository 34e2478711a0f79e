"""Memory before a run: hand-computed parts, and peaks of real steps that the figure must not be far from."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lab.errors import LabError
from lab.models.runtime import mx
from lab.train.memory import Shape, estimate, read_shape
from lab.train.net import split
from lab.train.optimizers import make_optimizer
from lab.train.settings import LoraParameters, TrainSettings
from lab.train.sft import Sft
from lab.train.step import Stepper
from tests.lab.train.models import examples, loaded, with_lora
from tests.models import tiny_model

SHAPE = Shape(layers=4, width=64, mlp_width=128, heads=4, kv_width=32, vocabulary=512)
SETTINGS = TrainSettings(data="x", num_layers=2, batch_size=2, lora_parameters=LoraParameters(rank=3))


def test_parts_by_hand() -> None:
    found = estimate(SHAPE, SETTINGS, weight_bytes=1000, longest_row=10)
    # Per layer r × (in + out): q, o 128 each, k, v 96 each, gate, up, down 192 each: 1,024 × 3.
    trainable = 2 * 3 * 1024
    assert (found.weights, found.trainable_weights) == (1000, 4 * trainable)
    assert (found.gradients, found.moments) == (4 * trainable, 8 * trainable)
    layer = 9.2 * 64 + 5.7 * 128 + 0.5 * 4 * 10
    assert found.activations == round(4 * 20 * 3 * layer)
    assert found.logits == 4 * 6 * 20 * 512
    assert found.total == sum(
        (1000, 4 * trainable, 4 * trainable, 8 * trainable, found.activations, found.logits)
    )


def test_what_is_recomputed_is_not_kept() -> None:
    plain = estimate(SHAPE, SETTINGS, weight_bytes=0, longest_row=100)
    again = estimate(SHAPE, replace(SETTINGS, grad_checkpoint=True), weight_bytes=0, longest_row=100)
    assert again.activations < 0.5 * plain.activations


def test_keys_and_full_weights() -> None:
    attention = replace(SETTINGS, lora_parameters=LoraParameters(rank=3, keys=("self_attn.q_proj",)))
    assert estimate(SHAPE, attention, weight_bytes=0, longest_row=1).gradients == 4 * 2 * 3 * 128
    full = estimate(SHAPE, replace(SETTINGS, fine_tune_type="full"), weight_bytes=0, longest_row=1)
    assert (full.trainable_weights, full.gradients) == (0, 4 * 2 * 64 * (128 + 64 + 3 * 128))


def test_a_config_without_a_size_is_said() -> None:
    with pytest.raises(LabError, match="num_hidden_layers"):
        read_shape({"hidden_size": 4, "num_attention_heads": 2})


@pytest.mark.parametrize("arch", ["llama", "gemma3", "qwen3"])
def test_the_figure_is_near_what_a_step_takes(arch: str) -> None:
    model = loaded(arch)
    with_lora(model.model)
    model.model.train()
    settings = TrainSettings(data="x", num_layers=2, batch_size=4, lora_parameters=LoraParameters(rank=4))
    items = examples([200] * 4)
    stepper = Stepper(split(model.model), Sft(), make_optimizer(settings))
    mx.clear_cache()
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    stepper.add(items)
    stepper.update(1e-5)
    measured = mx.get_peak_memory() - before
    config = json.loads((tiny_model(arch) / "config.json").read_text("utf-8"))
    shape = read_shape(config)
    figure = estimate(shape, settings, weight_bytes=0, longest_row=200).total
    assert 0.4 < figure / measured < 2.5
