"""What a recipe says under `scu:`, as one law with its actuator and prior."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from lab.errors import LabError
from lab.train.scu.legacy import LegacySettings
from lab.train.scu.pi import PISettings
from lab.train.scu.quantities import Measure

LawName = Literal["pi", "legacy"]
Actuator = Literal["decoupled", "coupled"]
LawSettings = PISettings | LegacySettings

AUTO = "auto"
TOKENS_BASIS = "tokens_basis"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScuSettings:
    """One control loop.

    `tokens` pins N (None: the planned tokens of the run). `interval` is optimizer steps between updates, over
    which the loss is averaged. After `pulse_after` steps, before the loop is closed, `pulse_steps` updates
    are tried under λ's lower bound and as many under its upper one, and taken back (0: none). With
    `auto_start` λ then starts where it would hold Σw² still.
    """

    law: LawName
    control: LawSettings
    actuator: Actuator = "decoupled"
    measure: Measure = "raw"
    sigma: float = 0.01
    tokens: int | None = None
    interval: int = 10
    pulse_after: int = 10
    pulse_steps: int = 5
    auto_start: bool = False


_OWN = tuple(
    field.name for field in fields(ScuSettings) if field.name not in ("law", "control", "auto_start")
)


def from_mapping(given: Mapping[str, Any]) -> ScuSettings:
    """The loop that a recipe describes. Raises LabError naming the key under `scu.` and what was expected."""
    law = _one_of("law", given.get("law", "pi"), LawName)
    if "target" not in given:
        raise LabError("scu.target: missing; expected the share S to hold, such as 0.03")
    values = {key: value for key, value in given.items() if key != "law"}
    auto = values.get("lambda_start") == AUTO
    if auto:
        del values["lambda_start"]
    kind = PISettings if law == "pi" else LegacySettings
    control_keys = {field.name for field in fields(kind)}
    for key in values:
        if key not in control_keys and key not in _OWN:
            near = difflib.get_close_matches(str(key), [*control_keys, *_OWN], n=1)
            raise LabError(f"scu.{key}: no such setting" + (f"; did you mean {near[0]}?" if near else ""))
    numbers: dict[str, Any] = {key: _number(key, values[key]) for key in values if key in control_keys}
    control = kind(**numbers)
    own = {key: values[key] for key in values if key in _OWN}
    return _checked(ScuSettings(law=law, control=control, auto_start=auto, **own))


def pinned(given: Mapping[str, Any], planned_tokens: int) -> dict[str, Any]:
    """What the record of a run says under `scu`: N pinned, and where it is from."""
    basis = "planned" if given.get("tokens") is None else "given"
    return {**given, "tokens": given.get("tokens") or planned_tokens, TOKENS_BASIS: basis}


def of_run(said: Mapping[str, Any]) -> ScuSettings:
    """The loop of a run, from what `pinned` gave its record. Raises LabError like `from_mapping`."""
    return from_mapping({key: value for key, value in said.items() if key != TOKENS_BASIS})


def changed(settings: ScuSettings, key: str, value: object) -> ScuSettings:
    """The loop with one number of its law changed. Raises LabError for what cannot change during a run."""
    if key not in {field.name for field in fields(settings.control)}:
        raise LabError(f"scu.{key}: cannot be changed during a run")
    number: dict[str, Any] = {key: _number(key, value)}
    return replace(settings, control=replace(settings.control, **number))


def _checked(settings: ScuSettings) -> ScuSettings:
    _one_of("actuator", settings.actuator, Actuator)
    _one_of("measure", settings.measure, Measure)
    for name, least in (("interval", 1), ("pulse_steps", 0), ("pulse_after", 0)):
        value = getattr(settings, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise LabError(f"scu.{name}: {value!r}; expected a whole number of at least {least}")
    if settings.pulse_steps == 1:
        raise LabError("scu.pulse_steps: 1; a slope needs at least 2 steps (0 switches the pulse off)")
    if settings.auto_start and not settings.pulse_steps:
        raise LabError("scu.lambda_start: auto needs the pulse; expected pulse_steps of at least 2")
    return settings


def _number(key: str, value: object) -> float | None:
    if value is None and key == "tracking_steps":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LabError(f"scu.{key}: {value!r}; expected a number")
    return float(value)


def _one_of(key: str, value: object, names: Any) -> Any:
    if value not in get_args(names):
        raise LabError(f"scu.{key}: {value!r}; expected one of {', '.join(get_args(names))}")
    return value
