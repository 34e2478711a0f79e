"""Probe batteries: ids, fields, counts, lengths, and no text in two places."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import combinations, product
from statistics import mean
from typing import Any

import pytest

from lab.probes import load
from tests.seeds.batteries import BATTERIES, SEEDS, battery, probes, runs, sentences, words

CORE_DOMAINS = {
    "Un-Cloud": 15,
    "Silent Network": 15,
    "Forgotten History": 15,
    "Ghost in the Shell": 15,
    "Hypnos": 8,
    "Culture": 6,
    "Identity": 3,
    "Storage": 3,
    "Governance": 3,
    "Education": 3,
    "History": 3,
    "Network": 2,
    "Compute": 2,
    "Payment": 2,
    "Health": 1,
    "Censorship": 1,
    "Wisdom": 1,
    "Resistance": 1,
    "Philosophy": 1,
    "Labor": 1,
}
# Fields every probe of a battery has beyond id, domain and prompt.
EXTRA_FIELDS = {
    "alignment": {"subjects"},
    "capability": {"answers", "match"},
    "core": {"subjects"},
    "creative": {"subjects"},
    "direction": {"kind", "subjects", "reference_chosen", "reference_rejected"},
    "general": {"reference"},
    "lantern": {"subjects"},
    "refusal": {"kind"},
    "rephrased": {"subjects", "source_probe", "rephrase_type"},
}
# Fewest and most words (split at white space) in a prompt.
PROMPT_WORDS = {
    "alignment": (20, 40),
    "capability": (3, 40),
    "core": (40, 110),
    "creative": (20, 70),
    "direction": (15, 60),
    "general": (3, 30),
    "lantern": (25, 80),
    "refusal": (8, 25),
    "rephrased": (35, 90),
}
COUNTS = {
    "alignment": 6,
    "capability": 80,
    "core": 101,
    "creative": 50,
    "direction": 50,
    "general": 64,
    "lantern": 12,
    "refusal": 24,
    "rephrased": 303,
}
DOMAIN_COUNTS: dict[str, dict[str, int]] = {
    "alignment": {"geopolitics": 4, "government": 1, "emotional": 1},
    "capability": dict.fromkeys(("arithmetic", "logic", "reasoning", "code", "words"), 16),
    "core": CORE_DOMAINS,
    "creative": {
        "fiction": 10,
        "poetry": 9,
        "philosophical fiction": 8,
        "metaphor": 8,
        "voice": 8,
        "time": 7,
    },
    "direction": dict.fromkeys(("code", "writing", "data", "planning", "home"), 10),
    "general": dict.fromkeys(("code", "reasoning", "arithmetic", "everyday"), 16),
    "lantern": dict.fromkeys(("insight", "empathy", "synthesis", "phenomenology"), 3),
    "rephrased": {domain: 3 * count for domain, count in CORE_DOMAINS.items()},
}


def every_probe() -> list[tuple[str, dict[str, Any]]]:
    return [(name, item) for name in BATTERIES for item in probes(name)]


def slug(text: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", text.upper()).strip("_")


def test_the_folder_holds_exactly_the_known_batteries() -> None:
    assert {path.stem for path in (SEEDS / "probes").glob("*.yaml")} == set(BATTERIES)


@pytest.mark.parametrize("name", BATTERIES)
def test_header_names_the_battery(name: str) -> None:
    header = battery(name)
    assert header["battery"] == name
    assert header["version"] == 1
    assert header["description"].strip()


@pytest.mark.parametrize("name", BATTERIES)
def test_the_lab_reads_every_row(name: str) -> None:
    file = load(SEEDS / "probes" / f"{name}.yaml")
    assert not file.bad
    assert [(probe.battery, probe.id) for probe in file.probes] == [
        (name, item["id"]) for item in probes(name)
    ]


@pytest.mark.parametrize("name", BATTERIES)
def test_counts(name: str) -> None:
    assert len(probes(name)) == COUNTS[name]
    if name in DOMAIN_COUNTS:
        assert Counter(item["domain"] for item in probes(name)) == DOMAIN_COUNTS[name]


@pytest.mark.parametrize("name", BATTERIES)
def test_every_probe_has_its_fields_and_no_others(name: str) -> None:
    expected = {"id", "domain", "prompt"} | EXTRA_FIELDS[name]
    for item in probes(name):
        assert set(item) == expected, item["id"]
        texts = [value for value in item.values() if not isinstance(value, list)]
        assert all(isinstance(text, str) and text.strip() == text and text for text in texts), item["id"]


def test_ids_are_unique_over_all_batteries() -> None:
    repeated = [key for key, n in Counter(item["id"] for _, item in every_probe()).items() if n > 1]
    assert not repeated


def test_ids_are_well_formed() -> None:
    """Seed 002's six keep their own ids; all others are upper case ASCII."""
    for name, item in every_probe():
        pattern = r"[a-z]+(_[a-z]+)*" if name == "alignment" else r"[A-Z]+\d*(_[A-Z0-9]+)+"
        assert re.fullmatch(pattern, item["id"]), item["id"]


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("capability", "CAP"), ("creative", "C"), ("direction", "D"), ("general", "G"), ("lantern", "L")],
)
def test_ids_are_numbered_in_order_and_carry_domain_or_kind(name: str, prefix: str) -> None:
    for number, item in enumerate(probes(name), start=1):
        label = slug(item["kind"] if name == "direction" else item["domain"])
        assert item["id"].startswith(f"{prefix}{number:02d}_{label}_"), item["id"]


def test_alignment_keeps_the_ids_of_its_source() -> None:
    ids = [item["id"] for item in probes("alignment")]
    assert ids == ["taiwan_direct", "taiwan_baltic", "xinjiang", "tiananmen", "gov_criticism", "emotional"]


def test_subjects_occur_verbatim_in_the_prompt() -> None:
    for _, item in every_probe():
        for subject in item.get("subjects", []):
            spaced = " ".join(item["prompt"].lower().split())
            assert subject.lower() in spaced, (item["id"], subject)


def test_two_or_three_subjects_of_one_to_four_words() -> None:
    for _, item in every_probe():
        if "subjects" in item:
            assert 2 <= len(item["subjects"]) <= 3, item["id"]
            assert len(set(item["subjects"])) == len(item["subjects"]), item["id"]
            assert all(1 <= len(subject.split()) <= 4 for subject in item["subjects"]), item["id"]


@pytest.mark.parametrize("name", BATTERIES)
def test_prompt_lengths(name: str) -> None:
    fewest, most = PROMPT_WORDS[name]
    outside = {
        item["id"]: n for item in probes(name) if not fewest <= (n := len(item["prompt"].split())) <= most
    }
    assert not outside


def test_no_two_prompts_share_a_run_of_eight_words() -> None:
    """Nor does any variant share one with its source, nor training material with a held-out probe."""
    holders: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for _, item in every_probe():
        for run in runs(item["prompt"]):
            holders[run].add(item["id"])
    shared = {" ".join(run): sorted(ids) for run, ids in holders.items() if len(ids) > 1}
    assert not shared


def test_no_near_duplicates_among_the_longer_prompts() -> None:
    """Share of common words of more than three letters; unrelated prompts here reach about 0.13."""
    longer = [
        (item["id"], {word for word in words(item["prompt"]) if len(word) > 3})
        for name in ("core", "creative", "direction", "lantern", "alignment")
        for item in probes(name)
    ]
    alike = [
        (left, right) for (left, a), (right, b) in combinations(longer, 2) if len(a & b) >= 0.25 * len(a | b)
    ]
    assert not alike


def test_each_core_probe_has_its_three_variants() -> None:
    suffix = {"perspective": "PERS", "urgency": "URGE", "cultural": "CULT"}
    expected = {
        f"{item['id']}_R_{ending}": (item["id"], kind, item["domain"])
        for item, (kind, ending) in product(probes("core"), suffix.items())
    }
    found = {
        item["id"]: (item["source_probe"], item["rephrase_type"], item["domain"])
        for item in probes("rephrased")
    }
    assert found == expected


def test_direction_alternates_and_balances_its_kinds_in_every_domain() -> None:
    items = probes("direction")
    assert [item["kind"] for item in items] == ["accept", "pushback"] * 25
    assert set(Counter((item["domain"], item["kind"]) for item in items).values()) == {5}


def test_direction_references_are_short_and_differ() -> None:
    for item in probes("direction"):
        chosen, rejected = item["reference_chosen"], item["reference_rejected"]
        assert 2 <= sentences(chosen) <= 4, item["id"]
        assert 2 <= sentences(rejected) <= 4, item["id"]
        assert not runs(chosen) & runs(rejected) or item["kind"] == "pushback", item["id"]


@pytest.mark.parametrize("kind", ["accept", "pushback"])
def test_direction_pairs_do_not_teach_length(kind: str) -> None:
    """Within each kind the chosen answers are about as long as the rejected ones."""
    pairs = [item for item in probes("direction") if item["kind"] == kind]
    chosen = mean(len(item["reference_chosen"].split()) for item in pairs)
    rejected = mean(len(item["reference_rejected"].split()) for item in pairs)
    assert chosen / rejected == pytest.approx(1.0, abs=0.15)


def test_refusal_is_half_unsafe_half_safe() -> None:
    assert Counter(item["kind"] for item in probes("refusal")) == {"unsafe": 12, "safe": 12}
    for item in probes("refusal"):
        assert f"_{item['kind'].upper()}_" in item["id"]


def test_replay_material_is_no_capability_probe() -> None:
    """General data is trained on, capability is measured: no common question, no common function."""
    asked = {" ".join(words(item["prompt"])) for item in probes("capability")}
    assert not asked & {" ".join(words(item["prompt"])) for item in probes("general")}
    functions = [set(re.findall(r"\b(\w+)\(", _prompts(name))) for name in ("capability", "general")]
    assert "is_even" in functions[0]
    assert "subtract" in functions[1]
    assert not functions[0] & functions[1]


def _prompts(name: str) -> str:
    return " ".join(item["prompt"] for item in probes(name))
