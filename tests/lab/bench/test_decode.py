"""The decode benchmarks measure what they say. No figure is asserted: those depend on the machine."""

from __future__ import annotations

import json

import pytest

from lab.bench.decode import as_mlx_lm_loads, battery_gain, stream_cost
from lab.bench.models import LLAMA_50M, write_random_llama
from lab.decode.types import Sampling
from lab.models.inspect import safetensors_header
from lab.models.load import load
from lab.models.runtime import mx
from tests.models import tiny_model


@pytest.fixture(scope="module")
def llama():
    return load(str(tiny_model("llama")))


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_stream_cost(llama, temperature):
    eos = set(llama.tokenizer.eos_token_ids)
    cost = stream_cost(llama, Sampling(temperature=temperature), tokens=6, turns=3)
    assert (cost.tokens, cost.turns, cost.temperature, cost.alternatives) == (6, 3, temperature, 5)
    assert cost.backend == llama.backend
    assert cost.computed_by.startswith("numpy, ") == llama.backend.startswith("cpu")
    assert min(cost.ours_ms_per_token, cost.peer_ms_per_token, cost.ratio, cost.ratio_cpu) > 0
    assert llama.tokenizer.eos_token_ids == eos


@pytest.mark.parametrize("kernel", [None, "Weigh what is said. " * 20])
def test_battery_gain(llama, kernel):
    prompts = ["One?", "Two?", "Three?"]
    gain = battery_gain(llama, prompts, ("named", kernel), Sampling(max_tokens=5), batch_size=2)
    assert (gain.answers, gain.conditions, gain.batch_size) == (3, ("named",), 2)
    assert gain.gain == pytest.approx(gain.ours_answers_per_s / gain.peer_answers_per_s)
    assert gain.gain_cpu > 0
    assert 0 < gain.ours_mean_tokens <= 5
    assert gain.peer_mean_tokens > 0


def test_the_peer_has_all_threads_while_the_batch_is_paused(llama, monkeypatch):
    from lab import blas
    from lab.bench import decode

    usual = [get() for get, _ in blas._threads()._knobs]
    seen = []
    generate = decode.generate

    def watched(*arguments, **options):
        seen.append([get() for get, _ in blas._threads()._knobs])
        return generate(*arguments, **options)

    monkeypatch.setattr(decode, "generate", watched)
    battery_gain(llama, ["One?"] * 4, ("baseline", None), Sampling(max_tokens=3), batch_size=2)
    assert seen == [usual] * len(seen)
    assert len(seen) >= 4


def test_the_peers_model_has_the_same_weights(llama):
    peer, ours = as_mlx_lm_loads(llama), llama.model
    tokens = mx.array([[5, 6, 7]])
    assert mx.allclose(peer(tokens), ours(tokens), atol=1e-4)
    assert peer is not ours


@pytest.mark.slow
def test_the_random_llama_has_fifty_million_parameters(tmp_path):
    folder = write_random_llama(tmp_path / "llama", tokenizer_from=str(tiny_model("llama")))
    sizes = [tensor["shape"] for tensor in safetensors_header(folder / "model.safetensors").values()]
    total = sum(shape[0] * (shape[1] if len(shape) > 1 else 1) for shape in sizes)
    assert total == pytest.approx(50e6, rel=0.05)
    assert json.loads((folder / "config.json").read_text()) == LLAMA_50M
