"""The preference objectives by name, with the settings each one reads. Plain data, no heavy imports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

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
            raise LabError(f"objective: {self.name!r} is none of sft, {', '.join(OBJECTIVES)}")
        if not self.beta > 0.0:
            raise LabError(f"objective.beta: {self.beta} must be above 0")
        if self.placement not in get_args(PenaltyPlacement):
            raise LabError(f"objective.placement: {self.placement!r}; expected inside or outside")

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

CONSTANTS: Mapping[ObjectiveName, tuple[str, ...]] = {
    "dpo": ("beta",),
    "dpop": ("beta", "lambda", "placement"),
    "ipo": ("beta",),
    "orpo": ("lambda",),
    "simpo": ("beta", "gamma"),
    "cpo": ("beta", "alpha"),
    "kto": ("beta", "desirable", "undesirable"),
}
"""The constants that each formula names, as people write them."""


REFERENCE = "reference"
"""Of the settings of a run: "always" measures log-ratios under every loss, "needed" where a loss has them."""


def read_objective(name: str, given: Mapping[str, Any]) -> tuple[ObjectiveSettings, bool]:
    """The objective with the settings of a run, and whether the reference is measured. Raises LabError."""
    constants = {key: value for key, value in given.items() if key != REFERENCE}
    when = given.get(REFERENCE, "always")
    if when not in ("always", "needed"):
        raise LabError(f"objective.{REFERENCE}: {when!r}; expected always or needed")
    settings = from_mapping(name, constants)
    return settings, settings.needs_reference or when == "always"


def from_mapping(name: str, given: Mapping[str, Any]) -> ObjectiveSettings:
    """The objective `name` with its usual constants, but for those given.

    Raises LabError naming the key that the objective does not read, or the value that it cannot be.
    """
    settings = defaults(name)
    for key, value in given.items():
        settings = changed(settings, key, value)
    return settings


def defaults(name: str) -> ObjectiveSettings:
    """The objective with its usual constants."""
    return DEFAULTS[name] if name in DEFAULTS else ObjectiveSettings(name=name)  # type: ignore[arg-type]


def changed(settings: ObjectiveSettings, key: str, value: Any) -> ObjectiveSettings:
    """The same objective with another constant."""
    known = CONSTANTS[settings.name]
    if key not in known:
        raise LabError(f"objective.{key}: {settings.name} does not read it; it reads {', '.join(known)}")
    if key == "placement":
        return replace(settings, placement=value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < math.inf:
        raise LabError(f"objective.{key}: {value!r}; expected a number, 0 or above")
    number: Any = float(value)
    return replace(settings, **{_field(key): number})


def constants(settings: ObjectiveSettings) -> dict[str, float | str]:
    """The constants the objective reads, under the names that people write."""
    return {key: getattr(settings, _field(key)) for key in CONSTANTS[settings.name]}


def in_words(settings: ObjectiveSettings) -> str:
    """ "dpop (beta 0.3, lambda 50, placement inside)"."""
    said = (
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in constants(settings).items()
    )
    return f"{settings.name} ({', '.join(said)})"


def read_words(words: str) -> dict[str, str]:
    """The constants that `in_words` tells, as text."""
    told = words.partition(" (")[2].removesuffix(")")
    return dict(part.split(" ", 1) for part in told.split(", ") if " " in part)


def _field(key: str) -> str:
    return "lambda_" if key == "lambda" else key
