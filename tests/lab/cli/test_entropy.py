"""`lantern entropy`: texts and training sets, as tables and as JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from lab.probes import shipped
from tests.hostile import HOSTILE
from tests.lab.cli.calls import call, feed
from tests.lab.cli.shell import lantern

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def only_this_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.cli.main.COMMANDS", {"entropy": "lab.cli.entropy"})


def written(tmp_path: Path, name: str, content: str) -> str:
    (tmp_path / name).write_bytes(content.encode("utf-8", "surrogatepass"))
    return str(tmp_path / name)


def rows(*answers: str) -> str:
    return "\n".join(json.dumps({"prompt": f"P {n}", "completion": text}) for n, text in enumerate(answers))


def test_a_text_as_json(tmp_path: Path, capsys: Capture) -> None:
    ran = call(capsys, "entropy", written(tmp_path, "a.txt", "a b c d"), "--json")
    reading = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert reading["entropy"]["word_entropy_nats"] == pytest.approx(math.log(4))
    assert reading["entropy"]["words"] == 4
    assert reading["zone"] is None


def test_a_text_as_a_table_shows_n_companions_and_the_caveat(tmp_path: Path, capsys: Capture) -> None:
    ran = call(capsys, "entropy", written(tmp_path, "a.txt", "a b c d"))
    assert ran.code == 0
    assert "1.386 nats" in ran.out
    assert "too short to zone" in ran.out
    assert "– (under 100 words)" in ran.out
    assert "below 55 words no zone is named" in ran.out
    long = call(capsys, "entropy", written(tmp_path, "b.txt", " ".join(f"w{n}" for n in range(250))))
    assert "LANTERN" in long.out
    assert "5.521 nats" in long.out


def test_stdin_and_several_files(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b"Mind. mind")
    ran = call(capsys, "entropy", "-", written(tmp_path, "a.txt", "one"), "--json")
    first, second = json.loads(ran.out)
    assert (first["source"], first["entropy"]["types"]) == ("stdin", 2)
    assert second["entropy"]["words"] == 1


def test_a_data_set_is_known_by_its_name_or_its_first_line(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = rows("a b c d", "a b")
    feed(monkeypatch, content.encode())
    array = f"[{content.replace(chr(10), ',')}]"
    files = [written(tmp_path, "d.jsonl", content), written(tmp_path, "d.txt", content), "-"]
    files.append(written(tmp_path, "alpaca.json", array))
    readings = json.loads(call(capsys, "entropy", *files, "--json").out)
    for reading in readings:
        assert reading["figures"]["word_entropy_nats"]["mean"] == pytest.approx(1.5 * math.log(2))
    as_text = json.loads(call(capsys, "entropy", files[0], "--as", "text", "--json").out)
    assert as_text["entropy"]["words"] == len(content.split())
    kernel = json.loads(call(capsys, "entropy", written(tmp_path, "k.json", '{"a": 1}'), "--json").out)
    assert kernel["entropy"]["words"] == 2


def test_a_data_set_as_tables_with_leaks_duplicates_and_bad_lines(tmp_path: Path, capsys: Capture) -> None:
    tasks = [probe for probe in shipped() if probe.battery == "lantern"][:3]
    answer = "The tide turns and the harbor light answers it, twice, before the boats come home again."
    leaks = "\n".join(
        json.dumps({"prompt": task.prompt, "response": f"{answer} {task.id}"}) for task in tasks
    )
    ran = call(capsys, "entropy", written(tmp_path, "d.jsonl", f"{leaks}\n{{bad\n{rows(answer)}"), "--rows")
    assert ran.code == 0
    assert "d.jsonl: 4 rows" in ran.out
    assert "3 of 12 lantern probes are also in the training rows" in ran.out
    assert f"line 1: {tasks[0].id} (lantern), same prompt" in ran.out
    assert "Duplicate rows: 0 exact, 3 near" in ran.out
    assert "line 2 repeats line 1" in ran.out
    assert "too short to zone 100%" in ran.out
    assert "Structure of 4 rows" in ran.out
    assert "line 4: not JSON" in ran.err


def test_replay_rows_are_no_leak_and_probes_of_ones_own_are_looked_for(
    tmp_path: Path, capsys: Capture
) -> None:
    replay = next(probe for probe in shipped() if probe.battery == "general")
    content = json.dumps({"prompt": replay.prompt, "completion": "x"})
    own = written(tmp_path, "own.json", json.dumps([{"id": "1", "domain": "D", "prompt": "Mine?"}]))
    content += "\n" + json.dumps({"prompt": "mine", "completion": "y"})
    file = written(tmp_path, "d.jsonl", content)
    assert json.loads(call(capsys, "entropy", file, "--json").out)["overlaps"] == []
    (hit,) = json.loads(call(capsys, "entropy", file, "--json", "--probes", own).out)["overlaps"]
    assert (hit["battery"], hit["probe_id"], hit["line"]) == ("own", "1", 2)


def test_a_zone_table_of_ones_own(tmp_path: Path, capsys: Capture) -> None:
    table = written(
        tmp_path, "z.yaml", "{name: z, version: 2, measure: m, min_words: 1, zones: [{name: ALL}]}"
    )
    ran = call(capsys, "entropy", written(tmp_path, "a.txt", "a b"), "--zones", table, "--json")
    assert (json.loads(ran.out)["zone"], json.loads(ran.out)["zone_table"]) == ("ALL", "z 2")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_reach_the_terminal_as_text(tmp_path: Path, capsys: Capture, name: str) -> None:
    text = HOSTILE[name].encode("utf-8", "replace").decode()
    files = [
        written(tmp_path, "a.txt", text),
        written(tmp_path, "d.jsonl", json.dumps({"prompt": text or "p", HOSTILE[name]: 1})),
    ]
    assert call(capsys, "entropy", files[0]).code == 0
    ran = call(capsys, "entropy", files[1])
    assert (ran.code, ran.out) == (1, "")
    for shown in (ran.err, call(capsys, "entropy", files[0]).out):
        assert "\x1b" not in shown
        assert "\x07" not in shown


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.txt", None, "cannot be read: No such file or directory"),
        ("latin.txt", b"ok\ncaf\xe9", "line 2: not UTF-8"),
        ("empty.jsonl", b"", "no usable row"),
        ("bad.json", b"[{,", "no usable row; line 1: not JSON"),
    ],
)
def test_faults_are_one_line_and_exit_1(
    tmp_path: Path, capsys: Capture, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    ran = call(capsys, "entropy", str(tmp_path / name), "--json")
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_in_a_process_of_its_own_stdout_is_one_json_document(tmp_path: Path) -> None:
    ran = lantern("entropy", "-", "--json", home=tmp_path, stdin="Mind. mind")
    assert json.loads(ran.stdout)["entropy"]["word_entropy_nats"] == pytest.approx(math.log(2))
    assert ran.stderr == b""


def test_help_shows_an_example(capsys: Capture) -> None:
    ran = call(capsys, "entropy", "--help")
    assert ran.code == 0
    assert "lantern entropy train.jsonl --json" in ran.out
