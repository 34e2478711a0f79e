"""The two ways of looking at a step agree, and both are right on distributions made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.decode import statistics
from lab.decode.graph import GraphLook, _gumbel
from lab.decode.look import Draw, HostLook
from lab.decode.noise import gumbel, step_key
from lab.decode.sampling import choices
from lab.decode.statistics import Distributions
from lab.decode.types import Sampling
from lab.errors import LabError
from lab.measure import predictive
from lab.models.runtime import mx

SAMPLINGS = (
    Sampling(temperature=0.0),
    Sampling(),
    Sampling(temperature=1.3, top_p=1.0),
    Sampling(temperature=0.5, top_p=1.0, top_k=7),
    Sampling(temperature=1.0, top_p=0.8, min_p=0.05),
)


def random_logits(rows: int, vocab: int, scale: float, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((rows, vocab)) * scale).astype(np.float32)


@pytest.mark.parametrize("scale", [0.01, 1.0, 4.0, 60.0])
@pytest.mark.parametrize("vocab", [300, 20_000])
def test_graph_and_host_see_the_same(vocab, scale):
    logits = random_logits(5, vocab, scale)
    draws = [Draw(sampling, seed=3, step=9, alternatives=k) for k, sampling in enumerate(SAMPLINGS)]
    host, graph = HostLook(mx.array(logits), draws), GraphLook(mx.array(logits), draws)
    assert host.ids() == graph.ids()
    for row in range(5):
        (ours, sampling_entropy), (theirs, graph_sampling_entropy) = (
            host.statistics(row),
            graph.statistics(row),
        )
        for field in ("entropy_nats", "surprisal_nats", "p_top1", "margin"):
            assert getattr(ours, field) == pytest.approx(getattr(theirs, field), rel=1e-4, abs=1e-5)
        assert ours.rank == theirs.rank
        assert [i for i, _ in ours.alternatives] == [i for i, _ in theirs.alternatives]
        assert len(ours.alternatives) == row
        assert sampling_entropy == pytest.approx(graph_sampling_entropy, rel=1e-3, abs=1e-4)


def test_given_tokens_are_taken():
    logits = random_logits(2, 50, 1.0)
    draws = [Draw(Sampling(), 0, 0, 1, given=token) for token in (7, 9)]
    for look in (HostLook(mx.array(logits), draws), GraphLook(mx.array(logits), draws)):
        assert look.ids() == [7, 9]
        assert look.statistics(1)[0].rank == int((logits[1] > logits[1][9]).sum())


@pytest.mark.parametrize("look", [HostLook, GraphLook])
def test_masked_tokens_have_no_part(look):
    logits = np.full((1, 40), -np.inf, dtype=np.float32)
    logits[0, [4, 11]] = [2.0, 2.0]
    stats, _ = look(mx.array(logits), [Draw(Sampling(temperature=0.0), 0, 0, 2)]).statistics(0)
    assert stats.entropy_nats == pytest.approx(np.log(2), abs=1e-6)
    assert stats.alternatives == ((4, pytest.approx(0.5)), (11, pytest.approx(0.5)))
    assert stats.margin == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize("look", [HostLook, GraphLook])
def test_nan_is_an_error(look):
    logits = random_logits(1, 40, 1.0)
    logits[0, 3] = np.nan
    with pytest.raises(LabError, match="NaN"):
        look(mx.array(logits), [Draw(Sampling(), 0, 0, 2)]).statistics(0)


@given(st.integers(2, 200), st.floats(0.0, 30.0), st.integers(0, 2**32), st.integers(0, 4))
@settings(max_examples=150, deadline=None)
def test_statistics_equal_the_float64_reference(vocab, scale, seed, shift):
    z = random_logits(1, vocab, scale, seed) + np.float32(1000.0 * shift)
    token = seed % vocab
    stats = Distributions(z, k=5).statistics(0, token, k=5)
    assert stats.entropy_nats == pytest.approx(float(predictive.entropy_nats(z[0])), abs=2e-5)
    assert stats.surprisal_nats == pytest.approx(predictive.surprisal_nats(z[0], token), rel=1e-5, abs=2e-5)
    assert stats.p_top1 == pytest.approx(predictive.p_top1(z[0]), abs=1e-5)
    assert stats.margin == pytest.approx(predictive.margin(z[0]), abs=1e-5)
    assert stats.rank == predictive.rank(z[0], token)


def test_a_large_vocabulary_loses_no_precision():
    z = random_logits(2, 152_000, 1.5)
    rows = Distributions(z, k=5)
    for row in range(2):
        stats = rows.statistics(row, 77, k=5)
        assert stats.entropy_nats == pytest.approx(float(predictive.entropy_nats(z[row])), abs=2e-5)
        assert stats.surprisal_nats == pytest.approx(predictive.surprisal_nats(z[row], 77), abs=2e-5)
        assert [token for token, _ in stats.alternatives] == np.argsort(-z[row])[:5].tolist()


@given(st.integers(1, 9), st.lists(st.integers(-3, 3), min_size=1, max_size=60))
def test_alternatives_come_best_first_and_equal_ones_by_id(k, values):
    logits = np.array([values], dtype=np.float32)
    listed = [token for token, _ in Distributions(logits, k).statistics(0, 0, k).alternatives]
    assert listed == sorted(range(len(values)), key=lambda token: (-values[token], token))[:k]


def slow_survivors(p: np.ndarray, sampling: Sampling) -> set[int]:
    """By the definitions, one filter after the other, on probabilities in float64."""
    order = sorted(range(len(p)), key=lambda i: -p[i])
    kept = set(range(len(p)))
    if 0 < sampling.top_p < 1:
        mass, nucleus = 0.0, set()
        for i in order:
            nucleus.add(i)
            mass += p[i]
            if mass >= sampling.top_p:
                break
        kept &= nucleus
    if sampling.min_p > 0:
        kept &= {i for i in kept if p[i] >= sampling.min_p * p.max()}
    if sampling.top_k > 0:
        kept &= set(order[: sampling.top_k])
    return kept


@given(
    st.integers(2, 120),
    st.floats(0.1, 6.0),
    st.integers(0, 2**32),
    st.sampled_from([0.1, 0.5, 0.9, 0.97, 1.0]),
    st.sampled_from([0, 1, 5, 40]),
    st.sampled_from([0.0, 0.02, 0.3]),
)
@settings(max_examples=200, deadline=None)
def test_filters_leave_what_their_definitions_say(vocab, scale, seed, top_p, top_k_, min_p):
    sampling = Sampling(temperature=0.7, top_p=top_p, top_k=top_k_, min_p=min_p)
    rows = Distributions(random_logits(1, vocab, scale, seed), k=5)
    left = choices(rows, [0], [sampling])
    p = np.exp(predictive.log_probabilities(rows.logits[0]))
    expected = slow_survivors(p, sampling)
    difference = expected ^ set(left.token_ids.tolist())
    # Only a token whose mass puts it on the very edge may fall to either side.
    assert len(difference) <= 1
    assert not difference or sampling.top_p < 1
    kept = p[left.token_ids] ** (1 / 0.7)
    kept /= kept.sum()
    assert left.entropies_nats() == pytest.approx([-(kept * np.log(kept)).sum()], abs=1e-4)


def test_noise_is_gumbel_and_the_same_in_the_graph():
    ids = np.arange(20_000)
    noise = gumbel(step_key(42, 7), ids)
    in_graph = np.array(_gumbel([step_key(42, 7)], ids.size))[0]
    assert noise == pytest.approx(in_graph, rel=1e-4, abs=1e-5)
    assert noise.mean() == pytest.approx(np.euler_gamma, abs=0.04)
    assert noise.var() == pytest.approx(np.pi**2 / 6, abs=0.1)
    # Kolmogorov-Smirnov against exp(−exp(−x)), at a level of one in a thousand.
    ordered = np.sort(noise)
    distance = np.abs(np.exp(-np.exp(-ordered)) - (np.arange(ids.size) + 0.5) / ids.size).max()
    assert distance < 1.95 / np.sqrt(ids.size)


def test_noise_of_neighbouring_steps_seeds_and_tokens_is_unrelated():
    ids = np.arange(5_000)
    base = gumbel(step_key(1, 1), ids)
    others = [gumbel(step_key(*key), ids) for key in ((1, 2), (2, 1), (0, 0), (-1, 1))]
    others.append(np.roll(base, 1))
    assert all(abs(np.corrcoef(base, other)[0, 1]) < 0.06 for other in others)
    assert gumbel(step_key(1, 1), ids[[3, 77]]).tolist() == base[[3, 77]].tolist()


def test_equal_models_draw_equal_tokens_and_near_ones_mostly():
    """What makes a base and a tuned model comparable under one seed."""
    z = random_logits(1, 400, 2.0)[0]
    near = z + random_logits(1, 400, 0.05, seed=1)[0]
    sampling = Sampling(temperature=1.0, top_p=1.0)

    def drawn(logits: np.ndarray) -> list[int]:
        rows = Distributions(logits[None], k=0)
        left = choices(rows, [0], [sampling])
        return [left.draw([5], [step])[0] for step in range(400)]

    same = sum(a == b for a, b in zip(drawn(z), drawn(near), strict=True))
    assert drawn(z) == drawn(z.copy())
    assert same > 370


@given(st.integers(2, 90), st.floats(0.1, 6.0), st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_a_rows_token_and_figures_do_not_depend_on_its_company(vocab, scale, seed, count, block):
    logits = random_logits(count, vocab, scale, seed)
    draws = [Draw(SAMPLINGS[(seed + i) % len(SAMPLINGS)], seed + i, i, 3) for i in range(count)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "BLOCK_LOGITS", block * vocab)
        together = HostLook(logits, draws)
        for row, draw in enumerate(draws):
            alone = HostLook(logits[row : row + 1], [draw])
            assert together.ids()[row] == alone.ids()[0]
            assert together.statistics(row) == alone.statistics(0)


@given(st.lists(st.integers(-2, 2), min_size=2, max_size=12), st.integers(0, 11), st.integers(1, 4))
def test_ranks_count_the_larger_ones_among_equals(values, token, k):
    logits = np.array([values], dtype=np.float32)
    token %= len(values)
    found = Distributions(logits, k).statistics(0, token, k)
    assert found.rank == sum(value > values[token] for value in values)
