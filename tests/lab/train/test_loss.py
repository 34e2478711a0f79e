"""The fused loss against mlx-lm's and against a plain reference: values and gradients, masks and padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from mlx.utils import tree_flatten
from mlx_lm.tuner.trainer import default_loss

from lab.models.runtime import mx, nn
from lab.train import loss as loss_module
from lab.train.data.examples import Example
from lab.train.net import split
from lab.train.sft import Sft
from tests.lab.train.models import examples, loaded, with_lora
from tests.models import ARCHITECTURES

CLOSE = 1e-5


def ours(model: Any, items: Sequence[Example]) -> tuple[float, dict[str, np.ndarray]]:
    """Mean loss and gradients by name."""
    net, objective = split(model), Sft()

    def mean(_: Any) -> Any:
        losses = objective.losses(net, objective.collate(items))
        return losses.totals.sum() / losses.weights.sum()

    return value_and_gradients(model, mean)


def value_and_gradients(model: Any, fn: Callable[[Any], Any]) -> tuple[float, dict[str, np.ndarray]]:
    model.train()
    value, gradients = nn.value_and_grad(model, fn)(model)
    return value.item(), {name: np.array(g) for name, g in tree_flatten(gradients)}


def row_by_row(model: Any, items: Sequence[Example]) -> Callable[[Any], Any]:
    """The reference: every row alone, without padding, with plain log-softmax over all logits."""

    def mean(_: Any) -> Any:
        total, count = mx.array(0.0), 0
        for item in items:
            ids = mx.array(item.token_ids)
            logits = model(ids[None, :-1])[0]
            log_p = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
            for index in range(max(item.start, 1), item.length):
                total = total - log_p[index - 1, ids[index]]
                count += 1
        return total / count

    return mean


def assert_same(
    left: tuple[float, dict[str, np.ndarray]], right: tuple[float, dict[str, np.ndarray]]
) -> None:
    assert left[0] == pytest.approx(right[0], abs=CLOSE)
    assert left[1].keys() == right[1].keys()
    size = max(1.0, *(float(np.abs(gradient).max()) for gradient in right[1].values()))
    for name, gradient in left[1].items():
        np.testing.assert_allclose(gradient, right[1][name], atol=CLOSE * size, err_msg=name)


def in_pieces(monkeypatch: pytest.MonkeyPatch, logits: int) -> None:
    """Batches as small as the tests' are not cut by themselves."""
    monkeypatch.setattr(loss_module, "WHOLE_LOGITS", 0)
    monkeypatch.setattr(loss_module, "MIN_PIECE_ROWS", 1)
    monkeypatch.setattr(loss_module, "PIECE_LOGITS", logits)


@pytest.mark.parametrize("starts", [[0, 0, 0], [5, 9, 1]], ids=["whole", "masked"])
def test_unpadded_it_is_mlx_lms(starts: list[int]) -> None:
    model = with_lora(loaded().model)
    items = examples([21, 21, 21], starts)
    batch = mx.array(np.stack([item.token_ids for item in items]))
    lengths = mx.array([[item.start, item.length] for item in items])
    theirs = value_and_gradients(model, lambda m: default_loss(m, batch, lengths)[0])
    assert_same(ours(model, items), theirs)


@pytest.mark.parametrize("quantized", [False, True], ids=["float", "4-bit"])
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_padded_it_is_the_mean_over_the_rows_own_tokens(
    monkeypatch: pytest.MonkeyPatch, arch: str, quantized: bool
) -> None:
    in_pieces(monkeypatch, 384 * 20)
    model = with_lora(loaded(arch, quantized).model)
    items = examples([9, 30, 17], [4, 12, 0])
    assert_same(ours(model, items), value_and_gradients(model, row_by_row(model, items)))


def test_mlx_lm_counts_a_pad_token_in_a_shorter_row_and_we_do_not() -> None:
    model = with_lora(loaded().model)
    items = examples([9, 30])
    losses = Sft().losses(split(model), Sft().collate(items))
    assert losses.weights.tolist() == [8.0, 29.0]
    padded = np.zeros((2, 30), np.int32)
    for row, item in enumerate(items):
        padded[row, : item.length] = item.token_ids
    _, counted = default_loss(model, mx.array(padded), mx.array([[0, 9], [0, 30]]))
    assert counted.item() == 8 + 29 + 1


@pytest.mark.parametrize("piece_rows", [1, 7, 20, 1000])
def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch, piece_rows: int) -> None:
    model = with_lora(loaded("mistral").model)
    items = examples([20, 31])
    reference = value_and_gradients(model, row_by_row(model, items))
    in_pieces(monkeypatch, 384 * piece_rows)
    assert_same(ours(model, items), reference)


@pytest.mark.parametrize("piece_logits", [384 * 8, 1 << 21])
@pytest.mark.parametrize(
    ("arch", "quantized", "keys"),
    [
        ("mistral", False, ["lm_head"]),
        ("mistral", True, ["lm_head"]),
        ("llama", False, ["model.embed_tokens"]),
    ],
)
def test_an_adapted_head_learns_too(
    monkeypatch: pytest.MonkeyPatch, arch: str, quantized: bool, keys: list[str], piece_logits: int
) -> None:
    in_pieces(monkeypatch, piece_logits)
    model = with_lora(loaded(arch, quantized).model, keys)
    items = examples([12, 25])
    assert_same(ours(model, items), value_and_gradients(model, row_by_row(model, items)))


@pytest.mark.parametrize("piece_logits", [None, 384 * 20])
def test_full_weights_with_tied_embeddings_learn_through_both_their_uses(
    monkeypatch: pytest.MonkeyPatch, piece_logits: int | None
) -> None:
    if piece_logits is not None:
        in_pieces(monkeypatch, piece_logits)
    model = loaded("qwen2").model
    model.unfreeze()
    items = examples([12, 25])
    found = ours(model, items)
    assert "model.embed_tokens.weight" in found[1]
    assert_same(found, value_and_gradients(model, row_by_row(model, items)))
    assert isinstance(model.model.embed_tokens.weight, mx.array)


def test_any_function_of_the_losses_may_be_differentiated(monkeypatch: pytest.MonkeyPatch) -> None:
    in_pieces(monkeypatch, 384 * 20)
    model = with_lora(loaded().model)
    net, items = split(model), examples([12, 25])
    batch = Sft().collate(items)

    def fused(_: Any) -> Any:
        return mx.sigmoid(loss_module.token_nll(net, batch.inputs, batch.positions, batch.targets)).sum()

    def plain(_: Any) -> Any:
        logits = model(batch.inputs).reshape(-1, 384)[batch.positions]
        return mx.sigmoid(nn.losses.cross_entropy(logits, batch.targets)).sum()

    assert_same(value_and_gradients(model, fused), value_and_gradients(model, plain))


def test_evaluation_gives_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    in_pieces(monkeypatch, 384 * 20)
    model = with_lora(loaded().model)
    net, batch = split(model), Sft().collate(examples([12, 25]))
    model.train()
    trained = loss_module.token_nll(net, batch.inputs, batch.positions, batch.targets)
    model.eval()
    evaluated = loss_module.token_nll(net, batch.inputs, batch.positions, batch.targets)
    np.testing.assert_allclose(np.array(trained), np.array(evaluated), atol=1e-6)


class Capped(nn.Module):
    """A model whose logits go through a cap, as some do: trunk and head alone do not give them."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.model, self.lm_head, self._inner = inner.model, inner.lm_head, [inner]

    def __call__(self, tokens: Any) -> Any:
        return 3.0 * mx.tanh(self._inner[0](tokens) / 3.0)


def test_a_model_that_cannot_be_parted_is_trained_whole() -> None:
    model = Capped(with_lora(loaded("mistral").model))
    assert split(model).head is None
    items = examples([12, 25], [3, 0])
    assert_same(ours(model, items), value_and_gradients(model, row_by_row(model, items)))
