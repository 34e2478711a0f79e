"""Predictive entropy by hand: the definitions of entropy.md, section 1."""

from __future__ import annotations

import numpy as np
import pytest

from lab.decode.types import TokenStat
from lab.measure import predictive


def stat(entropy: float) -> TokenStat:
    return TokenStat(0, 0, "", entropy, 0.0, 0.0, 1.0, 1.0, 0)


def test_by_hand():
    logits = np.log([0.5, 0.25, 0.125, 0.125]) + 3.0
    assert float(predictive.entropy_nats(logits)) == pytest.approx(1.75 * np.log(2))
    assert predictive.surprisal_nats(logits, 2) == pytest.approx(np.log(8))
    assert predictive.p_top1(logits) == pytest.approx(0.5)
    assert predictive.margin(logits) == pytest.approx(0.25)
    assert [predictive.rank(logits, i) for i in range(4)] == [0, 1, 2, 2]
    assert predictive.share_of_maximum(np.log(4), 16) == pytest.approx(0.5)


def test_uniform_certain_and_masked():
    assert float(predictive.entropy_nats(np.zeros(1000))) == pytest.approx(np.log(1000))
    assert float(predictive.entropy_nats([1e4, 0.0, 0.0])) == 0.0
    assert float(predictive.entropy_nats([0.0, 0.0, -np.inf])) == pytest.approx(np.log(2))
    assert predictive.entropy_nats(np.zeros((3, 5))) == pytest.approx([np.log(5)] * 3)


def test_summary_of_an_answer():
    summary = predictive.summarize(stat(h) for h in [4.0, 1.0, 2.0, 3.0, 10.0])
    assert (summary.n, summary.mean_nats, summary.median_nats, summary.max_nats) == (5, 4.0, 3.0, 10.0)
    # Between the fourth (4.0) and fifth (10.0) value at position 0.9 · 4 = 3.6.
    assert summary.p90_nats == pytest.approx(4.0 + 0.6 * 6.0)


def test_summary_of_nothing():
    assert predictive.summarize([]) == predictive.EntropySummary(0, None, None, None, None)
