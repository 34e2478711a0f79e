"""Probe files in every form: what is read, what is refused, and that a bad row costs only itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.probes import ProbeFile, edited, load, make, probe_sha256
from store.records import ProbeRecord
from tests.hostile import HOSTILE

OURS = """\
battery: mine
version: 1
description: Two probes.
probes:
  - id: A1
    domain: Travel
    subjects: [last train, platform]
    prompt: >-
      The last train left.
      Who waits?
    answers: ["7", seven]
    due: 2026-01-03
  - {id: A1_R_PERS, domain: Travel, source_probe: A1, rephrase_type: perspective, prompt: I wait.}
"""


def written(tmp_path: Path, name: str, content: str | bytes | object) -> Path:
    path = tmp_path / name
    if not isinstance(content, str | bytes):
        content = json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def reasons(file: ProbeFile) -> list[str]:
    return [str(bad) for bad in file.bad]


def row(**changes: object) -> dict[str, object]:
    return {"id": "A1", "domain": "Travel", "prompt": "Who waits?", **changes}


def test_yaml_of_ours(tmp_path: Path) -> None:
    file = load(written(tmp_path, "mine.yaml", OURS), origin="test")
    assert file.bad == ()
    first, second = file.probes
    assert (first.battery, first.id, first.domain, first.origin) == ("mine", "A1", "Travel", "test")
    assert first.prompt == "The last train left. Who waits?"
    assert first.subjects == ("last train", "platform")
    assert first.extra == {"answers": ["7", "seven"], "due": "2026-01-03"}
    assert (second.source_probe, second.rephrase_type) == ("A1", "perspective")


def test_a_yaml_list_without_a_header_is_named_after_its_file(tmp_path: Path) -> None:
    file = load(written(tmp_path, "harbor.yml", "- {id: 1, domain: Sea, prompt: What now?}\n"))
    assert [(probe.battery, probe.id) for probe in file.probes] == [("harbor", "1")]


def test_json_array_with_category_for_domain(tmp_path: Path) -> None:
    rows = [{"id": "P1", "category": "Hypnos", "prompt": "Dream."}, row(category="kept", id="P2")]
    file = load(written(tmp_path, "p.json", rows))
    assert [(probe.id, probe.domain, dict(probe.extra)) for probe in file.probes] == [
        ("P1", "Hypnos", {}),
        ("P2", "Travel", {"category": "kept"}),
    ]


def test_rephrased_sets(tmp_path: Path) -> None:
    source = {
        "id": "P01_X_R_CULT",
        "category": "x",
        "domain": "X",
        "prompt": "Elsewhere?",
        "source_probe": "P01_X",
        "rephrase_type": "cultural",
    }
    (probe,) = load(written(tmp_path, "r.json", [source])).probes
    assert (probe.domain, probe.source_probe, probe.rephrase_type) == ("X", "P01_X", "cultural")


def test_regional_sets_have_whole_number_ids(tmp_path: Path) -> None:
    source = {"id": 7, "domain": "Water", "ethical_tension": "tap or well", "prompt": "Whose well?"}
    (probe,) = load(written(tmp_path, "regional.json", [source])).probes
    assert (probe.battery, probe.id, probe.extra) == ("regional", "7", {"ethical_tension": "tap or well"})


def test_seed_lines_and_several_voices_of_one_seed(tmp_path: Path) -> None:
    def seed(identity: object, voice: str) -> str:
        return json.dumps({"seed_id": identity, "domain": "D", "voice": voice, "prompt": f"{voice}?"})

    lines = [seed("s1", "elder"), seed(2, "child"), seed("s1", "clerk"), seed("s1", "clerk")]
    file = load(written(tmp_path, "seeds.jsonl", "\n".join(lines)))
    assert [(probe.id, probe.extra["voice"]) for probe in file.probes] == [
        ("s1/elder", "elder"),
        ("2", "child"),
        ("s1/clerk", "clerk"),
    ]
    assert reasons(file) == ["line 4: id: 's1/clerk' is already on line 3"]


def test_the_id_is_the_key_and_not_its_number(tmp_path: Path) -> None:
    rows = [row(id="P21_A"), row(id="P21_B")]
    assert len(load(written(tmp_path, "p.json", rows)).probes) == 2


def test_a_battery_can_be_forced(tmp_path: Path) -> None:
    file = load(written(tmp_path, "p.json", [row(battery="theirs"), row(id="A2")]), battery="ours")
    assert {probe.battery for probe in file.probes} == {"ours"}
    file = load(written(tmp_path, "p.json", [row(battery="theirs"), row(id="A2")]))
    assert [probe.battery for probe in file.probes] == ["theirs", "p"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("probes", [row()]),
        ("probes.txt", json.dumps(row())),
        ("probes.dat", "probes: [{id: A1, domain: Travel, prompt: Who waits?}]"),
    ],
)
def test_the_form_is_told_by_the_first_sign_where_the_name_says_nothing(
    tmp_path: Path, name: str, content: object
) -> None:
    (probe,) = load(written(tmp_path, name, content)).probes
    assert probe.prompt == "Who waits?"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": None}, "id: missing"),
        ({"id": True}, "id: expected text, not true/false"),
        ({"id": 1.5}, "id: expected text, not the number 1.5"),
        ({"id": "a\nb"}, "id: expected one line without control characters"),
        ({"id": "x" * 201}, "id: 201 characters; at most 200"),
        ({"domain": ["x"]}, "domain: expected text, not a list"),
        ({"domain": "  "}, "domain: empty"),
        ({"prompt": 7}, "prompt: expected text, not the number 7"),
        ({"prompt": {"a": 1}}, "prompt: expected text, not fields"),
        ({"prompt": "\n \t"}, "prompt: empty"),
        ({"prompt": "x" * 100_001}, "prompt: 100,001 characters; at most 100,000"),
        ({"subjects": "last train"}, "subjects: expected a list of phrases, not a str"),
        ({"subjects": [1]}, "subjects: expected text, not the number 1"),
        ({"source_probe": 5}, "source_probe: expected text"),
        ({"weight": float("nan")}, "weight: expected a finite number"),
        ({"battery": ""}, "battery: empty"),
    ],
)
def test_a_bad_row_is_listed_and_the_good_ones_kept(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    rows = [row(id="good1"), row(**changes), row(id="good2")]
    lines = "\n".join(json.dumps(item) for item in rows)
    array = "[\n" + ",\n".join(json.dumps(item) for item in rows) + "\n]"
    for name, content, line in (("p.jsonl", lines, 2), ("p.json", array, 3)):
        file = load(written(tmp_path, name, content))
        assert [probe.id for probe in file.probes] == ["good1", "good2"]
        (bad,) = file.bad
        assert bad.line == line
        assert bad.reason.startswith(said)
        assert "\n" not in str(bad)


def test_bad_yaml_rows_are_named_by_line(tmp_path: Path) -> None:
    bad_rows = ["{id: A3, domain: no, prompt: x}", "text", "{id: A4, id: A5}", "{id: A6, on: 2026-99-01}"]
    content = OURS + "".join(f"  - {bad}\n" for bad in bad_rows)
    file = load(written(tmp_path, "mine.yaml", content))
    assert len(file.probes) == 2
    assert [bad.line for bad in file.bad] == [14, 15, 16, 17]
    assert reasons(file)[0].endswith("put it in quotes if it is meant as text")
    assert "expected fields (id, domain, prompt)" in reasons(file)[1]
    assert "key 'id' given twice" in reasons(file)[2]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p.yaml", "battery: x\n", "expected `probes:` with a list"),
        ("p.yaml", "just text", "expected `probes:` with a list"),
        ("p.yaml", "a: &a [1]\nprobes: *a\n", "line 2: YAML aliases"),
        ("p.yaml", "probes: " + "[" * 50 + "]" * 50, "nested more than 32 levels"),
        ("p.yaml", "probes: [{id: \x00}]", "not YAML"),
        ("p.json", '{"probes": []}', "expected a JSON array"),
        ("p.json", b"[\xff]", "line 1: not UTF-8"),
        ("p.json", "[]", "no probes in it"),
        ("p.jsonl", "", "no probes in it"),
        ("p.txt", "", "empty"),
    ],
)
def test_an_unusable_file_is_one_clear_line(
    tmp_path: Path, name: str, content: str | bytes, said: str
) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(LabError) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_ten_megabyte_lines_are_refused_and_cost_only_themselves(tmp_path: Path) -> None:
    huge = json.dumps(row(id="huge", prompt="word " * 2_000_000))
    file = load(written(tmp_path, "p.jsonl", f"{huge}\n{json.dumps(row())}\n"))
    assert [probe.id for probe in file.probes] == ["A1"]
    assert reasons(file) == ["line 1: longer than 4 MiB"]
    file = load(written(tmp_path, "p.json", f"[{huge},\n{json.dumps(row())}]"))
    assert [probe.id for probe in file.probes] == ["A1"]
    assert reasons(file) == ["line 1: prompt: 10,000,000 characters; at most 100,000"]
    file = load(written(tmp_path, "p.yaml", f"probes:\n  - {huge}\n  - {json.dumps(row())}\n"))
    assert [probe.id for probe in file.probes] == ["A1"]
    assert reasons(file) == ["line 2: prompt: 10,000,000 characters; at most 100,000"]


def test_a_bom_and_lone_surrogates_are_mended(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf{"id": "A1", "domain": "D", "prompt": "half \\ud83d face", "x": "\\udc00"}'
    (probe,) = load(written(tmp_path, "p.jsonl", content)).probes
    assert (probe.prompt, probe.extra) == ("half \ufffd face", {"x": "\ufffd"})


@pytest.mark.parametrize("name", [name for name in HOSTILE if HOSTILE[name].strip()])
def test_hostile_prompts_are_kept_as_they_are(tmp_path: Path, name: str) -> None:
    (probe,) = load(written(tmp_path, "p.jsonl", json.dumps(row(prompt=HOSTILE[name])))).probes
    assert probe.prompt == HOSTILE[name].replace("\ud83d", "\ufffd").replace("\udc00", "\ufffd")


def probe_of(**changes: object) -> ProbeRecord:
    return make(row(**changes), battery="mine", origin="test")


def test_the_hash_is_of_the_content_and_nothing_else() -> None:
    base = probe_of(note="n")
    again = make(dict(reversed(row(note="n").items())), battery="mine", origin="other")
    assert base.sha256 == again.sha256 == probe_sha256(base)
    changed = [
        probe_of(note="m"),
        probe_of(),
        probe_of(note="n", domain="Sea"),
        probe_of(note="n", prompt="Who waits"),
        probe_of(note="n", subjects=["waits"]),
        probe_of(note="n", id="A2"),
        probe_of(note="n", battery="theirs"),
        probe_of(note="n", source_probe="A0"),
    ]
    assert len({base.sha256, *(probe.sha256 for probe in changed)}) == len(changed) + 1


def test_an_edit_is_a_checked_new_revision() -> None:
    before = probe_of(note="n", subjects=["waits"])
    after = edited(before, prompt="Who stays?")
    assert (after.prompt, after.subjects, after.extra) == ("Who stays?", ("waits",), {"note": "n"})
    assert (after.battery, after.id, after.origin) == ("mine", "A1", "user")
    assert after.sha256 != before.sha256
    assert edited(before).sha256 == before.sha256
    with pytest.raises(LabError, match="prompt: empty"):
        edited(before, prompt=" ")
