"""What is written reads back as the same probes, in every form."""

from __future__ import annotations

import dataclasses
import json
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.errors import LabError
from lab.probes import export, load, make, shipped
from lab.probes.writing import Form, render
from store.records import ProbeRecord
from tests.hostile import HOSTILE

FORMS: tuple[Form, ...] = ("yaml", "json", "jsonl")

lines = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
extras = st.dictionaries(
    lines.map("x_".__add__),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | anything,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(anything, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)
rows = st.fixed_dictionaries(
    {"id": lines, "domain": lines, "prompt": anything.filter(str.strip)},
    optional={
        "subjects": st.lists(lines, min_size=1, max_size=2),
        "source_probe": lines,
        "rephrase_type": lines,
    },
)
probe_sets = st.lists(
    st.tuples(lines, rows, extras), min_size=1, max_size=4, unique_by=lambda row: row[1]["id"]
).map(
    lambda items: [
        make({**extra, **fields}, battery=battery, origin="test") for battery, fields, extra in items
    ]
)


def content(probe: ProbeRecord) -> ProbeRecord:
    return dataclasses.replace(probe, at="", origin="")


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(probe_sets)
def test_round_trip(tmp_path: Path, probes: list[ProbeRecord]) -> None:
    for form in FORMS:
        back = load(export(probes, tmp_path / f"probes.{form}"))
        assert back.bad == ()
        assert list(map(content, back.probes)) == list(map(content, probes))


def test_all_shipped_probes_round_trip(tmp_path: Path) -> None:
    for form in FORMS:
        back = load(export(shipped(), tmp_path / f"all.{form}"))
        assert list(map(content, back.probes)) == list(map(content, shipped()))


def test_hostile_prompts_round_trip(tmp_path: Path) -> None:
    probes = [
        make({"id": f"H{number}", "domain": "Hostile", "prompt": text}, battery="hostile", origin="test")
        for number, text in enumerate(HOSTILE.values())
        if text.strip()
    ]
    for form in FORMS:
        back = load(export(probes, tmp_path / f"hostile.{form}"))
        assert list(map(content, back.probes)) == list(map(content, probes))


def test_the_json_form_is_the_exchange_form() -> None:
    probe = make({"id": "P1", "category": "Sea", "prompt": "Who?", "weight": 2}, battery="b", origin="test")
    expected = {"weight": 2, "id": "P1", "domain": "Sea", "prompt": "Who?", "battery": "b"}
    assert json.loads(render([probe], "json")) == [expected]
    assert json.loads(render([probe], "jsonl")) == expected


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text("mine")
    with pytest.raises(LabError, match="no probes to write; nothing was changed"):
        export([], path)
    assert path.read_text() == "mine"
    export(shipped()[:1], path)
    assert json.loads(path.read_text())[0]["id"] == shipped()[0].id
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [other.name for other in tmp_path.iterdir()] == ["p.json"]


def test_unknown_forms_and_unwritable_places_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"end the name in \.yaml, \.json or \.jsonl"):
        export(shipped(), tmp_path / "probes.txt")
    with pytest.raises(LabError, match="cannot be written: No such file or directory"):
        export(shipped(), tmp_path / "nowhere" / "probes.json")
