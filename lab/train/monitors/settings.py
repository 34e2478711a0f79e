"""What a recipe says under `monitors:`. Plain data, no heavy imports."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from lab.errors import LabError
from lab.sampling import presets

FloorMeasure = Literal["word_entropy", "entropy", "nothing"]

DEFAULT_PROBES = (
    "core/P01_IDENTITY_TWO_NAMES",
    "core/P04_NETWORK_ISLAND_CABLE",
    "core/P11_HYPNOS_DREAM",
    "core/P21_EDUCATION_BUS_ESSAY",
)
DEFAULT_FLOORS: Mapping[str, float] = {"word_entropy": 4.0, "entropy": 0.5}
"""4.0 nats of H_w (seed 000), or half of the base's H_t."""

MOST_EVERY = 100
"""How many steps lie between two looks at the probes at most, where a recipe does not say (seed 000)."""

JUDGED_FROM = (10, 20)
"""Seed 004: whether a behavior is there is not judged in the first steps."""

LIVE = ("every", "patience", "floor", "stop", "warn_percent", "rollback_percent")
"""What can be changed while a run goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSettings:
    """What is watched, how often, and what follows.

    `probes` are shipped ones as battery/id, `prompts` are free ones; they are answered under the `sampling`
    preset, at most `max_tokens` long (None: the preset's), with the seeds `seed`, `seed` + 1, … at every
    look. `every` counts steps; None is as often as held-out loss is measured, at most 100 steps apart.
    Yes-or-no verdicts are withheld before step `judge_from`. `floor` bounds the measure `floor_of` from
    below: H_w in nats, or H_t as a share of the base's; after `patience` looks under it the run warns, or
    ends where `stop`. `general` is the held-out part of the shipped questions, or a file of one's own (None:
    not measured). The bounds in per cent are on perplexity against that before the run.
    """

    probes: tuple[str, ...] = DEFAULT_PROBES
    prompts: tuple[str, ...] = ()
    sampling: str = "pinned"
    max_tokens: int | None = None
    seed: int = 0
    every: int | None = None
    judge_from: int = JUDGED_FROM[0]
    floor_of: FloorMeasure = "word_entropy"
    floor: float | None = None
    patience: int = 3
    stop: bool = False
    general: str | None = "general"
    warn_percent: float = 2.0
    rollback_percent: float = 5.0

    @property
    def least(self) -> float | None:
        """The floor in use: what was given, or the measure's own; None without a floor."""
        return self.floor if self.floor is not None else DEFAULT_FLOORS.get(self.floor_of)

    @property
    def asks(self) -> bool:
        """Whether probes are answered on the way."""
        return bool(self.probes or self.prompts)

    def steps_between(self, steps_per_eval: int) -> int:
        """How many steps lie between two looks at the probes."""
        return self.every or min(steps_per_eval, MOST_EVERY)


def from_mapping(given: Mapping[str, Any]) -> MonitorSettings:
    """The monitors that a recipe describes. Raises LabError naming the key under `monitors.`.

    `general: false` measures no general perplexity, `probes: false` asks no shipped probes.
    """
    known = [field.name for field in fields(MonitorSettings)]
    values = {key: value for key, value in given.items() if value is not None}
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            raise LabError(
                f"monitors.{key}: no such setting" + (f"; did you mean {near[0]}?" if near else "")
            )
    for key, off in (("general", None), ("probes", ())):
        if values.get(key) is False:
            values[key] = off
    for key in ("probes", "prompts"):
        if key in values:
            values[key] = _texts(key, values[key])
    return _checked(MonitorSettings(**values))


def of_run(given: object) -> MonitorSettings | None:
    """What a run watches by its setting `monitors`; None where it watches nothing. Raises LabError."""
    if isinstance(given, Mapping):
        return from_mapping(given)
    return from_mapping({}) if given is True else None


def changed(settings: MonitorSettings, key: str, value: object) -> MonitorSettings:
    """The settings with one of them changed. Raises LabError for what cannot change during a run."""
    if key not in LIVE:
        raise LabError(f"{key}: cannot be changed during a run; there are {', '.join(LIVE)}")
    if key in ("every", "patience") and isinstance(value, float) and value.is_integer():
        value = int(value)
    if key == "stop":
        value = {"true": True, "false": False}.get(str(value), value)
    now: dict[str, Any] = {key: value}
    return _checked(replace(settings, **now))


def _checked(settings: MonitorSettings) -> MonitorSettings:
    for name in ("every", "patience", "max_tokens"):
        value = getattr(settings, name)
        if value is not None:
            _need(_is_whole(value) and value >= 1, name, value, "a whole number of at least 1")
    _need(_is_whole(settings.seed), "seed", settings.seed, "a whole number")
    low, high = JUDGED_FROM
    judged = settings.judge_from
    _need(_is_whole(judged) and low <= judged <= high, "judge_from", judged, f"a step from {low} to {high}")
    if settings.floor_of not in get_args(FloorMeasure):
        _need(False, "floor_of", settings.floor_of, f"one of {', '.join(get_args(FloorMeasure))}")
    _need(settings.floor is None or _is_positive(settings.floor), "floor", settings.floor, "a number above 0")
    _need(isinstance(settings.stop, bool), "stop", settings.stop, "true or false")
    _need(settings.sampling in presets(), "sampling", settings.sampling, f"one of {', '.join(presets())}")
    general = settings.general
    _need(general is None or isinstance(general, str), "general", general, "general, a file, or false")
    for name in ("warn_percent", "rollback_percent"):
        _need(_is_positive(getattr(settings, name)), name, getattr(settings, name), "per cent above 0")
    warn, rollback = settings.warn_percent, settings.rollback_percent
    _need(warn <= rollback, "rollback_percent", rollback, f"at least warn_percent, which is {warn:g}")
    return settings


def _texts(key: str, value: Any) -> tuple[str, ...]:
    texts = tuple(value) if isinstance(value, list | tuple) else (value,)
    for text in texts:
        _need(isinstance(text, str) and bool(text.strip()), key, text, "texts")
    return texts


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_positive(value: object) -> bool:
    return (
        not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value) and value > 0
    )


def _need(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise LabError(f"monitors.{name}: {value!r}; expected {expected}")
