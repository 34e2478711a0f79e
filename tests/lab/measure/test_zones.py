"""Zones: exact bounds, the length below which none is named, the shipped table and tables of one's own."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.measure.words import measure
from lab.measure.zones import Zone, ZoneTable, load_table, zone_of

TABLE = load_table()

OWN = """
name: mine
version: 2024-05
measure: word_entropy_nats
min_words: 10
zones:
  - {name: low, upper: 1.5, upper_inclusive: true}
  - {name: high, lower: 1.5}
"""


@pytest.mark.parametrize(
    ("nats", "zone"),
    [
        (0.0, "LASER"),
        (math.nextafter(3.0, 0), "LASER"),
        (3.0, "TRANSITION"),
        (math.nextafter(4.0, 0), "TRANSITION"),
        (4.0, "LANTERN"),
        (6.0, "LANTERN"),
        (math.nextafter(6.0, 7), "CHAOS"),
        (12.0, "CHAOS"),
    ],
)
def test_bounds_are_exact(nats: float, zone: str) -> None:
    found = zone_of(nats, 500, TABLE)
    assert found is not None
    assert found.name == zone


def test_no_zone_is_named_below_55_words() -> None:
    words = [f"w{number}" for number in range(55)]
    short, enough = measure(" ".join(words[:54])), measure(" ".join(words))
    assert zone_of(short.word_entropy_nats, short.words, TABLE) is None
    zone = zone_of(enough.word_entropy_nats, enough.words, TABLE)
    assert zone is not None
    assert zone.name == "LANTERN"  # ln 55 = 4.007


def test_the_shipped_table() -> None:
    assert TABLE.label == "lantern 1"
    assert TABLE.min_words == 55
    assert TABLE.target_band == (4.5, 5.5)
    assert all(zone.color and zone.meaning for zone in TABLE.zones)


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(OWN)
    table = load_table(path)
    assert table == ZoneTable(
        name="mine",
        version="2024-05",
        measure="word_entropy_nats",
        min_words=10,
        zones=(Zone("low", -math.inf, 1.5, upper_inclusive=True), Zone("high", 1.5, math.inf)),
    )
    assert zone_of(1.5, 10, table) == table.zones[0]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("min_words: 10", "min_words: -1", "min_words"),
        ("min_words: 10", "min_words: true", "min_words"),
        ("name: mine", "nom: mine", "name: expected a text"),
        ("lower: 1.5", "lower: 1.6", "one must begin where the other ends"),
        ("lower: 1.5", "lower: 1.5, upper: 9", "no upper bound"),
        ("upper: 1.5,", "upper: high,", "zones[0].upper"),
        ("upper: 1.5,", "lower: 1.0, upper: 1.5,", "at or below 0"),
        ("upper_inclusive: true", "upper_inclusive: 1", "upper_inclusive"),
        ("zones:", "areas:", "zones: expected a list"),
        ("measure:", "- measure:", "line 4"),
    ],
)
def test_an_unusable_table_is_refused_naming_the_field(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(OWN.replace(before, after))
    with pytest.raises(LabError, match=r"bad\.yaml") as raised:
        load_table(path)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
