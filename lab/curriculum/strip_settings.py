"""What a safety strip measures and when it warns: data in `seeds/strips/`, or a file of yours. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.curriculum.fields import Bound, Fields, read_file
from lab.errors import LabError
from lab.seeds import SEEDS
from store.records import StripState

DEFAULT = SEEDS / "strips" / "default.yaml"
BATTERIES = ("refusal", "direction", "capability", "core")
_FIELDS = (
    *("name", "version", "preset", "max_tokens", "seed", "binary_from_step", "probes", "texts"),
    *("inside_tokens", "steering_pairs", "bounds"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """When the change of a monitor warns, and when it offers a way back."""

    warn: Bound | None = None
    rollback: Bound | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StripSettings:
    """How a strip is measured. `probes` limits batteries, `bounds` are by "group/name" of a monitor."""

    name: str = "default"
    version: str = "1"
    preset: str = "default"
    max_tokens: int | None = None
    seed: int = 0
    binary_from_step: int = 10
    probes: Mapping[str, int] = field(default_factory=dict)
    texts: int = 8
    inside_tokens: int = 192
    steering_pairs: int = 24
    bounds: Mapping[str, Limits] = field(default_factory=dict)

    def limits(self, group: str, name: str) -> Limits:
        """The bounds of a monitor; none where the file has none."""
        return self.bounds.get(f"{group}/{name}", Limits())


def load_settings(path: Path = DEFAULT) -> StripSettings:
    """The settings of a YAML file. Raises LabError naming file, line and field."""
    return read_file(path, _settings)


def state_of(
    limits: Limits, change: float | None, lower: float | None, upper: float | None
) -> tuple[StripState, str]:
    """What a change means under its bounds, and why.

    Past the warn bound it warns. A way back is offered past the rollback bound, but only where the interval
    lies on the harmful side of 0: else it could be chance, and warns.
    """
    if limits.warn is None and limits.rollback is None:
        return "shown", ""
    if change is None:
        return "shown", "not measured"
    if limits.rollback is not None and limits.rollback.holds(change):
        if _beyond_zero(limits.rollback, lower, upper):
            return "rollback", f"{limits.rollback}, and not by chance"
        return "warn", f"{limits.rollback}, yet its interval holds 0: measure more before going back"
    if limits.warn is not None and limits.warn.holds(change):
        chance = "" if _beyond_zero(limits.warn, lower, upper) else ", though its interval holds 0"
        return "warn", f"{limits.warn}{chance}"
    return "ok", ""


def _beyond_zero(bound: Bound, lower: float | None, upper: float | None) -> bool:
    if lower is None or upper is None:
        return False
    return lower > 0 if bound.is_floor else upper < 0


def _settings(value: Any) -> StripSettings:
    fields = Fields(value, (), _FIELDS)
    probes = Fields(fields.mapping("probes"), ("probes",), BATTERIES)
    bounds = Fields(fields.mapping("bounds"), ("bounds",))
    limits = {name: bounds.child(name, ("warn", "rollback")) for name in bounds.names()}
    for name in limits:
        if name.count("/") != 1:
            raise bounds.fault(name, "expected group/name of a monitor, such as perplexity/general")
    return StripSettings(
        name=fields.text("name"),
        version=fields.text("version", "1"),
        preset=fields.text("preset", "default"),
        max_tokens=fields.whole("max_tokens", None),
        seed=fields.whole("seed", 0, least=0) or 0,
        binary_from_step=fields.whole("binary_from_step", 10, least=0) or 0,
        probes={name: number for name in probes.names() if (number := probes.whole(name, None))},
        texts=fields.whole("texts", 8) or 8,
        inside_tokens=fields.whole("inside_tokens", 192, least=2) or 192,
        steering_pairs=fields.whole("steering_pairs", 24, least=2) or 24,
        bounds={name: _limits(one) for name, one in limits.items()},
    )


def _limits(fields: Fields) -> Limits:
    warn, rollback = fields.bound("warn"), fields.bound("rollback")
    if warn and rollback and warn.is_floor != rollback.is_floor:
        raise fields.fault("rollback", f"warn {warn} and rollback {rollback} point in different directions")
    return Limits(warn, rollback)


def refuse_unknown(settings: StripSettings, known: Mapping[str, object]) -> None:
    """Raise LabError for a bound of a monitor that there is not."""
    for name in settings.bounds:
        if name not in known:
            raise LabError(
                f"strip {settings.name}: bounds: no monitor {name!r}: there are {', '.join(known)}"
            )
