"""How many bits per token the data and the adapter cost, and what share the adapter has (seed 003)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lab.errors import LabError

LN2 = math.log(2.0)

Measure = Literal["raw", "from_init"]
TokenBasis = Literal["planned", "dataset", "seen", "given"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What a description length is measured against: the Gaussian prior and the tokens it is spread over.

    `tokens` is pinned for a whole run; `basis` says where the number came from. Published figures used the
    planned number of tokens, which is not the data set's: two S are comparable only under one prior.
    """

    sigma: float
    tokens: int
    basis: TokenBasis

    def __post_init__(self) -> None:
        if not (math.isfinite(self.sigma) and self.sigma > 0):
            raise LabError(f"scu: sigma {self.sigma} is no prior width; expected a number above 0")
        if self.tokens <= 0:
            raise LabError(f"scu: {self.tokens} tokens; the description length needs at least one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """S and its parts at one step. `floor` is what S would be at initialization, with today's data bits."""

    data_bpt: float
    param_bpt: float
    param_bpt_from_init: float
    s: float
    s_from_init: float
    floor: float

    def of(self, measure: Measure) -> float:
        """S as the controller is to see it: raw as published, or counted from initialization."""
        return self.s if measure == "raw" else self.s_from_init


def data_bpt(loss_nats: float) -> float:
    """Bits per token of data, from the mean loss in nats per token."""
    return loss_nats / LN2


def param_bpt(sum_squares: float, prior: Prior) -> float:
    """Bits per token of the weights: Σw² / (2 σ² N ln 2)."""
    return sum_squares / (2.0 * prior.sigma**2 * prior.tokens * LN2)


def s_ratio(data_bits: float, param_bits: float) -> float:
    """The adapter's share of all bits, P / (D + P); NaN where both are zero."""
    total = data_bits + param_bits
    return param_bits / total if total else math.nan


def read(
    loss_nats: float,
    sum_squares: float,
    sum_squares_from_init: float,
    sum_squares_at_init: float,
    prior: Prior,
) -> Reading:
    """S at one step from the loss and the sums Σw², Σ(w − w₀)² and Σw₀² over the trainable weights."""
    data = data_bpt(loss_nats)
    raw, moved = param_bpt(sum_squares, prior), param_bpt(sum_squares_from_init, prior)
    return Reading(
        data_bpt=data,
        param_bpt=raw,
        param_bpt_from_init=moved,
        s=s_ratio(data, raw),
        s_from_init=s_ratio(data, moved),
        floor=s_ratio(data, param_bpt(sum_squares_at_init, prior)),
    )


def expected_init_sum_squares(rank: int, modules: int) -> float:
    """E Σw₀² of a LoRA at start: A ~ U(±1/√d_in) with r rows gives r/3 a module, B is zero."""
    return modules * rank / 3.0


def decay_of(lambda_: float, prior: Prior) -> float:
    """The decoupled decay whose pull equals the coupled term's: d/dw λ w²/(2σ²N) = λ/(σ²N) · w."""
    return lambda_ / (prior.sigma**2 * prior.tokens)


def comparable(a: Prior, b: Prior) -> None:
    """Raises LabError, saying why, when S under `a` and S under `b` cannot be compared."""
    if a.sigma != b.sigma:
        raise LabError(f"scu: S under σ = {a.sigma:g} and under σ = {b.sigma:g} are different quantities")
    if a.tokens != b.tokens:
        factor = max(a.tokens, b.tokens) / min(a.tokens, b.tokens)
        raise LabError(
            f"scu: S over {a.tokens:,} tokens ({a.basis}) and over {b.tokens:,} tokens ({b.basis}) differ by "
            f"the factor {factor:.2f} for the same weights; pin one N"
        )
