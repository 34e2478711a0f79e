"""The preference losses, per pair, from log-probabilities summed over completion tokens.

ρ_y = log π(y|x) − log π_ref(y|x), ℓ̄ the mean token log-probability, w chosen, l rejected. Every array is
`(pairs,)` in float32. Formulas: DPO arXiv 2305.18290, DPOP 2402.13228, IPO 2310.12036, ORPO 2403.07691, SimPO
2405.14734, CPO 2401.08417, KTO 2402.01306.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.errors import LabError
from lab.models.runtime import mx
from lab.preference.settings import ObjectiveSettings

Array = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLogps:
    """Log-probabilities of chosen and rejected answers, summed over completion tokens; how many those are."""

    chosen: Array
    rejected: Array
    chosen_tokens: Array
    rejected_tokens: Array

    @property
    def chosen_mean(self) -> Array:
        return self.chosen / self.chosen_tokens

    @property
    def rejected_mean(self) -> Array:
        return self.rejected / self.rejected_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLogps:
    """Single answers for KTO: summed log-probabilities, `desirable` 1 or 0, `kl` the detached estimate."""

    logps: Array
    reference: Array
    desirable: Array
    kl: Array


def pair_losses(policy: PairLogps, reference: PairLogps | None, settings: ObjectiveSettings) -> Array:
    """The loss of every pair, `(pairs,)`, in nats (IPO: reward units squared).

    Raises LabError when the objective needs the reference and there is none, or takes no pairs.
    """
    if settings.name == "kto":
        raise LabError("kto reads single answers with a label, not pairs")
    if settings.needs_reference:
        return _against_reference(policy, _present(reference, settings), settings)
    match settings.name:
        case "orpo":
            return -policy.chosen_mean - settings.lambda_ * log_sigmoid(log_odds_ratio(policy))
        case "simpo":
            return -log_sigmoid(settings.beta * (policy.chosen_mean - policy.rejected_mean) - settings.gamma)
        case _:
            gap = policy.chosen - policy.rejected
            return -log_sigmoid(settings.beta * gap) - settings.alpha * policy.chosen


def kto_losses(answers: AnswerLogps, settings: ObjectiveSettings) -> Array:
    """KTO's loss of every answer: w(y)·(1 − σ(±β(ρ_y − KL))), + for desirable ones."""
    sign = 2.0 * answers.desirable - 1.0
    weight = mx.where(answers.desirable > 0.5, settings.desirable, settings.undesirable)
    ratio = answers.logps - answers.reference
    return weight * (1.0 - mx.sigmoid(sign * settings.beta * (ratio - mx.stop_gradient(answers.kl))))


def mismatched_kl(policy: Array, reference: Array) -> Array:
    """KTO's detached KL estimate from answers put to other prompts: max(0, mean of their log ratios)."""
    return mx.stop_gradient(mx.maximum(mx.mean(policy - reference), 0.0))


def log_odds_ratio(policy: PairLogps) -> Array:
    """ORPO's logit e^ℓ̄_w − logit e^ℓ̄_l."""
    chosen, rejected = policy.chosen_mean, policy.rejected_mean
    return (chosen - rejected) - (_log1m_exp(chosen) - _log1m_exp(rejected))


def log_sigmoid(x: Array) -> Array:
    """ln σ(x) without overflow at either end."""
    return -mx.logaddexp(mx.zeros_like(x), -x)


def pair_metrics(
    policy: PairLogps, reference: PairLogps | None, settings: ObjectiveSettings
) -> dict[str, Array]:
    """What TRL reports, under its names, as arrays `(pairs,)`; the caller averages.

    Rewards are β·ρ where the objective has a reference. SimPO's are β·ℓ̄, CPO's β·log π and ORPO's λ·ℓ̄: they
    must share no axis with these and are called simpo/chosen and so on. Accuracies are per pair; a tie
    counts half, since before the first step there is nothing else. With a reference there are the log-ratios
    ρ too, in nats under every objective.
    """
    chosen, rejected = _rewards(policy, reference, settings)
    kind = "rewards" if settings.needs_reference else settings.name
    found = {
        f"{kind}/chosen": chosen,
        f"{kind}/rejected": rejected,
        f"{kind}/margins": chosen - rejected,
        "rewards/accuracies": 0.5 * (1.0 + mx.sign(chosen - rejected)),
        "logps/chosen": policy.chosen,
        "logps/rejected": policy.rejected,
        "nll_loss": -policy.chosen_mean,
        "length_gap": policy.chosen_tokens - policy.rejected_tokens,
    }
    if reference is not None:
        ratio = policy.chosen - reference.chosen
        below = (ratio < 0.0).astype(mx.float32)
        found |= {"log_ratio/chosen": ratio, "log_ratio/rejected": policy.rejected - reference.rejected}
        found |= {"chosen_below_reference": below}
        if settings.name == "dpop":
            found |= {"penalty_active": below}
    if settings.name == "orpo":
        odds = log_odds_ratio(policy)
        found |= {"log_odds_chosen": odds, "log_odds_ratio": log_sigmoid(odds)}
    return found


def _present(reference: PairLogps | None, settings: ObjectiveSettings) -> PairLogps:
    if reference is None:
        raise LabError(
            f"{settings.name} compares with the reference model; its log-probabilities are missing"
        )
    return reference


def _against_reference(policy: PairLogps, reference: PairLogps, settings: ObjectiveSettings) -> Array:
    match settings.name:
        case "dpop":
            return _dpop(policy, reference, settings)
        case "ipo":
            return _ipo(policy, reference, settings)
        case _:
            return -log_sigmoid(settings.beta * _log_ratio_gap(policy, reference))


def _log_ratio_gap(policy: PairLogps, reference: PairLogps) -> Array:
    return (policy.chosen - reference.chosen) - (policy.rejected - reference.rejected)


def _dpop(policy: PairLogps, reference: PairLogps, settings: ObjectiveSettings) -> Array:
    gap = _log_ratio_gap(policy, reference)
    penalty = settings.lambda_ * mx.maximum(reference.chosen - policy.chosen, 0.0)
    if settings.placement == "inside":
        return -log_sigmoid(settings.beta * (gap - penalty))
    return -log_sigmoid(settings.beta * gap) + settings.beta * penalty


def _ipo(policy: PairLogps, reference: PairLogps, settings: ObjectiveSettings) -> Array:
    chosen = policy.chosen_mean - reference.chosen_mean
    rejected = policy.rejected_mean - reference.rejected_mean
    return (chosen - rejected - 1.0 / (2.0 * settings.beta)) ** 2


def _rewards(
    policy: PairLogps, reference: PairLogps | None, settings: ObjectiveSettings
) -> tuple[Array, Array]:
    match settings.name:
        case "simpo":
            return settings.beta * policy.chosen_mean, settings.beta * policy.rejected_mean
        case "orpo":
            return settings.lambda_ * policy.chosen_mean, settings.lambda_ * policy.rejected_mean
        case "cpo":
            return settings.beta * policy.chosen, settings.beta * policy.rejected
        case _:
            base = _present(reference, settings)
            return settings.beta * (policy.chosen - base.chosen), settings.beta * (
                policy.rejected - base.rejected
            )


def _log1m_exp(x: Array) -> Array:
    """ln(1 − eˣ) for x < 0, exact at both ends; x is kept a hair below 0, where the odds are infinite."""
    x = mx.minimum(x, -1e-7)
    return mx.where(x > -0.6931472, mx.log(-mx.expm1(x)), mx.log1p(-mx.exp(x)))
