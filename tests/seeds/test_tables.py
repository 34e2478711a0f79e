"""The zone table, the glyph lexicon and the sampling presets as shipped."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import Any

import yaml

from lab.measure.glyphs import count_glyphs, load_lexicon
from lab.measure.zones import load_table, zone_of
from lab.sampling import load_preset, presets
from tests.seeds.batteries import SEEDS


def load(name: str) -> dict[str, Any]:
    data = yaml.safe_load((SEEDS / name).read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


def test_zones_rise_and_touch() -> None:
    zones = load("zones/lantern.yaml")["zones"]
    assert [zone["name"] for zone in zones] == ["LASER", "TRANSITION", "LANTERN", "CHAOS"]
    assert zones[0]["lower"] is None
    assert zones[-1]["upper"] is None
    assert [zone["upper"] for zone in zones[:-1]] == [3.0, 4.0, 6.0]
    for below, above in pairwise(zones):
        assert below["upper"] == above["lower"]


def test_zone_boundaries_belong_where_seed_000_puts_them() -> None:
    table = load_table()
    expected = {0.0: "LASER", 3.0: "TRANSITION", 4.0: "LANTERN", 6.0: "LANTERN"}
    expected |= {math.nextafter(x, 0): name for x, name in ((3.0, "LASER"), (4.0, "TRANSITION"))}
    expected |= {math.nextafter(6.0, 9): "CHAOS"}
    named = {h: zone.name for h in expected if (zone := zone_of(h, 500, table))}
    assert named == expected


def test_no_zone_is_named_where_lantern_is_out_of_reach() -> None:
    """55 is the least number of words whose entropy can reach 4.0 nats: ln 54 < 4.0 <= ln 55."""
    shortest = load("zones/lantern.yaml")["min_words"]
    assert math.log(shortest - 1) < 4.0 <= math.log(shortest)


def test_each_zone_has_a_color_and_a_meaning_and_the_band_lies_in_lantern() -> None:
    table = load("zones/lantern.yaml")
    assert table["measure"] == "word_entropy_nats"
    assert len({zone["color"] for zone in table["zones"]}) == 4
    assert all(zone["meaning"].count(".") == 1 for zone in table["zones"])
    assert table["target_band"] == {"lower": 4.5, "upper": 5.5}
    assert "seed 000" in table["source"]


def test_glyph_lexicon_is_wide_and_free_of_repeats() -> None:
    domains = load("glyphs.yaml")["domains"]
    assert len(domains) >= 8
    assert all(len(terms) >= 25 for terms in domains.values())
    terms = [term for terms in domains.values() for term in terms]
    assert [term for term, n in Counter(terms).items() if n > 1] == []
    assert all(term == term.lower() == term.strip() and 1 <= len(term.split()) <= 2 for term in terms)


def test_glyphs_count_distinct_terms_across_domains() -> None:
    count = count_glyphs("The loom and the fugue: a loom, a Loom, a glacier at high TIDE.", load_lexicon())
    assert count.terms == ("fugue", "glacier", "loom", "tide")
    assert set(count.domains) == {"music", "geology", "weaving", "sea"}


def test_presets_are_the_ones_that_figures_are_compared_under() -> None:
    figures = {
        name: (preset.temperature, preset.top_p, preset.max_tokens) for name, preset in presets().items()
    }
    assert figures["default"] == (0.7, 0.9, 320)
    assert figures["greedy"][0] == 0.0
    assert figures["explore"][:2] == (1.0, 1.0)
    assert figures["distill"] == (0.8, 0.95, 1024)


def test_every_preset_says_what_it_is_for_in_one_line() -> None:
    for name, fields in load("sampling.yaml")["presets"].items():
        assert {"temperature", "top_p", "top_k", "min_p", "max_tokens", "description"} == set(fields), name
        assert "\n" not in fields["description"], name


def test_sweeps_rise_and_start_from_a_preset() -> None:
    sweeps = load("sampling.yaml")["sweeps"]
    assert sweeps["pairs"]["temperatures"] == [0.1, 0.3, 0.5, 0.7, 0.8, 1.0]
    for sweep in sweeps.values():
        load_preset(sweep["preset"])
        assert sweep["temperatures"] == sorted(set(sweep["temperatures"]))
