"""The lab's exponentials, gate and attention against NumPy in float64 and against what they stand in for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx.utils import tree_flatten
from mlx_lm.models.activations import swiglu
from mlx_lm.models.base import create_causal_mask, scaled_dot_product_attention

from lab.models.runtime import mx, nn
from lab.train import exponentials
from lab.train.exponentials import attention, exp, exponentials_are_slow, silu_times, softmax
from lab.train.functions import rebind, use_quick_functions
from tests.lab.train.models import loaded, with_lora
from tests.models import ARCHITECTURES

EXCHANGES = ((swiglu, silu_times), (scaled_dot_product_attention, attention))
needs_slow_exponentials = pytest.mark.skipif(
    not exponentials_are_slow(), reason="MLX's own exponentials are used here"
)


def gradients(fn: Callable[..., Any], arrays: list[Any], weights: Any) -> list[np.ndarray]:
    """Of the weighted sum of `fn`'s result, by each array."""
    found = mx.grad(lambda *a: (fn(*a) * weights).sum(), argnums=tuple(range(len(arrays))))(*arrays)
    return [np.array(g) for g in found]


def assert_same_function(ours: Callable[..., Any], theirs: Callable[..., Any], arrays: list[Any]) -> None:
    expected = theirs(*arrays)
    np.testing.assert_allclose(np.array(ours(*arrays)), np.array(expected), rtol=2e-5, atol=2e-6)
    weights = mx.random.normal(expected.shape, key=mx.random.key(9))
    pairs = zip(gradients(ours, arrays, weights), gradients(theirs, arrays, weights), strict=True)
    for our, their in pairs:
        np.testing.assert_allclose(our, their, rtol=2e-4, atol=1e-5 * max(np.abs(their).max(), 1.0))


@given(st.lists(st.floats(-87.0, 88.0, width=32), min_size=1, max_size=50))
def test_powers_of_e_are_as_exact_as_they_are_said_to_be(values: list[float]) -> None:
    x = np.array(values, dtype=np.float32)
    expected = np.exp(x.astype(np.float64))
    assert np.all(np.abs(np.array(exp(mx.array(x))) / expected - 1.0) <= (4.0 + np.abs(x)) * 1e-7)


def test_powers_beyond_the_bounds_are_those_of_the_bounds_and_no_number_stays_none() -> None:
    least, greatest, low, high, none = exp(mx.array([-np.inf, np.inf, -200.0, 200.0, np.nan])).tolist()
    assert least == low == pytest.approx(np.exp(-87.0), rel=1e-5)
    assert greatest == high == pytest.approx(np.exp(88.0), rel=1e-5)
    assert np.isnan(none)


def test_the_gate_and_its_gradients_are_those_of_mlx_lm() -> None:
    mx.random.seed(0)
    arrays = [4.0 * mx.random.normal((3, 5, 70)), mx.random.normal((3, 5, 70))]
    arrays[0][0, 0, :4] = mx.array([-300.0, -90.0, 90.0, 300.0])
    assert_same_function(silu_times, swiglu, arrays)


def test_softmax_and_its_gradient_are_those_of_mlx() -> None:
    scores = 20.0 * mx.random.normal((4, 3, 33), key=mx.random.key(1))
    assert_same_function(softmax, lambda s: mx.softmax(s, axis=-1), [scores])


@pytest.mark.parametrize("piece", [1, 7, 33, 100])
def test_pieces_change_nothing(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = 20.0 * mx.random.normal((4, 3, 33), key=mx.random.key(1))
    whole = np.array(exp(scores)), np.array(softmax(scores))
    monkeypatch.setattr(exponentials, "PIECE", piece)
    assert np.array_equal(exp(scores), whole[0])
    np.testing.assert_allclose(np.array(softmax(scores)), whole[1], rtol=1e-6)


def test_what_is_hidden_from_softmax_weighs_exactly_nothing() -> None:
    p = softmax(mx.array([[1.0, 2.0, -3e38, -np.inf]]))
    assert p[0, 2:].tolist() == [0.0, 0.0]
    assert p.sum().item() == pytest.approx(1.0, abs=1e-6)


def own_mask(kind: str, rows: int, heads: int, length: int, seen: int) -> Any:
    causal = create_causal_mask(length, offset=seen - length)
    masks = {
        "none": None,
        "causal": "causal",
        "booleans": causal,
        "window": create_causal_mask(length, offset=seen - length, window_size=3),
        "of every row": mx.broadcast_to(causal, (rows, 1, length, seen)),
        "of every head": mx.broadcast_to(causal, (rows, heads, length, seen)),
        "of one row": causal[None, None],
        "to be added": mx.where(causal, 0.5, -1e9),
        "to be added, of every head": mx.where(causal, 0.0, -1e9)
        + mx.random.normal((rows, heads, length, seen), key=mx.random.key(3)),
    }
    return masks[kind]


@pytest.mark.parametrize("key_heads", [1, 2, 6])
@pytest.mark.parametrize("before", [0, 4])
@pytest.mark.parametrize(
    "kind",
    [
        "none",
        "causal",
        "booleans",
        "window",
        "of every row",
        "of every head",
        "of one row",
        "to be added",
        "to be added, of every head",
    ],
)
def test_attention_and_its_gradients_are_those_of_mlx_lm(kind: str, before: int, key_heads: int) -> None:
    mx.random.seed(2)
    rows, heads, length, size = 2, 6, 7, 8
    mask = own_mask(kind, rows, heads, length, length + before)
    arrays = [mx.random.normal((rows, heads, length, size))]
    arrays += [mx.random.normal((rows, key_heads, length + before, size)) for _ in range(2)]

    def of(fn: Callable[..., Any]) -> Callable[..., Any]:
        return lambda q, k, v: fn(q, k, v, cache=None, scale=0.35, mask=mask)

    assert_same_function(of(attention), of(scaled_dot_product_attention), arrays)


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16])
def test_shorter_floats_are_left_to_mlx(dtype: Any) -> None:
    x = mx.random.normal((1, 2, 5, 8), key=mx.random.key(4)).astype(dtype)
    assert silu_times(x, x).dtype == dtype
    assert mx.array_equal(silu_times(x, x), swiglu(x, x))
    given = {"cache": None, "scale": 0.3, "mask": "causal"}
    assert mx.array_equal(attention(x, x, x, **given), scaled_dot_product_attention(x, x, x, **given))


def test_sinks_are_left_to_mlx() -> None:
    x = mx.random.normal((1, 2, 5, 8), key=mx.random.key(5))
    given = {"cache": None, "scale": 0.3, "mask": "causal", "sinks": mx.array([1.0, -1.0])}
    assert mx.array_equal(attention(x, x, x, **given), scaled_dot_product_attention(x, x, x, **given))


def value_and_gradients(model: Any, tokens: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    model.train()
    found = nn.value_and_grad(model, lambda _: nn.losses.cross_entropy(model(tokens), tokens).sum())(model)
    return np.array(found[0]), {name: np.array(g) for name, g in tree_flatten(found[1])}


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_model_computes_the_same_with_its_functions_exchanged(arch: str) -> None:
    model = with_lora(loaded(arch).model)
    tokens = mx.random.randint(3, 60, (2, 21), key=mx.random.key(6))
    loss, by_name = value_and_gradients(model, tokens)
    rebind(model, EXCHANGES)
    found, found_by_name = value_and_gradients(model, tokens)
    np.testing.assert_allclose(found, loss, rtol=1e-5)
    assert by_name.keys() == found_by_name.keys()
    for name, gradient in by_name.items():
        np.testing.assert_allclose(
            found_by_name[name], gradient, rtol=1e-3, atol=1e-5 * max(np.abs(gradient).max(), 1.0)
        )


def test_functions_are_exchanged_in_this_model_alone_and_called() -> None:
    model, other = loaded("llama").model, loaded("llama").model
    calls = SimpleNamespace(gate=0, attention=0)

    def gate(*given: Any) -> Any:
        calls.gate += 1
        return swiglu(*given)

    def attending(*given: Any, **named: Any) -> Any:
        calls.attention += 1
        return scaled_dot_product_attention(*given, **named)

    rebind(model, ((swiglu, gate), (scaled_dot_product_attention, attending)))
    other(mx.array([[3, 4, 5]]))
    assert (calls.gate, calls.attention) == (0, 0)
    model(mx.array([[3, 4, 5]]))
    assert calls.gate == calls.attention == len(model.layers)
    assert type(model.layers[0].mlp).__name__ == "MLP"


@needs_slow_exponentials
def test_a_model_that_is_trained_calls_them_here() -> None:
    model = loaded("llama").model
    before = type(model.layers[0].mlp)
    use_quick_functions(model)
    code = type(model.layers[0].mlp).__call__
    assert issubclass(type(model.layers[0].mlp), before)
    assert code.__globals__["swiglu"] is silu_times
