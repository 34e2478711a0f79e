"""The preference objectives by name, with the settings each one reads. Plain data, no heavy imports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from lab.errors import LabError

ObjectiveName = Literal["dpo", "dpop", "ipo", "orpo", "simpo", "cpo", "kto"]
PenaltyPlacement = Literal["inside", "outside"]

OBJECTIVES: tuple[ObjectiveName, ...] = get_args(ObjectiveName)
NEEDS_REFERENCE = frozenset({"dpo", "dpop", "ipo", "kto"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveSettings:
    """One objective and its constants; those that its formula does not name are not read.

    `beta` scales the reward (ORPO has none), `lambda_` weighs DPOP's penalty or ORPO's odds term, `gamma` is
    SimPO's margin, `alpha` CPO's likelihood term; `desirable` and `undesirable` weigh KTO's kinds of answers.
    """

    name: ObjectiveName
    beta: float = 0.1
    lambda_: float = 50.0
    gamma: float = 1.0
    alpha: float = 1.0
    placement: PenaltyPlacement = "inside"
    desirable: float = 1.0
    undesirable: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in OBJECTIVES:
            raise LabError(f"objective: {self.name!r} is none of {', '.join(OBJECTIVES)}")
        if not self.beta > 0.0:
            raise LabError(f"objective.beta: {self.beta} must be above 0")

    @property
    def needs_reference(self) -> bool:
        """Whether the formula holds log-probabilities of the reference model."""
        return self.name in NEEDS_REFERENCE


DEFAULTS: dict[ObjectiveName, ObjectiveSettings] = {
    "dpo": ObjectiveSettings(name="dpo", beta=0.1),
    "dpop": ObjectiveSettings(name="dpop", beta=0.3, lambda_=50.0),
    "ipo": ObjectiveSettings(name="ipo", beta=0.1),
    "orpo": ObjectiveSettings(name="orpo", lambda_=0.1),
    "simpo": ObjectiveSettings(name="simpo", beta=2.0, gamma=1.0),
    "cpo": ObjectiveSettings(name="cpo", beta=0.1, alpha=1.0),
    "kto": ObjectiveSettings(name="kto", beta=0.1),
}
"""Where preference.md names a range, a value inside it."""
