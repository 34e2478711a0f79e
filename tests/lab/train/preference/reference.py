"""The independent reference: every answer alone, without padding, and the formulas written out by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab.models.runtime import mx
from lab.preference.settings import ObjectiveSettings
from lab.train.preference.items import Pair


def answer_logp(model: Any, pair: Pair, tokens: np.ndarray) -> Any:
    """log p of one answer behind its prompt, over plain log-softmax of all logits; differentiable."""
    ids = mx.array(np.concatenate([pair.prompt, tokens]))
    logits = model(ids[None, :-1])[0]
    log_p = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    total = mx.array(0.0)
    for place in range(len(pair.prompt), len(ids)):
        total = total + log_p[place - 1, ids[place]]
    return total


def loss(
    xp: Any,
    pair: Pair,
    w: Any,
    l: Any,  # noqa: E741
    ref: tuple[float, float],
    s: ObjectiveSettings,
    kl: float = 0.0,
) -> Any:
    """The loss of one pair; `xp` is NumPy (float64) or MLX (to differentiate), w and l log-probabilities."""

    def log_sigma(x: Any) -> Any:
        return -xp.log(1 + xp.exp(-x))

    def sigma(x: Any) -> Any:
        return 1 / (1 + xp.exp(-x))

    def logit(p: Any) -> Any:
        return xp.log(p / (1 - p))

    rho_w, rho_l = w - ref[0], l - ref[1]
    mean_w, mean_l = w / len(pair.chosen), l / len(pair.rejected)
    zero = rho_w * 0
    penalty = xp.maximum(zero, -rho_w)
    match s.name:
        case "dpo":
            return -log_sigma(s.beta * (rho_w - rho_l))
        case "dpop" if s.placement == "inside":
            return -log_sigma(s.beta * (rho_w - rho_l - s.lambda_ * penalty))
        case "dpop":
            return -log_sigma(s.beta * (rho_w - rho_l)) + s.beta * s.lambda_ * penalty
        case "ipo":
            return (rho_w / len(pair.chosen) - rho_l / len(pair.rejected) - 1 / (2 * s.beta)) ** 2
        case "orpo":
            return -mean_w - s.lambda_ * log_sigma(logit(xp.exp(mean_w)) - logit(xp.exp(mean_l)))
        case "simpo":
            return -log_sigma(s.beta * (mean_w - mean_l) - s.gamma)
        case "cpo":
            return -log_sigma(s.beta * (w - l)) - s.alpha * w
        case _:
            chosen = s.desirable * (1 - sigma(s.beta * (rho_w - kl)))
            return chosen + s.undesirable * (1 - sigma(-s.beta * (rho_l - kl)))


def batch_loss(
    model: Any,
    pairs: Sequence[Pair],
    reference: Mapping[str, tuple[float, float]],
    s: ObjectiveSettings,
    kl: float = 0.0,
) -> Any:
    """The mean loss of a batch, pair by pair; KTO's is over answers. Differentiable."""
    total = mx.array(0.0)
    for pair in pairs:
        w, l = answer_logp(model, pair, pair.chosen), answer_logp(model, pair, pair.rejected)  # noqa: E741
        total = total + loss(mx, pair, w, l, reference[pair.key], s, kl)
    return total / (len(pairs) * (2 if s.name == "kto" else 1))
