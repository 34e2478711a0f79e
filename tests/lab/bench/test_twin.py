"""The twin benchmark measures what it says. No figure is asserted: those depend on the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict

import pytest

from lab.bench import twin
from lab.bench.both import TwinPlan
from lab.bench.models import write_random_adapter
from lab.bench.twin import twin_cost, with_random_adapters
from lab.blas import BUNDLED
from lab.models.adapters import read_adapter
from lab.models.load import load
from lab.models.runtime import mx
from tests.models import tiny_model


@pytest.fixture(scope="module")
def llama():
    return load(str(tiny_model("llama")))


def test_both_sides_make_the_same_answers(llama, tmp_path, monkeypatch):
    made = {}

    def counting(loaded, rows, *, batch_size):
        for index, step in decode(loaded, rows, batch_size=batch_size):
            made.setdefault((batch_size, rows[index].variant, rows[index].seed), []).append(step)
            yield index, step

    decode = twin.batch
    monkeypatch.setattr(twin, "batch", counting)
    variants = with_random_adapters(llama, tmp_path, count=1)
    cost = twin_cost(llama, variants, tokens=6, turns=3)
    assert (cost.variants, cost.tokens, cost.turns, cost.parameters) == (2, 6, 3, llama.record.parameters)
    assert min(cost.together_ms_per_token, cost.apart_ms_per_token, cost.peer_ms_per_token) > 0
    assert min(cost.ratio, cost.ratio_cpu, cost.peer_ratio) > 0
    sides = {(size, variant) for size, variant, _ in made}
    assert sides == {(size, variant.id) for size in (1, 2) for variant in variants}
    for (_, variant, seed), steps in made.items():
        alone = made[1, variant, seed]
        assert [getattr(step, "token_id", None) for step in steps] == [
            getattr(step, "token_id", None) for step in alone
        ]
        assert len(steps) == 7


def test_the_peers_models_are_the_same_variants(llama, tmp_path):
    tokens = mx.array([[5, 6, 7]])
    for variant in with_random_adapters(llama, tmp_path, count=2):
        with llama.gate.open([variant.id]):
            ours = llama.model(tokens)
        assert mx.allclose(variant.peer(tokens), ours, atol=1e-4)


def test_random_adapters_are_on_every_linear_layer_of_the_blocks(llama, tmp_path):
    adapter = read_adapter(write_random_adapter(llama, tmp_path / "a", seed=1, rank=2, scale=20.0))
    assert len(adapter.modules()) == 2 * 7
    assert adapter.record.parameters == 2 * 2 * (2 * (64 + 64) + 2 * (64 + 32) + 3 * (64 + 128))


@pytest.mark.slow
def test_a_worker_prints_figures_by_model_and_number_of_variants():
    plan = TwinPlan(small_turns=1, small_tokens=4, llama_turns=1, llama_tokens=2)
    command = [sys.executable, "-m", "lab.bench.twin", "--worker", json.dumps(asdict(plan))]
    environment = {**os.environ, "LANTERN_BLAS": BUNDLED}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    figures = json.loads(run.stdout.splitlines()[-1])
    assert figures["backend"].startswith("cpu")
    shown = [(cost["model"], cost["variants"], cost["tokens"]) for cost in figures["costs"]]
    assert shown == [("wick", 2, 4), ("wick", 4, 4), ("llama-50m", 2, 2), ("llama-50m", 4, 2)]
