"""One step: accumulation, clipping, the regularizer's two ways in, and every architecture learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from mlx.utils import tree_flatten, tree_map
from mlx_lm.tuner.lora import LoRALinear

from lab.errors import LabError
from lab.models.runtime import mx, nn
from lab.train.data.examples import Example
from lab.train.hooks import Findings
from lab.train.layers import (
    Dice,
    LowRankLinear,
    adapter_settings,
    make_trainable,
    recomputed_activations,
)
from lab.train.net import split
from lab.train.optimizers import make_optimizer
from lab.train.settings import LoraParameters, TrainSettings
from lab.train.sft import Sft
from lab.train.step import DivergedError, Stepper
from tests.lab.train.models import examples, loaded, with_lora
from tests.models import ARCHITECTURES


def weights(model: Any) -> dict[str, np.ndarray]:
    return {name: np.array(value) for name, value in tree_flatten(model.trainable_parameters())}


def stepper(model: Any, optimizer: str = "sgd", rate: float = 0.1, **more: Any) -> Stepper:
    model.train()
    settings = TrainSettings(data="x", optimizer=optimizer, learning_rate=rate)
    return Stepper(split(model), Sft(), make_optimizer(settings), **more)


def assert_close(left: dict[str, np.ndarray], right: dict[str, np.ndarray], atol: float = 1e-6) -> None:
    for name, value in left.items():
        np.testing.assert_allclose(value, right[name], atol=atol, err_msg=name)


def test_accumulated_micro_batches_are_one_batch_token_for_token() -> None:
    items = examples([9, 30, 17, 12], [4, 12, 0, 3])
    whole, parts = with_lora(loaded().model), with_lora(loaded().model)
    one = stepper(whole)
    one.add(items)
    result = one.update(0.1)
    two = stepper(parts)
    two.add(items[:1])
    two.add(items[1:])
    accumulated = two.update(0.1)
    assert accumulated.loss_nats == pytest.approx(result.loss_nats, abs=1e-6)
    assert accumulated.weight == result.weight == sum(item.learned for item in items)
    assert accumulated.grad_norm == pytest.approx(result.grad_norm, rel=1e-5)
    assert_close(weights(whole), weights(parts))


def test_a_clipped_update_has_the_length_asked_for() -> None:
    model = with_lora(loaded().model)
    before = weights(model)
    step = stepper(model, max_grad_norm=0.01)
    step.add(examples([20, 20]))
    result = step.update(1.0)
    moved = np.sqrt(
        sum(float(np.square(value - before[name]).sum()) for name, value in weights(model).items())
    )
    assert result.grad_norm > 0.01
    assert moved == pytest.approx(0.01, rel=1e-3)


class Pull:
    """A coupled term λ Σw² and a decoupled shrinkage, with λ as an array that may change between steps."""

    name, every = "pull", 1

    def __init__(self, coupled: float, decoupled: float) -> None:
        self.coupled, self.decoupled = mx.array(coupled), decoupled

    def begin(self, initial: Any, planned_tokens: int) -> None: ...

    def penalty(self, trainable: Any) -> Any:
        return self.coupled * sum(mx.square(w).sum() for _, w in tree_flatten(trainable))

    def shrink(self, trainable: Any, learning_rate: float) -> Any:
        return tree_map(lambda w: w * (1.0 - learning_rate * self.decoupled), trainable)

    def observe(self, step: int, loss_nats: float, trainable: Any) -> Findings:
        return Findings()

    def set(self, key: str, value: object) -> str:
        return ""

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Any) -> None: ...


def test_the_coupled_term_pulls_by_its_own_gradient() -> None:
    items, rate = examples([20, 15]), 0.1
    free, held = with_lora(loaded().model), with_lora(loaded().model)
    start = weights(free)
    pull = Pull(0.0, 0.0)
    for model, regularizer in ((free, None), (held, pull)):
        step = stepper(model, regularizer=regularizer)
        pull.coupled = mx.array(0.25)
        step.add(items)
        result = step.update(rate)
    squares = sum(float(np.square(value).sum()) for value in start.values())
    assert result.penalty_nats == pytest.approx(0.25 * squares, rel=1e-5)
    expected = {name: value - rate * 2 * 0.25 * start[name] for name, value in weights(free).items()}
    assert_close(weights(held), expected)


def test_the_decoupled_term_shrinks_behind_the_update() -> None:
    items = examples([20, 15])
    free, held = with_lora(loaded().model), with_lora(loaded().model)
    for model, regularizer in ((free, None), (held, Pull(0.0, 0.5))):
        step = stepper(model, regularizer=regularizer)
        step.add(items)
        step.update(0.1)
    assert_close(weights(held), {name: value * 0.95 for name, value in weights(free).items()})


def test_a_step_that_would_ruin_the_weights_is_not_made() -> None:
    model = with_lora(loaded().model)
    model.layers[0].self_attn.q_proj.lora_a = mx.full(model.layers[0].self_attn.q_proj.lora_a.shape, mx.nan)
    before = weights(model)
    step = stepper(model)
    step.add(examples([12]))
    with pytest.raises(DivergedError, match="nan"):
        step.update(0.1)
    assert_close(weights(model), before)


@pytest.mark.parametrize("quantized", [False, True], ids=["float", "4-bit"])
@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16], ids=["float32", "bfloat16"])
def test_low_rank_layers_compute_what_mlx_lms_do(quantized: bool, dtype: Any) -> None:
    """In fewer passes: values, and the gradients of the factors and of what comes in."""
    model = loaded("qwen2", quantized)
    make_trainable(model, TrainSettings(data="x", lora_parameters=LoraParameters(scale=7.0)))
    layer = model.model.layers[-1].self_attn.q_proj
    assert type(layer) is LowRankLinear
    layer.lora_b = mx.random.normal(layer.lora_b.shape, key=mx.random.key(1))
    x = mx.random.normal((2, 5, layer.lora_a.shape[0]), key=mx.random.key(2)).astype(dtype)
    noise = mx.random.normal(layer(x).shape, key=mx.random.key(3))

    def values(call: Any) -> list[np.ndarray]:
        def total(x: Any, a: Any, b: Any) -> Any:
            layer.lora_a, layer.lora_b = a, b
            return (call(layer, x) * noise).sum()

        found = mx.value_and_grad(total, argnums=(0, 1, 2))(x, layer.lora_a, layer.lora_b)
        outputs = (call(layer, x), found[0], *found[1])
        return [np.array(output.astype(mx.float32)) for output in outputs]

    ours, theirs = (values(of) for of in (LowRankLinear.__call__, LoRALinear.__call__))
    for found, expected in zip(ours, theirs, strict=True):
        assert found == pytest.approx(expected, rel=2e-5, abs=2e-5 * float(np.abs(expected).max()))


def three_losses(arch: str, quantized: bool, settings: TrainSettings) -> list[float]:
    model = loaded(arch, quantized)
    count = make_trainable(model, settings)
    assert count == sum(value.size for value in weights(model.model).values())
    step, items = stepper(model.model, "adam", 1e-3), examples([24, 18, 30])
    losses = []
    for _ in range(3):
        step.add(items)
        losses.append(step.update(1e-3).loss_nats)
    return losses


def assert_falling(losses: list[float]) -> None:
    assert losses == sorted(losses, reverse=True)
    assert losses[0] - losses[-1] > 0.01


@pytest.mark.parametrize("quantized", [False, True], ids=["float", "4-bit"])
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_learns(arch: str, quantized: bool) -> None:
    lora = LoraParameters(scale=2.0)
    assert_falling(three_losses(arch, quantized, TrainSettings(data="x", lora_parameters=lora)))


@pytest.mark.parametrize("quantized", [False, True], ids=["float", "4-bit"])
@pytest.mark.parametrize("arch", ["llama", "gemma3_text", "qwen3_next"])
def test_dora_learns(arch: str, quantized: bool) -> None:
    dora = LoraParameters(scale=2.0, keys=("self_attn.q_proj", "self_attn.v_proj"))
    settings = TrainSettings(data="x", fine_tune_type="dora", lora_parameters=dora)
    assert_falling(three_losses(arch, quantized, settings))


@pytest.mark.parametrize("arch", ["llama", "qwen3_5"])
def test_full_weights_learn(arch: str) -> None:
    assert_falling(three_losses(arch, False, TrainSettings(data="x", fine_tune_type="full", num_layers=-1)))


def test_quantized_weights_are_not_trained_themselves_and_experts_take_no_dora() -> None:
    with pytest.raises(LabError, match="is quantized"):
        make_trainable(loaded("llama", True), TrainSettings(data="x", fine_tune_type="full"))
    with pytest.raises(LabError, match="support DoRA"):
        make_trainable(loaded("qwen3_next"), TrainSettings(data="x", fine_tune_type="dora"))


def gradients_with(model: Any, items: Sequence[Example], dice: Dice) -> dict[str, np.ndarray]:
    net, objective = split(model), Sft()
    batch = objective.collate(items)
    model.train()
    dice.throw(5, 1)
    loss = nn.value_and_grad(model, lambda b: objective.losses(net, b).totals.sum())
    return {name: np.array(value) for name, value in tree_flatten(loss(batch)[1])}


@pytest.mark.parametrize("arch", ["llama", "gemma3_text", "qwen3_next", "qwen3_5"])
def test_recomputed_activations_give_the_same_gradients_dropout_included(arch: str) -> None:
    model = with_lora(loaded(arch).model)
    for _, module in model.named_modules():
        if isinstance(module, nn.Dropout):
            module._p_1 = 0.7
    dice, items, other = Dice(model), examples([12, 20]), loaded(arch).model
    plain = gradients_with(model, items, dice)
    with recomputed_activations(model):
        assert type(model.layers[0]) is not type(other.layers[0])
        recomputed = gradients_with(model, items, dice)
    assert type(model.layers[0]) is type(other.layers[0])
    assert_close(plain, recomputed, atol=2e-5)
    dice.throw(5, 2)
    net, objective = split(model), Sft()
    again = nn.value_and_grad(model, lambda b: objective.losses(net, b).totals.sum())(
        objective.collate(items)
    )
    moved = {name: np.array(value) for name, value in tree_flatten(again[1])}
    assert any(np.abs(moved[name] - plain[name]).max() > 1e-3 for name in plain)


@pytest.mark.parametrize("name", ["adam", "adamw", "muon", "sgd", "adafactor", "apollo"])
def test_an_optimizer_goes_on_from_its_saved_state_to_the_bit(name: str) -> None:
    items = examples([20, 15])
    one, two = with_lora(loaded().model, layers=1), with_lora(loaded().model, layers=1)
    first, second = stepper(one, name), stepper(two, name)
    for step in (first, second):
        step.add(items)
        step.update(0.01)
    saved = {key: mx.array(np.array(value)) for key, value in second.optimizer_arrays().items()}
    second = stepper(two, name)
    second.restore_optimizer(saved)
    for step in (first, second):
        for _ in range(2):
            step.add(items)
            step.update(0.01)
    for key, value in weights(one).items():
        assert np.array_equal(value, weights(two)[key]), key


def test_an_option_the_optimizer_lacks_is_one_line() -> None:
    settings = TrainSettings(data="x", optimizer="sgd", optimizer_config={"sgd": {"momentun": 0.9}})
    with pytest.raises(LabError, match=r"optimizer_config.sgd: .*momentun"):
        make_optimizer(settings)


def test_what_cannot_be_trained_is_said() -> None:
    with pytest.raises(LabError, match="nothing to train"):
        make_trainable(loaded(), TrainSettings(data="x", lora_parameters=LoraParameters(keys=("no.such",))))
    settings = TrainSettings(data="x", num_layers=99)
    assert adapter_settings(loaded(), settings)["num_layers"] == 2
