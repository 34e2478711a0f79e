"""The loop's promises: seeds, branches, stops, limits, text."""

from __future__ import annotations

from collections import Counter
from itertools import count

import numpy as np
import pytest

from lab.decode import host, loop
from lab.decode.loop import Row, batch, stream, teacher_forced
from lab.decode.types import Finish, Sampling, TokenStat
from lab.errors import LabError
from lab.models.runtime import mx
from tests.models import SPECIAL_TOKENS

PROMPT = [40, 41, 42, 43, 44]
SAMPLED = Sampling(temperature=1.0, top_p=0.95, max_tokens=60)


def tokens(steps) -> list[TokenStat]:
    return [step for step in steps if isinstance(step, TokenStat)]


def ids(steps) -> list[int]:
    return [step.token_id for step in tokens(steps)]


def test_a_seed_is_an_answer(loaded):
    model = loaded()
    again = [ids(stream(model, PROMPT, SAMPLED, seed=7)) for _ in range(2)]
    assert again[0] == again[1]
    assert len({tuple(ids(stream(model, PROMPT, SAMPLED, seed=seed))) for seed in range(6)}) == 6


def test_indices_count_up_and_one_finish_ends(loaded):
    steps = list(stream(loaded(), PROMPT, SAMPLED, seed=1))
    assert [step.index for step in tokens(steps)] == list(range(len(steps) - 1))
    assert isinstance(steps[-1], Finish)
    assert steps[-1].prompt_tokens == len(PROMPT)
    assert 0 < steps[-1].prefill_ms <= steps[-1].wall_ms
    assert steps[-1].peak_memory_bytes > 0


def test_first_token_is_drawn_from_the_tempered_nucleus(loaded):
    """Frequencies over seeds against the distribution computed apart, in float64."""
    model = loaded()
    sampling = Sampling(temperature=0.8, top_p=0.7, max_tokens=1)
    z = np.array(model.model(mx.array([PROMPT]))[0, -1]).astype(np.float64)
    p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    order = np.argsort(-p)
    nucleus = order[: int(np.searchsorted(np.cumsum(p[order]), 0.7)) + 1]
    tempered = p[nucleus] ** (1 / 0.8)
    expected = dict(zip(nucleus.tolist(), tempered / tempered.sum(), strict=True))
    n = 800
    rows = (Row(PROMPT, sampling, seed, alternatives=0) for seed in range(n))
    steps = [step for _, step in batch(model, rows, batch_size=64)]
    drawn = Counter(ids(steps))
    ended = n - sum(drawn.values())
    eos = sum(expected.pop(token, 0.0) for token in model.tokenizer.eos_token_ids)
    assert set(drawn) <= set(expected)
    chi_square = sum((drawn[t] - n * q) ** 2 / (n * q) for t, q in expected.items() if n * q >= 5)
    cells = sum(1 for q in expected.values() if n * q >= 5)
    assert chi_square < cells + 5 * np.sqrt(2 * cells), (chi_square, cells)
    assert ended == pytest.approx(n * eos, abs=5 * np.sqrt(n * eos + 1))
    h = -sum(q * np.log(q) for q in [*expected.values(), *([eos] if eos else [])])
    assert tokens(steps)[0].sampling_entropy_nats == pytest.approx(h, abs=1e-4)


@pytest.mark.parametrize("sampling", [SAMPLED, Sampling(temperature=0.0, max_tokens=60)])
@pytest.mark.parametrize("looking_on_cpu", [True, False])
def test_every_way_through_gives_the_same_answers(loaded, monkeypatch, sampling, looking_on_cpu):
    """NumPy alone, MLX with NumPy's statistics, and all in MLX's graph as on a GPU; rows come and go."""
    model = loaded()
    rows = [Row([*PROMPT, *range(60, 60 + 3 * i)], sampling, seed=i) for i in range(5)]

    def answers() -> dict[int, list[TokenStat]]:
        found: dict[int, list[TokenStat]] = {}
        for index, step in batch(model, rows, batch_size=3):
            found.setdefault(index, []).extend(tokens([step]))
        return found

    expected = answers()
    monkeypatch.setattr(host, "on_cpu", lambda: False)
    monkeypatch.setattr(loop, "on_cpu", lambda: looking_on_cpu)
    found = answers()
    for index in range(5):
        assert ids(found[index]) == ids(expected[index])
        for field in ("entropy_nats", "sampling_entropy_nats", "p_top1", "margin"):
            assert [getattr(stat, field) for stat in found[index]] == pytest.approx(
                [getattr(stat, field) for stat in expected[index]], abs=2e-4
            )


def test_greedy_has_no_sampling_entropy(loaded):
    stats = tokens(stream(loaded(), PROMPT, Sampling(temperature=0.0, max_tokens=5), seed=0))
    assert [stat.sampling_entropy_nats for stat in stats] == [0.0] * 5
    assert [stat.rank for stat in stats] == [0] * 5
    assert all(stat.alternatives[0].token_id == stat.token_id for stat in stats)


def test_a_branch_with_the_same_seed_goes_the_parents_way(loaded):
    model = loaded()
    parent = tokens(stream(model, PROMPT, SAMPLED, seed=3))
    head = [stat.token_id for stat in parent[:9]]
    branch = tokens(stream(model, PROMPT, SAMPLED, seed=3, prefix_token_ids=head))
    assert [stat.token_id for stat in branch] == [stat.token_id for stat in parent]
    assert "".join(stat.text for stat in branch) == "".join(stat.text for stat in parent)
    assert [stat.entropy_nats for stat in branch] == pytest.approx(
        [stat.entropy_nats for stat in parent], abs=2e-4
    )
    assert [stat.sampling_entropy_nats for stat in branch] == pytest.approx(
        [stat.sampling_entropy_nats for stat in parent], abs=2e-4
    )


def test_a_branch_takes_the_alternative_and_goes_on_from_it(loaded):
    model = loaded()
    parent = tokens(stream(model, PROMPT, SAMPLED, seed=3))
    other = next(a.token_id for a in parent[4].alternatives if a.token_id != parent[4].token_id)
    head = (*(stat.token_id for stat in parent[:4]), other)
    steps = list(batch(model, [Row(PROMPT, SAMPLED, 3, prefix_token_ids=head)] * 2, batch_size=2))
    for row in range(2):
        branch = tokens(step for index, step in steps if index == row)
        assert tuple(stat.token_id for stat in branch[:5]) == head
        reference = tokens(stream(model, [*PROMPT, *head], SAMPLED, seed=0))[0]
        assert branch[5].entropy_nats == pytest.approx(reference.entropy_nats, abs=2e-4)


def test_a_prefix_counts_towards_the_limit_and_may_end_the_answer(loaded):
    model = loaded()
    limit = Sampling(max_tokens=3)
    steps = list(stream(model, PROMPT, limit, seed=0, prefix_token_ids=[50, 51, 52, 53]))
    assert (ids(steps), steps[-1].reason) == ([50, 51, 52], "length")
    (eos,) = model.tokenizer.eos_token_ids
    steps = list(stream(model, PROMPT, SAMPLED, seed=0, prefix_token_ids=[50, eos, 51]))
    assert (ids(steps), steps[-1].reason) == ([50], "stop")


def test_limit_and_end_of_answer(loaded):
    model = loaded()
    for limit in (1, 2, 17):
        steps = list(stream(model, PROMPT, Sampling(temperature=0.0, max_tokens=limit), seed=0))
        assert (len(tokens(steps)), steps[-1].reason) == (limit, "length")


@pytest.mark.parametrize("sampling", [SAMPLED, Sampling(temperature=0.0, max_tokens=60)])
def test_the_token_that_ends_an_answer_is_no_part_of_it(loaded, monkeypatch, sampling):
    model = loaded()
    whole = list(stream(model, PROMPT, sampling, seed=6))
    at = next(i for i in range(5, 60) if ids(whole)[i] not in ids(whole)[:i])
    monkeypatch.setattr(model.tokenizer, "_eos_token_ids", {ids(whole)[at]})
    rows = [Row(PROMPT, sampling, 6), Row([*PROMPT, 60], sampling, 7), Row(PROMPT, sampling, 6)]
    steps = list(batch(model, rows, batch_size=2))
    for row in (0, 2):
        mine = [step for index, step in steps if index == row]
        assert ids(mine) == ids(whole)[:at]
        assert mine[-1].reason == "stop"


@pytest.mark.parametrize("batch_size", [1, 3])
def test_stopping_ends_every_live_row_within_one_token(loaded, batch_size):
    calls = count()
    steps = list(
        batch(
            loaded(),
            [Row(PROMPT, Sampling(max_tokens=500), seed) for seed in range(5)],
            batch_size=batch_size,
            should_stop=lambda: next(calls) > 40,
        )
    )
    finishes = {index: step for index, step in steps if isinstance(step, Finish)}
    assert set(finishes) == set(range(batch_size))
    assert {finish.reason for finish in finishes.values()} == {"cancelled"}
    assert len(tokens(step for _, step in steps)) <= 41 * batch_size


def test_one_row_can_be_cancelled_and_the_next_takes_its_place(loaded):
    produced: Counter[int] = Counter()
    reasons = {}
    alone = ids(stream(loaded(), PROMPT, Sampling(max_tokens=20), seed=2))
    texts: dict[int, list[int]] = {}
    rows = [Row(PROMPT, Sampling(max_tokens=20), seed) for seed in range(3)]
    for index, step in batch(
        loaded(), rows, batch_size=2, cancelled=lambda row: row == 0 and produced[0] >= 4
    ):
        if isinstance(step, Finish):
            reasons[index] = step.reason
        else:
            produced[index] += 1
            texts.setdefault(index, []).append(step.token_id)
    assert reasons[0] == "cancelled"
    assert produced[0] in (4, 5)
    assert texts[2] == alone


def test_stopping_while_a_long_prompt_is_read(loaded):
    calls = count()
    steps = list(stream(loaded(), [50] * 3000, SAMPLED, seed=0, should_stop=lambda: next(calls) >= 3))
    assert [type(step) for step in steps] == [Finish]
    assert steps[0].reason == "cancelled"


def test_rows_are_taken_only_when_there_is_room(loaded):
    taken = []

    def rows():
        for seed in range(6):
            taken.append(seed)
            yield Row(PROMPT, Sampling(temperature=0.0, max_tokens=4), seed)

    steps = batch(loaded(), rows(), batch_size=2)
    next(steps)
    assert len(taken) <= 2
    assert sorted(index for index, step in steps if isinstance(step, Finish)) == list(range(6))


def test_pieces_joined_are_the_decoded_answer(loaded):
    """A random model emits broken UTF-8 and special tokens all the time."""
    model = loaded()
    wild = Sampling(temperature=3.0, top_p=1.0, max_tokens=100)
    broken = 0
    for seed in range(5):
        answer = tokens(stream(model, PROMPT, wild, seed, alternatives=0))
        text = "".join(stat.text for stat in answer)
        assert text == model.tokenizer.decode([s.token_id for s in answer], skip_special_tokens=True)
        assert not any(special in text for special in SPECIAL_TOKENS)
        broken += text.count("\ufffd")
    assert broken > 5


def test_rank_counts_strictly_better_tokens(loaded):
    model = loaded()
    answer = tokens(stream(model, PROMPT, Sampling(temperature=2.5, top_p=1.0, max_tokens=25), seed=4))
    sequence = [*PROMPT, *(stat.token_id for stat in answer)]
    logits = np.array(model.model(mx.array([sequence]))[0])[len(PROMPT) - 1 :]
    ranks = [int((z > z[stat.token_id]).sum()) for z, stat in zip(logits, answer, strict=False)]
    near = [abs(stat.rank - rank) for stat, rank in zip(answer, ranks, strict=True)]
    assert max(near) <= 1
    assert max(ranks) > 3


def test_nan_logits_are_said_and_not_decoded(loaded):
    from dataclasses import replace

    model = loaded()

    class Broken:
        layers = model.model.layers

        def __call__(self, tokens, cache=None):
            return model.model(tokens, cache=cache) * float("nan")

    with pytest.raises(LabError, match="NaN"):
        list(stream(replace(model, model=Broken()), PROMPT, SAMPLED, seed=0))


def test_teacher_forced_of_nothing_and_of_special_tokens(loaded):
    model = loaded()
    assert teacher_forced(model, PROMPT, []) == []
    stats = teacher_forced(model, PROMPT, [50, 2, 51])
    assert [stat.text for stat in stats][1] == ""
    assert [stat.sampling_entropy_nats for stat in stats] == pytest.approx(
        [stat.entropy_nats for stat in stats], abs=1e-5
    )


def test_a_variant_needs_an_adapter(loaded):
    with pytest.raises(LabError, match="adapter"):
        list(batch(loaded(), [Row(PROMPT, SAMPLED, 0, variant="tuned")]))
