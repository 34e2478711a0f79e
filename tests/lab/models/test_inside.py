"""A look inside models: maps that add up to one, a slow reference, and models that are left as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.measure.shift import attention_shift
from lab.models.inside import look_inside
from lab.models.load import LoadedModel, load
from lab.models.runtime import mx
from tests.adapters import tiny_adapter
from tests.models import ARCHITECTURES, tiny_model

TOKENS = [3, 50, 61, 17, 200, 61, 90, 5, 44, 120, 121, 9, 33, 61, 17, 200, 8, 77, 31, 2, 100, 101, 102, 60]
TOKENS += [59, 58, 1]
DELTA_NETS = ("qwen3_next", "qwen3_5")


def loaded(arch: str, adapter: Path | None = None) -> LoadedModel:
    return load(str(tiny_model(arch)), adapters=[] if adapter is None else [adapter])


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_maps_add_up_and_the_model_stays_as_it_was(arch: str) -> None:
    model = loaded(arch)
    tokens = mx.array([TOKENS])
    before = np.array(model.model(tokens))
    names = [name for name, _ in model.model.named_modules()]
    found = look_inside(model, TOKENS, None)
    layers = len(model.model.layers)
    assert sorted(found.hidden) == list(range(layers))
    assert sorted({*found.maps, *found.decay}) == list(range(layers))
    assert bool(found.decay) == (arch in DELTA_NETS)
    for attention in found.maps.values():
        assert attention.shape == (4, len(TOKENS), len(TOKENS))
        assert attention.sum(axis=-1) == pytest.approx(1.0, abs=1e-5)
        assert (np.triu(attention, 1) == 0).all()
    assert (np.array(model.model(tokens)) == before).all()
    assert [name for name, _ in model.model.named_modules()] == names
    assert not look_inside(model, TOKENS, None, maps=False).maps


@pytest.mark.parametrize("arch", ["gemma3_text", "olmo3"])
def test_a_sliding_window_is_in_the_map(arch: str) -> None:
    """Windows of 24 tokens: the last of 27 cannot see the first three."""
    found = look_inside(loaded(arch), TOKENS, None)
    assert (found.maps[0][:, -1, : len(TOKENS) - 24] == 0).all()
    full = max(found.maps)
    assert (found.maps[full][:, -1] > 0).all()


def test_maps_agree_with_a_slow_reference() -> None:
    """A two-layer llama in NumPy, one head and one token at a time."""
    model = loaded("llama")
    found = look_inside(model, TOKENS, None)
    maps, hidden = _slow_llama(model.model, TOKENS)
    for layer in (0, 1):
        assert found.maps[layer] == pytest.approx(maps[layer], abs=2e-5)
        assert found.hidden[layer] == pytest.approx(hidden[layer], rel=1e-3, abs=1e-3)


def test_the_shift_of_an_adapter_agrees_with_the_slow_reference() -> None:
    from tests.adapters import tuned_by_mlx_lm

    adapter = tiny_adapter("llama")
    model = loaded("llama", adapter)
    (variant,) = model.gate.low_rank
    base, tuned = look_inside(model, TOKENS, None), look_inside(model, TOKENS, variant)
    before, _ = _slow_llama(tuned_by_mlx_lm("llama", False, None), TOKENS)
    after, _ = _slow_llama(tuned_by_mlx_lm("llama", False, adapter), TOKENS)
    for layer in (0, 1):
        found = attention_shift(base.maps[layer], tuned.maps[layer])
        assert found.max() > 1e-3
        for head in range(4):
            rows = [
                np.sqrt(
                    sum((after[layer][head][i][j] - before[layer][head][i][j]) ** 2 for j in range(i + 1))
                )
                for i in range(1, len(TOKENS))
            ]
            assert found[head] == pytest.approx(np.mean(rows), abs=2e-5)


@pytest.mark.parametrize("arch", DELTA_NETS)
def test_states_agree_with_a_slow_recurrence(arch: str) -> None:
    """The first layer, a gated delta net, token by token in NumPy (Yang et al. 2024)."""
    model = loaded(arch)
    found = look_inside(model, TOKENS, None)
    decay, write, norms = _slow_delta(model.model, TOKENS, arch)
    assert found.decay[0] == pytest.approx(decay, abs=1e-4)
    assert found.write[0] == pytest.approx(write, abs=1e-4)
    assert found.state_norm[0] == pytest.approx(norms, rel=2e-3, abs=1e-4)


def _f(array: Any) -> np.ndarray:
    return np.array(array.astype(mx.float32)).astype(np.float64)


def _norm(x: np.ndarray, layer: Any) -> np.ndarray:
    eps = getattr(layer, "eps", 1e-6)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * _f(layer.weight)


def _apply(layer: Any, x: np.ndarray) -> np.ndarray:
    return _f(layer(mx.array(x.astype(np.float32))[None]))[0]


def _rope(x: np.ndarray, position: int) -> np.ndarray:
    half = len(x) // 2
    angle = position / 10000.0 ** (np.arange(half) / half)
    a, b = x[:half], x[half:]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)])


def _slow_llama(model: Any, tokens: list[int]) -> tuple[list[Any], list[np.ndarray]]:
    x = _f(model.model.embed_tokens(mx.array(tokens)))
    n, maps, hidden = len(tokens), [], []
    for layer in model.model.layers:
        attention, normed = layer.self_attn, _norm(x, layer.input_layernorm)
        q, k, v = (_apply(p, normed) for p in (attention.q_proj, attention.k_proj, attention.v_proj))
        by_head, mixed = np.zeros((4, n, n)), np.zeros((n, 64))
        for head in range(4):
            mine, shared = slice(16 * head, 16 * head + 16), slice(16 * (head // 2), 16 * (head // 2) + 16)
            for i in range(n):
                scores = [_rope(q[i, mine], i) @ _rope(k[j, shared], j) / np.sqrt(16) for j in range(i + 1)]
                weights = np.exp(scores - np.max(scores))
                by_head[head, i, : i + 1] = weights / weights.sum()
            mixed[:, mine] = by_head[head] @ v[:, shared]
        x = x + _apply(attention.o_proj, mixed)
        x = x + _apply(layer.mlp, _norm(x, layer.post_attention_layernorm))
        maps.append(by_head)
        hidden.append(x)
    return maps, hidden


def _slow_delta(model: Any, tokens: list[int], arch: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    owner = model if arch == "qwen3_next" else model.language_model
    layer = owner.model.layers[0]
    net = layer.linear_attn
    x = _norm(_f(owner.model.embed_tokens(mx.array(tokens))), layer.input_layernorm)
    n, heads, dim = len(tokens), 4, 32
    if arch == "qwen3_next":
        parts = net.fix_query_key_value_ordering(
            mx.array(_apply(net.in_proj_qkvz, x).astype(np.float32))[None],
            mx.array(_apply(net.in_proj_ba, x).astype(np.float32))[None],
        )
        q, k, v, _, b, a = (_f(part)[0].reshape(n, -1) for part in parts)
        qkv = np.concatenate([q, k, v], axis=1)
    else:
        qkv, b, a = (_apply(p, x) for p in (net.in_proj_qkv, net.in_proj_b, net.in_proj_a))
    kernel = _f(net.conv1d.weight)[:, :, 0]
    padded = np.concatenate([np.zeros((3, qkv.shape[1])), qkv])
    mixed = np.stack([(padded[t : t + 4].T * kernel).sum(axis=1) for t in range(n)])
    mixed = mixed / (1 + np.exp(-mixed))
    keys, values = mixed[:, 64:128].reshape(n, 2, dim), mixed[:, 128:].reshape(n, heads, dim)
    keys = keys / np.sqrt((keys**2).sum(-1, keepdims=True) + 1e-6)
    decay = np.exp(-np.exp(_f(net.A_log)) * np.log1p(np.exp(a + _f(net.dt_bias))))
    write = 1 / (1 + np.exp(-b))
    norms = []
    for head in range(heads):
        state = np.zeros((dim, dim))
        for t in range(n):
            key, value = keys[t, head // 2], values[t, head]
            state = state * decay[t, head]
            state = state + np.outer(write[t, head] * (value - state @ key), key)
        norms.append(np.sqrt((state**2).sum()))
    return decay, write, np.array(norms)
