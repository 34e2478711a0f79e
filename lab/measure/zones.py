"""Zones of word entropy: named ranges, kept as data so that a user can bring a table of their own.

A zone is a reading aid, not a grade: word entropy cannot exceed ln n, so below the table's `min_words` no
zone is named ("too short to zone").
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.seeds import SEEDS
from lab.textfiles import load_yaml

DEFAULT_TABLE = SEEDS / "zones" / "lantern.yaml"
TOO_SHORT = "too short to zone"


@dataclass(frozen=True, slots=True)
class Zone:
    """From `lower` to `upper` nats. The lower bound belongs to the zone unless it belongs to the one below.

    `upper_inclusive` says that the upper bound itself is still in this zone. `color` names a color, `meaning`
    is one sentence for people; both may be empty.
    """

    name: str
    lower: float
    upper: float
    upper_inclusive: bool = False
    color: str = ""
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class ZoneTable:
    """Zones in rising order without gaps, from −∞ to ∞, for one measure. Below `min_words` none applies.

    `target_band` is the range in nats that training aims at, where the table has one.
    """

    name: str
    version: str
    measure: str
    min_words: int
    zones: tuple[Zone, ...]
    target_band: tuple[float, float] | None = None

    @property
    def label(self) -> str:
        """Name and version, as kept beside every zone that was ever named."""
        return f"{self.name} {self.version}"


def zone_of(h: float, words: int, table: ZoneTable) -> Zone | None:
    """The zone of `h` nats over `words` words; None when the text is too short to zone."""
    if words < table.min_words:
        return None
    return next(zone for zone in table.zones if h < zone.upper or (zone.upper_inclusive and h == zone.upper))


def load_table(path: Path | None = None) -> ZoneTable:
    """The table in a YAML file; None is the shipped one (seed 000).

    Raises LabError naming the field when the table is unusable: zones must rise, touch and cover all values.
    """
    source = path or DEFAULT_TABLE
    data = load_yaml(source)
    try:
        return _table(data)
    except _TableError as fault:
        raise LabError(f"{source}: {fault}") from fault


class _TableError(Exception):
    """What is wrong with a table, without the file's name."""


def _table(data: Any) -> ZoneTable:
    fields = _mapping(data, "the file")
    zones = fields.get("zones")
    if not isinstance(zones, list) or not zones:
        raise _TableError("zones: expected a list of zones")
    table = ZoneTable(
        name=_text(fields, "name"),
        version=_text(fields, "version"),
        measure=_text(fields, "measure"),
        min_words=_count(fields, "min_words"),
        zones=tuple(_zone(zone, f"zones[{index}]") for index, zone in enumerate(zones)),
        target_band=_band(fields.get("target_band")),
    )
    _check_cover(table.zones)
    return table


def _zone(data: Any, where: str) -> Zone:
    fields = _mapping(data, where)
    inclusive = fields.get("upper_inclusive", False)
    if not isinstance(inclusive, bool):
        raise _TableError(f"{where}.upper_inclusive: expected true or false")
    return Zone(
        name=_text(fields, "name", where),
        lower=_bound(fields.get("lower"), -math.inf, f"{where}.lower"),
        upper=_bound(fields.get("upper"), math.inf, f"{where}.upper"),
        upper_inclusive=inclusive,
        color=str(fields.get("color") or ""),
        meaning=str(fields.get("meaning") or ""),
    )


def _band(data: Any) -> tuple[float, float] | None:
    if data is None:
        return None
    fields = _mapping(data, "target_band")
    lower = _bound(fields.get("lower"), -math.inf, "target_band.lower")
    upper = _bound(fields.get("upper"), math.inf, "target_band.upper")
    if not lower < upper:
        raise _TableError("target_band: the lower bound must be below the upper one")
    return lower, upper


def _check_cover(zones: tuple[Zone, ...]) -> None:
    if zones[0].lower > 0 or zones[-1].upper != math.inf:
        raise _TableError("zones: the first must begin at or below 0 and the last must have no upper bound")
    for below, above in itertools.pairwise(zones):
        if not below.lower < below.upper:
            raise _TableError(f"zone {below.name}: the lower bound must be below the upper one")
        if below.upper != above.lower:
            raise _TableError(f"zones {below.name} and {above.name}: one must begin where the other ends")


def _mapping(data: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise _TableError(f"{where}: expected fields (name: value)")
    return data


def _text(fields: Mapping[str, Any], key: str, where: str = "") -> str:
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
        raise _TableError(f"{where + '.' if where else ''}{key}: expected a text")
    return str(value)


def _count(fields: Mapping[str, Any], key: str) -> int:
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _TableError(f"{key}: expected a whole number of words, 0 or more")
    return value


def _bound(value: Any, default: float, where: str) -> float:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise _TableError(f"{where}: expected a number of nats, or nothing for no bound")
    return float(value)
