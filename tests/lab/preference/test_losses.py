"""Every loss against its formula in float64, every gradient against central differences of that formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lab.errors import LabError
from lab.models.runtime import mx
from lab.preference.losses import (
    AnswerLogps,
    PairLogps,
    kto_losses,
    log_sigmoid,
    mismatched_kl,
    pair_losses,
    pair_metrics,
)
from lab.preference.settings import DEFAULTS, ObjectiveSettings

RNG = np.random.default_rng(11)
PAIRS = 40
TOKENS_W, TOKENS_L = RNG.integers(1, 60, PAIRS), RNG.integers(1, 60, PAIRS)
CHOSEN, REJECTED = -RNG.uniform(0.05, 4, PAIRS) * TOKENS_W, -RNG.uniform(0.05, 4, PAIRS) * TOKENS_L
REF_CHOSEN = CHOSEN + RNG.normal(0, 3, PAIRS)
REF_REJECTED = REJECTED + RNG.normal(0, 3, PAIRS)


def _sigma(x: np.ndarray) -> Any:
    return 1 / (1 + np.exp(-x))


def _logit(p: np.ndarray) -> Any:
    return np.log(p / (1 - p))


def _reference_loss(settings: ObjectiveSettings, w: np.ndarray, l: np.ndarray) -> np.ndarray:  # noqa: E741
    rho_w, rho_l = w - REF_CHOSEN, l - REF_REJECTED
    mean_w, mean_l = w / TOKENS_W, l / TOKENS_L
    beta, weight = settings.beta, settings.lambda_
    penalty = np.maximum(0, -rho_w)
    formulas: dict[str, Callable[[], np.ndarray]] = {
        "dpo": lambda: -np.log(_sigma(beta * (rho_w - rho_l))),
        "dpop": lambda: (
            -np.log(_sigma(beta * (rho_w - rho_l - weight * penalty)))
            if settings.placement == "inside"
            else -np.log(_sigma(beta * (rho_w - rho_l))) + beta * weight * penalty
        ),
        "ipo": lambda: (rho_w / TOKENS_W - rho_l / TOKENS_L - 1 / (2 * beta)) ** 2,
        "orpo": lambda: -mean_w - weight * np.log(_sigma(_logit(np.exp(mean_w)) - _logit(np.exp(mean_l)))),
        "simpo": lambda: -np.log(_sigma(beta * (mean_w - mean_l) - settings.gamma)),
        "cpo": lambda: -np.log(_sigma(beta * (w - l))) - settings.alpha * w,
    }
    return formulas[settings.name]()


def _logps(w: np.ndarray, l: np.ndarray) -> PairLogps:  # noqa: E741
    return PairLogps(
        chosen=mx.array(w, dtype=mx.float32),
        rejected=mx.array(l, dtype=mx.float32),
        chosen_tokens=mx.array(TOKENS_W, dtype=mx.float32),
        rejected_tokens=mx.array(TOKENS_L, dtype=mx.float32),
    )


CASES = [
    *(settings for name, settings in DEFAULTS.items() if name not in ("kto", "dpop")),
    replace(DEFAULTS["dpop"], lambda_=0.7),
    replace(DEFAULTS["dpop"], lambda_=0.7, placement="outside"),
    replace(DEFAULTS["dpo"], beta=0.01),
]


@pytest.mark.parametrize("settings", CASES, ids=lambda s: f"{s.name}-{s.placement}-{s.beta}")
def test_losses_and_gradients_equal_the_formulas(settings: ObjectiveSettings) -> None:
    reference = _logps(REF_CHOSEN, REF_REJECTED) if settings.needs_reference else None
    losses = np.array(pair_losses(_logps(CHOSEN, REJECTED), reference, settings))
    expected = _reference_loss(settings, CHOSEN, REJECTED)
    np.testing.assert_allclose(losses, expected, rtol=2e-5, atol=1e-5)

    def total(w: mx.array, l: mx.array) -> Any:  # noqa: E741
        policy = replace(_logps(CHOSEN, REJECTED), chosen=w, rejected=l)
        return pair_losses(policy, reference, settings).sum()

    ours = mx.grad(total, argnums=(0, 1))(_logps(CHOSEN, REJECTED).chosen, _logps(CHOSEN, REJECTED).rejected)
    h = 1e-5
    slow_w = (
        _reference_loss(settings, CHOSEN + h, REJECTED) - _reference_loss(settings, CHOSEN - h, REJECTED)
    ) / (2 * h)
    slow_l = (
        _reference_loss(settings, CHOSEN, REJECTED + h) - _reference_loss(settings, CHOSEN, REJECTED - h)
    ) / (2 * h)
    np.testing.assert_allclose(np.array(ours[0]), slow_w, rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(np.array(ours[1]), slow_l, rtol=1e-4, atol=2e-5)


def test_kto_equals_its_formula_and_its_kl_has_no_gradient() -> None:
    settings = ObjectiveSettings(name="kto", beta=0.1, desirable=1.3, undesirable=0.7)
    desirable = RNG.integers(0, 2, PAIRS)
    kl = max(0.0, float((REJECTED - REF_REJECTED).mean()))
    ratio = CHOSEN - REF_CHOSEN
    sign = np.where(desirable == 1, 1.0, -1.0)
    expected = np.where(desirable == 1, 1.3, 0.7) * (1 - _sigma(sign * 0.1 * (ratio - kl)))

    def losses(logps: mx.array, other: mx.array) -> Any:
        estimate = mismatched_kl(other, mx.array(REF_REJECTED, dtype=mx.float32))
        answers = AnswerLogps(
            logps=logps,
            reference=mx.array(REF_CHOSEN, dtype=mx.float32),
            desirable=mx.array(desirable, dtype=mx.float32),
            kl=estimate,
        )
        return kto_losses(answers, settings)

    own, other = mx.array(CHOSEN, dtype=mx.float32), mx.array(REJECTED, dtype=mx.float32)
    np.testing.assert_allclose(np.array(losses(own, other)), expected, rtol=2e-5, atol=1e-6)
    gradients = mx.grad(lambda a, b: losses(a, b).sum(), argnums=(0, 1))(own, other)
    assert not np.array(gradients[1]).any()
    slope = np.where(desirable == 1, 1.3, 0.7) * -sign * 0.1
    at = _sigma(sign * 0.1 * (ratio - kl))
    np.testing.assert_allclose(np.array(gradients[0]), slope * at * (1 - at), rtol=1e-4, atol=1e-6)


def test_accuracies_are_per_pair_and_rewards_follow_the_reference() -> None:
    policy, reference = _logps(CHOSEN, REJECTED), _logps(REF_CHOSEN, REF_REJECTED)
    found = {
        name: np.array(value) for name, value in pair_metrics(policy, reference, DEFAULTS["dpop"]).items()
    }
    rho_w, rho_l = CHOSEN - REF_CHOSEN, REJECTED - REF_REJECTED
    np.testing.assert_allclose(found["rewards/margins"], 0.3 * (rho_w - rho_l), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found["rewards/accuracies"], (rho_w > rho_l).astype(np.float32))
    np.testing.assert_array_equal(found["penalty_active"], (rho_w < 0).astype(np.float32))
    assert 0 < found["rewards/accuracies"].mean() < 1
    assert "penalty_active" not in pair_metrics(policy, reference, DEFAULTS["dpo"])
    assert "chosen_below_reference" not in pair_metrics(policy, None, DEFAULTS["orpo"])


@pytest.mark.parametrize("mean", [-1e-9, -1e-4, -0.6931, -0.6932, -30.0, -200.0])
def test_orpo_stays_finite_for_sure_and_hopeless_answers(mean: float) -> None:
    one = mx.array([1.0])
    policy = PairLogps(
        chosen=mx.array([mean]), rejected=mx.array([-2.0]), chosen_tokens=one, rejected_tokens=one
    )
    assert np.isfinite(np.array(pair_losses(policy, None, DEFAULTS["orpo"]))).all()


def test_log_sigmoid_at_both_ends() -> None:
    np.testing.assert_allclose(
        np.array(log_sigmoid(mx.array([-1e4, 0.0, 1e4]))), [-1e4, -np.log(2), 0.0], atol=1e-6
    )


def test_what_is_missing_is_named() -> None:
    with pytest.raises(LabError, match="dpo compares with the reference"):
        pair_losses(_logps(CHOSEN, REJECTED), None, DEFAULTS["dpo"])
    with pytest.raises(LabError, match="single answers"):
        pair_losses(_logps(CHOSEN, REJECTED), _logps(CHOSEN, REJECTED), DEFAULTS["kto"])
    with pytest.raises(LabError, match="none of sft, dpo"):
        ObjectiveSettings(name="ppo")  # type: ignore[arg-type]
    with pytest.raises(LabError, match="beta"):
        ObjectiveSettings(name="dpo", beta=0.0)
