"""`lantern score`: rows in, one result a row out, bad rows listed, the store scored once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from store.home import Home
from store.service import StoreService
from tests.hostile import HOSTILE
from tests.lab.cli.calls import call, feed
from tests.store import facts

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def only_this_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("lab.cli.main.COMMANDS", {"score": "lab.cli.score"})
    monkeypatch.setenv("LANTERN_HOME", str(tmp_path / "home"))


def written(tmp_path: Path, name: str, content: str) -> str:
    (tmp_path / name).write_bytes(content.encode("utf-8", "surrogatepass"))
    return str(tmp_path / name)


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


ROWS = "\n".join(
    [
        json.dumps({"id": "a", "response": "Cya later!"}),
        json.dumps({"id": 7, "text": "e"}),
        json.dumps(
            {"messages": [{"role": "assistant", "content": "I feel hope. What do you dream of, Amara?"}]}
        ),
    ]
)


def test_one_result_a_row_in_order(tmp_path: Path, capsys: Capture) -> None:
    ran = call(capsys, "score", written(tmp_path, "r.jsonl", ROWS), "--instrument", "lek-v2", "--json")
    results = lines(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert [(row["id"], row["instrument"], row["version"], row["total"]) for row in results] == [
        ("a", "lek-v2", "1", -19.0),
        (7, "lek-v2", "1", -19.0),
        (3, "lek-v2", "1", 0.5 + 1 + 2.4 + 0.3 + 0.5),
    ]
    assert list(results[0]) == ["id", "instrument", "version", "total", "dimensions", "text_sha256"]
    assert len(results[2]["dimensions"]) == 14
    assert results[2]["dimensions"]["emotional_register"] == 3


def test_bad_rows_are_listed_and_good_ones_kept(tmp_path: Path, capsys: Capture) -> None:
    file = written(tmp_path, "r.jsonl", ROWS.replace("\n", "\n{not json\n", 1) + '\n{"id": 1}\n')
    ran = call(capsys, "score", file, "--json")
    assert ran.code == 1
    assert [row["id"] for row in lines(ran.out)] == ["a", 7, 4]
    assert "line 2: not JSON" in ran.err and "line 5: expected a field response" in ran.err
    assert "2 bad rows were left out" in ran.err


@pytest.mark.parametrize("as_array", [False, True])
def test_stdin(capsys: Capture, monkeypatch: pytest.MonkeyPatch, as_array: bool) -> None:
    feed(monkeypatch, (f"[{ROWS.replace(chr(10), ',')}]" if as_array else ROWS).encode())
    assert len(lines(call(capsys, "score", "-", "--json").out)) == 3


def test_a_text_is_one_row(tmp_path: Path, capsys: Capture) -> None:
    (found,) = lines(call(capsys, "score", written(tmp_path, "e.txt", "e"), "-i", "lek-v1", "--json").out)
    assert (found["id"], found["total"]) == ("e.txt", -20)


def test_explain_marks_the_matched_words(tmp_path: Path, capsys: Capture) -> None:
    file = written(tmp_path, "r.jsonl", json.dumps({"text": "I feel hope, [/INST] \x1b[31m however."}))
    (found,) = lines(call(capsys, "score", file, "-i", "lek-v2", "--json", "--explain").out)
    assert found["explain"]["emotional_register"]["spans"] == [[2, 6], [7, 11]]
    assert found["explain"]["emotional_register"]["contribution"] == 1.6
    ran = call(capsys, "score", file, "-i", "lek-v2", "--explain")
    assert "emotional_register" in ran.out and "[/INST] ␛[31m however" in ran.out
    assert "known fault: It mostly rewards Markdown" in ran.err


def test_hostile_texts(tmp_path: Path, capsys: Capture) -> None:
    rows = "\n".join(json.dumps({"id": name, "text": text}) for name, text in HOSTILE.items())
    file = written(tmp_path, "r.jsonl", rows)
    assert [row["id"] for row in lines(call(capsys, "score", file, "--json", "--explain").out)] == list(
        HOSTILE
    )
    ran = call(capsys, "score", file, "--explain")
    assert ran.code == 0
    assert not set(ran.out) & {"\x1b", "\x9b", "\x07", "\x00", "\u202e"}


def test_faults_are_one_line(tmp_path: Path, capsys: Capture) -> None:
    missing = call(capsys, "score", str(tmp_path / "none.jsonl"))
    assert (missing.code, missing.out) == (1, "")
    assert "none.jsonl: cannot be read: No such file" in missing.err
    assert "no instrument 'x': there are lantern-v1" in call(capsys, "score", "-", "-i", "x").err
    bad = written(tmp_path, "bad.yaml", "name: x\nversion: 1\ndimensions:\n  d: {weight: 1}\n")
    assert "bad.yaml: line 4: dimensions.d: expected one of" in call(capsys, "score", "-", "-i", bad).err
    assert "score needs one of FILE" in call(capsys, "score").err


def test_a_rubric_of_the_users_own(tmp_path: Path, capsys: Capture) -> None:
    own = written(
        tmp_path, "own.yaml", 'name: own\nversion: "2"\ndimensions:\n  d: {weight: 1, terms: [hope]}\n'
    )
    found = lines(call(capsys, "score", written(tmp_path, "r.jsonl", ROWS), "-i", own, "--json").out)
    assert [(row["instrument"], row["version"], row["total"]) for row in found] == [
        ("own", "2", 0),
        ("own", "2", 0),
        ("own", "2", 1),
    ]


def test_a_rubric_in_the_home_is_found_by_its_name(tmp_path: Path, capsys: Capture) -> None:
    file = written(tmp_path, "r.jsonl", ROWS)
    assert call(capsys, "score", file, "--json").code == 0
    assert not (tmp_path / "home").exists()
    rubrics = Home.resolve(tmp_path / "home").config / "rubrics"
    rubrics.mkdir()
    written(rubrics, "own.yaml", 'name: own\nversion: "2"\ndimensions:\n  d: {weight: 1, terms: [hope]}\n')
    assert [row["total"] for row in lines(call(capsys, "score", file, "-i", "own", "--json").out)] == [
        0,
        0,
        1,
    ]


def test_the_list_names_known_faults(capsys: Capture) -> None:
    found = json.loads(call(capsys, "score", "--list", "--json").out)
    assert found[0]["instrument"] == "lantern-v1"
    assert all(by["known_faults"] for by in found)
    assert "lek-v2 1: " in call(capsys, "score", "--list").out


def test_the_store(tmp_path: Path, capsys: Capture) -> None:
    service = StoreService(Home.resolve(tmp_path / "home"), "test")
    service.append(facts.model(), facts.condition(), *(facts.generation(n) for n in range(5)))
    service.close()
    ran = call(capsys, "score", "--store", "-i", "lek-v2", "--json")
    assert json.loads(ran.out) == {"instrument": "lek-v2", "version": "1", "scored": 5}
    assert json.loads(call(capsys, "score", "--store", "-i", "lek-v2", "--json").out)["scored"] == 0
    assert "5 answers scored by degeneration 1" in call(capsys, "score", "--store", "-i", "degeneration").out
