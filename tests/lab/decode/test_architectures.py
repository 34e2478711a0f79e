"""Every architecture, float and 4-bit: right entropies, mlx-lm's tokens, batches equal to singles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lab.decode.loop import Row, batch, stream, teacher_forced
from lab.decode.prefix import PrefixCache
from lab.decode.types import Finish, Sampling, TokenStat
from lab.measure import predictive
from lab.models.mlx_lm_api import stream_generate
from lab.models.runtime import mx
from tests.models import ARCHITECTURES

GREEDY = Sampling(temperature=0.0, max_tokens=24)
SAMPLED = Sampling(max_tokens=24)
LONG_PROMPT = [10 + (7 * i) % 300 for i in range(70)]
"""Longer than the sliding windows of the tiny models, so that they wrap."""


EVERYDAY_QUANTIZED = ("llama", "gemma3_text", "qwen3_5")
CASES = [
    pytest.param(
        (arch, quantized),
        id=f"{arch}-{'4bit' if quantized else 'float'}",
        marks=[pytest.mark.slow] if quantized and arch not in EVERYDAY_QUANTIZED else [],
    )
    for arch in ARCHITECTURES
    for quantized in (False, True)
]


@pytest.fixture(params=CASES)
def model(request, loaded):
    return loaded(*request.param)


def tokens(steps) -> list[TokenStat]:
    return [step for step in steps if isinstance(step, TokenStat)]


def ids(steps) -> list[int]:
    return [step.token_id for step in tokens(steps)]


def reference_logits(model, prompt: list[int], answer: list[int]) -> np.ndarray:
    """Raw logits before each token of the answer, from one run of the whole text without any cache."""
    logits = model.model(mx.array([[*prompt, *answer]]))[0].astype(mx.float32)
    return np.array(logits)[len(prompt) - 1 : -1].astype(np.float64)


def test_statistics_are_those_of_the_models_logits(model):
    answer = tokens(stream(model, LONG_PROMPT, SAMPLED, seed=5))
    logits = reference_logits(model, LONG_PROMPT, [stat.token_id for stat in answer])
    assert len(answer) >= 5
    for stat, z in zip(answer, logits, strict=True):
        assert stat.entropy_nats == pytest.approx(float(predictive.entropy_nats(z)), abs=1e-4)
        assert stat.surprisal_nats == pytest.approx(predictive.surprisal_nats(z, stat.token_id), abs=1e-3)
        assert stat.p_top1 == pytest.approx(predictive.p_top1(z), abs=1e-4)
        assert stat.margin == pytest.approx(predictive.margin(z), abs=1e-4)
        p = np.exp(predictive.log_probabilities(z))
        for alternative in stat.alternatives:
            assert alternative.p == pytest.approx(p[alternative.token_id], abs=1e-4)


def test_greedy_tokens_are_mlx_lms(model):
    ours = list(stream(model, LONG_PROMPT, GREEDY, seed=0))
    theirs = list(stream_generate(model.model, model.tokenizer, LONG_PROMPT, max_tokens=GREEDY.max_tokens))
    peer_ids = [r.token for r in theirs if r.token not in model.tokenizer.eos_token_ids]
    assert ids(ours) == peer_ids
    assert ours[-1].reason == theirs[-1].finish_reason


def test_rows_of_a_batch_equal_single_answers(model):
    """Rows of different length, settings and limits, more of them than places."""
    rows = [
        Row(LONG_PROMPT[: 66 - 9 * i], replace(SAMPLED if i % 3 else GREEDY, max_tokens=8 + 4 * i), i, i % 4)
        for i in range(5)
    ]
    steps: dict[int, list[TokenStat | Finish]] = {}
    for index, step in batch(model, rows, batch_size=3):
        steps.setdefault(index, []).append(step)
    for index, row in enumerate(rows):
        alone = list(stream(model, row.prompt_ids, row.sampling, row.seed, alternatives=row.alternatives))
        assert ids(steps[index]) == ids(alone)
        assert steps[index][-1].reason == alone[-1].reason
        assert [t.entropy_nats for t in tokens(steps[index])] == pytest.approx(
            [t.entropy_nats for t in tokens(alone)], abs=2e-4
        )


def test_a_given_text_is_scored_as_it_was_streamed(model):
    answer = tokens(stream(model, LONG_PROMPT, SAMPLED, seed=1, alternatives=3))
    scored = teacher_forced(model, LONG_PROMPT, [stat.token_id for stat in answer], alternatives=3)
    assert [stat.text for stat in scored] == [stat.text for stat in answer]
    for field in ("entropy_nats", "surprisal_nats", "p_top1", "margin"):
        assert [getattr(s, field) for s in scored] == pytest.approx(
            [getattr(s, field) for s in answer], abs=2e-4
        )


def test_a_prefix_cache_changes_nothing_but_the_work(model):
    kernel = [11 + (5 * i) % 290 for i in range(100)]
    prompts = [[*kernel, *range(20 + i, 30 + i)] for i in range(4)]
    cache = PrefixCache()
    for seed, prompt in enumerate(prompts):
        with_cache = tokens(stream(model, prompt, SAMPLED, seed, prefix_cache=cache))
        without = tokens(stream(model, prompt, SAMPLED, seed))
        assert [s.token_id for s in with_cache] == [s.token_id for s in without]
        assert [s.entropy_nats for s in with_cache] == pytest.approx(
            [s.entropy_nats for s in without], abs=2e-4
        )
    assert len(cache) >= 1
    owner = f"{model.record.id}/None"
    assert max(cache.longest(name, prompts[0])[0] for name in (owner, f"{owner}/host")) >= 96
