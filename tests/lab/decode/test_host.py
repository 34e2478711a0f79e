"""The llama family in NumPy: MLX's logits, whatever the company, the order of arrival and what is shared."""

from __future__ import annotations

import copy
import random
from dataclasses import replace

import numpy as np
import pytest

from lab import blas
from lab.decode import forward as forwarding
from lab.decode import host
from lab.decode.forward import forward, prefill
from lab.decode.host_cache import Attention, HostCache, Shape
from lab.decode.loop import Row, batch, never, stream
from lab.decode.prefix import PrefixCache
from lab.decode.types import Sampling, TokenStat
from lab.models.load import load
from lab.models.mlx_lm_api import stream_generate
from lab.models.runtime import mx
from tests.models import CONFIGS, tiny_model

FAMILY = ("llama", "mistral", "qwen2", "qwen3")
KERNEL = [11 + (5 * i) % 290 for i in range(64)]


def text(length: int, seed: int) -> list[int]:
    return random.Random(seed).choices(range(5, 380), k=length)


def reference(model, tokens: list[int]) -> np.ndarray:
    """MLX's logits after the last token, from one run without any cache."""
    return np.array(model.model(mx.array([tokens]))[0, -1])


def close(found, expected) -> bool:
    return bool(np.abs(np.asarray(found) - expected).max() < 1e-4 * max(np.abs(expected).max(), 1.0))


def joined(caches: list[list[HostCache]]) -> list[HostCache]:
    return [HostCache.merge([cache for (cache,) in caches])]


@pytest.fixture(params=FAMILY)
def model(request, loaded):
    return loaded(request.param)


def test_rows_of_any_length_have_mlxs_logits(model):
    texts = [text(length, length) for length in (3, 40, 17)]
    caches, firsts = zip(*(prefill(model, tokens, None, None, never) for tokens in texts), strict=True)
    assert all(close(first, reference(model, tokens)) for first, tokens in zip(firsts, texts, strict=True))
    cache = joined(list(caches))
    for step in range(4):
        more = [50 + step, 60 + step, 70 + step]
        texts = [[*tokens, one] for tokens, one in zip(texts, more, strict=True)]
        logits = forward(model, [[one] for one in more], cache, [None] * 3)[:, -1]
        assert isinstance(logits, np.ndarray)
        assert all(close(row, reference(model, tokens)) for row, tokens in zip(logits, texts, strict=True))


def test_several_positions_at_once_have_mlxs_logits(model):
    """As when a given text is scored: every position's logits, behind a prompt."""
    tokens = text(50, 1)
    cache, _ = prefill(model, tokens[:20], None, None, never)
    logits = forward(model, [tokens[20:]], cache, [None])[0]
    expected = np.array(model.model(mx.array([tokens]))[0])[20:]
    assert close(logits, expected)


@pytest.mark.parametrize("seed", range(6))
def test_rows_come_and_go(loaded, seed):
    """A random course of arrivals, departures and steps: every row's logits stay its own."""
    model, dice = loaded(), random.Random(seed)
    prefixes = PrefixCache()
    cache: list[HostCache] = []
    texts: list[list[int]] = []
    for turn in range(14):
        if len(texts) < 2 or dice.random() < 0.4:
            arriving = [
                [*KERNEL[: dice.choice((0, 48, 64))], *text(dice.randint(1, 30), 100 * turn + i)]
                for i in range(dice.randint(1, 3))
            ]
            fresh = joined([prefill(model, tokens, None, prefixes, never)[0] for tokens in arriving])
            if cache:
                cache[0].extend(fresh[0])
            else:
                cache = fresh
            texts += arriving
        elif dice.random() < 0.5:
            stay = sorted(dice.sample(range(len(texts)), k=dice.randint(1, len(texts))))
            cache[0].filter(stay)
            texts = [texts[place] for place in stay]
        else:
            texts = [[*tokens, dice.randrange(5, 380)] for tokens in texts]
            logits = forward(model, [tokens[-1:] for tokens in texts], cache, [None] * len(texts))[:, -1]
            for row, tokens in zip(logits, texts, strict=True):
                assert close(row, reference(model, tokens)), (turn, len(texts))


def test_attention_is_one_softmax_over_what_is_shared_and_what_is_own():
    """Against the definition in float64, with three query heads to a key head."""
    noise = np.random.default_rng(0)
    shape = Shape(layers=1, heads=2, size=8)

    def draw(*size: int) -> np.ndarray:
        return noise.standard_normal(size).astype(np.float32)

    row = HostCache(shape)
    old_keys, old_values = draw(1, 9, 2, 8), draw(1, 9, 2, 8)
    row.advance(9).write(0, old_keys, old_values)
    cache = HostCache.merge([copy.deepcopy(row), copy.deepcopy(row), HostCache(shape)])
    assert cache.prefixes[0] is not None
    texts = {slot: [(old_keys[0], old_values[0])] if slot < 2 else [] for slot in range(3)}
    for _ in range(3):
        attention = cache.advance(2)
        keys, values, queries = draw(3, 2, 2, 8), draw(3, 2, 2, 8), 3 * draw(3, 2, 6, 8)
        attention.write(0, keys, values)
        seen = attention(0, queries)
        for slot in range(3):
            texts[slot].append((keys[slot], values[slot]))
            k, v = (np.concatenate(part).astype(np.float64) for part in zip(*texts[slot], strict=True))
            for position in range(2):
                visible = len(k) - 1 + position
                for head in range(6):
                    scores = k[:visible, head // 3] @ queries[slot, position, head]
                    weights = np.exp(scores - scores.max())
                    expected = weights @ v[:visible, head // 3] / weights.sum()
                    assert seen[slot, position, head] == pytest.approx(expected, abs=1e-5)


def test_what_rows_share_is_held_once(loaded):
    model, prefixes = loaded(), PrefixCache()
    caches = [prefill(model, [*KERNEL, 9, i, 7], None, prefixes, never)[0] for i in range(5)]
    shared = [cache.prefixes[0] for (cache,) in caches[1:]]
    assert shared[0] is not None
    assert shared[0].length == 64
    assert all(prefix is shared[0] for prefix in shared)
    (together,) = joined(caches[1:])
    per_position = 2 * 4 * CONFIGS["llama"]["num_hidden_layers"] * 2 * 16
    assert together.nbytes < (64 + 4 * 256) * per_position


def test_a_shared_kernel_is_one_product_for_all_its_rows(loaded, monkeypatch):
    model, prefixes = loaded(), PrefixCache()
    prefill(model, [*KERNEL, 9, 9, 9], None, prefixes, never)
    cache = joined([prefill(model, [*KERNEL, 9, i], None, prefixes, never)[0] for i in range(4)])
    groups = []
    original = Attention.__call__

    def counting(self, layer, queries):
        groups.append([rows for _, rows in self._groups])
        return original(self, layer, queries)

    monkeypatch.setattr(Attention, "__call__", counting)
    forward(model, [[8]] * 4, cache, [None] * 4)
    assert groups == [[slice(None)]] * CONFIGS["llama"]["num_hidden_layers"]


def test_a_copy_goes_its_own_way(loaded):
    model = loaded()
    cache, _ = prefill(model, KERNEL, None, None, never)
    branches = [model_bound(model, copy.deepcopy(cache[0])) for _ in range(2)]
    for token, branch in zip((20, 30), branches, strict=True):
        logits = forward(model, [[token]], branch, [None])[0, -1]
        assert close(logits, reference(model, [*KERNEL, token]))
    assert close(forward(model, [[40]], cache, [None])[0, -1], reference(model, [*KERNEL, 40]))


def model_bound(model, cache: HostCache) -> list[HostCache]:
    found = host.host_model(model, None)
    assert found is not None
    return [found.new_cache(cache)]


def test_a_prompt_read_in_pieces_and_far_positions(loaded, monkeypatch):
    """Beyond the first block of the rotary table, in chunks that divide nothing evenly."""
    model, tokens = loaded(), text(1100, 3)
    monkeypatch.setattr(forwarding, "PREFILL_TOKENS", 97)
    cache, logits = prefill(model, tokens, None, None, never)
    assert close(logits[0], reference(model, tokens))
    assert close(forward(model, [[33]], cache, [None])[0, -1], reference(model, [*tokens, 33]))


def test_scaled_frequencies_are_the_models_own(tmp_path, monkeypatch):
    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }
    monkeypatch.setitem(CONFIGS, "llama", {**CONFIGS["llama"], "rope_scaling": scaling})
    model, tokens = load(str(tiny_model.__wrapped__("llama"))), text(200, 5)
    assert host.host_model(model, None) is not None
    assert close(prefill(model, tokens, None, None, never)[1][0], reference(model, tokens))


@pytest.mark.parametrize("arch", FAMILY)
def test_greedy_answers_are_mlx_lms(loaded, arch):
    model, greedy = loaded(arch), Sampling(temperature=0.0, max_tokens=24)
    ours = [s.token_id for s in stream(model, KERNEL, greedy, seed=0) if isinstance(s, TokenStat)]
    theirs = [r.token for r in stream_generate(model.model, model.tokenizer, KERNEL, max_tokens=24)]
    assert ours == [token for token in theirs if token not in model.tokenizer.eos_token_ids]


@pytest.mark.parametrize("arch", ["gemma3_text", "olmo3", "qwen3_next", "qwen3_5"])
def test_other_architectures_stay_with_mlx(loaded, arch):
    assert host.host_model(loaded(arch), None) is None


def test_quantized_weights_rewritten_layers_and_pairs_side_by_side_stay_with_mlx(loaded, monkeypatch):
    assert host.host_model(loaded("llama", True), None) is None
    model = loaded()

    class Other:
        layers = model.model.layers

    assert host.host_model(replace(model, model=Other()), None) is None
    monkeypatch.setitem(CONFIGS, "llama", {**CONFIGS["llama"], "rope_traditional": True})
    assert host.host_model(load(str(tiny_model.__wrapped__("llama"))), None) is None


def test_a_gpu_stays_with_mlx(loaded, monkeypatch):
    monkeypatch.setattr(host, "on_cpu", lambda: False)
    assert host.host_model(loaded(), None) is None


def test_a_model_that_computes_otherwise_is_found_out(monkeypatch):
    """Should mlx-lm's models change under the same names, the proof fails and MLX decodes."""
    folder = str(tiny_model("llama"))
    assert host.host_model(load(folder), None) is not None
    monkeypatch.setattr(host, "silu_times", lambda gate, up: np.maximum(gate, 0) * up)
    changed = load(folder)
    assert host.host_model(changed, None) is None
    cache, logits = prefill(changed, KERNEL, None, None, never)
    assert not isinstance(cache[0], HostCache)
    assert close(logits[0], reference(changed, KERNEL))


def test_weights_that_have_changed_since_are_seen():
    model = load(str(tiny_model("llama")))
    before = prefill(model, KERNEL, None, None, never)[1][0]
    projection = model.model.model.layers[0].mlp.down_proj
    projection.weight = projection.weight * 1.5
    after = prefill(model, KERNEL, None, None, never)[1][0]
    assert not close(after, before)
    assert close(after, reference(model, KERNEL))


@pytest.mark.parametrize("small", [True, False])
def test_small_passes_run_on_one_thread(loaded, monkeypatch, small):
    usual, seen = blas_threads(), set()
    original = Attention.__call__

    def watching(self, layer, queries):
        seen.add(blas_threads())
        return original(self, layer, queries)

    monkeypatch.setattr(Attention, "__call__", watching)
    monkeypatch.setattr(host, "ONE_THREAD_MULTIPLICATIONS", 10**9 if small else 0)
    prefill(loaded(), KERNEL, None, None, never)
    assert seen == {(1,) * len(usual) if small else usual}
    assert blas_threads() == usual


def blas_threads() -> tuple[int, ...]:
    return tuple(get() for get, _ in blas._threads()._knobs)


def test_memory_counts_weights_keys_and_values(loaded):
    rows = [Row(text(30, i), Sampling(max_tokens=5), i) for i in range(2)]
    finish = [step for _, step in batch(loaded(), rows, batch_size=2) if not isinstance(step, TokenStat)][-1]
    config = CONFIGS["llama"]
    keys_and_values = 2 * 2 * 30 * config["num_hidden_layers"] * 2 * 16 * 4
    assert finish.peak_memory_bytes > 4 * loaded().record.parameters + keys_and_values
