"""`lantern store`: one JSON document on stdout when asked, clear lines otherwise, honest exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.cli.store import app
from store.errors import StoreError
from store.home import Home
from store.journal import Journal
from tests.store.facts import condition, generation, model, probe, score, trace

Run = Any


@pytest.fixture
def run(home: Home, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command on a small store; gives exit code, stdout and stderr."""
    answer = generation(1, trace=trace(9, k=2), prompt="[bold]\x1b[31m")
    with Journal.open(home, "engine") as journal:
        for record in (model(), condition(), probe(prompt="[/x] \x1b[2J"), answer, score(answer.id)):
            journal.append(record)

    def command(*arguments: str, at: Path = home.path) -> tuple[int, str, str]:
        code = app([*arguments, "--home", str(at)], standalone_mode=False)
        captured = capsys.readouterr()
        return int(code or 0), captured.out, captured.err

    return command


def document(result: tuple[int, str, str]) -> Any:
    code, out, _ = result
    assert code == 0
    return json.loads(out)


def test_check(run: Run, home: Home) -> None:
    report = document(run("check", "--json"))
    assert report["ok"] is True
    assert report["report"]["facts"] == 5
    code, out, _ = run("check")
    assert code == 0
    assert "all is well" in out
    assert "5 records in 1 journals" in out


def test_check_fails_with_exit_code_1(run: Run, home: Home) -> None:
    run("check")
    next(home.journals.iterdir()).unlink()
    code, out, _ = run("check", "--json")
    assert code == 1
    assert json.loads(out)["ok"] is False
    code, out, _ = run("check")
    assert code == 1
    assert "problem: journal" in out


def test_lines_set_aside_are_shown_without_their_escape_codes(run: Run, home: Home) -> None:
    bad = home.journals / "bad.jsonl"
    bad.touch(mode=0o600)
    bad.write_bytes(b'{"v":1,"kind":"\\u001b[31m","seq":1,"data":{}}\n')
    code, out, _ = run("check")
    assert code == 0
    assert "set aside: bad.jsonl at byte 0" in out
    assert "\x1b" not in out


def test_there_and_back(run: Run, home: Home, tmp_path: Path) -> None:
    copy, elsewhere = tmp_path / "copy", tmp_path / "elsewhere"
    before = document(run("check", "--json"))["report"]["tables"]
    made = document(run("backup", str(copy), "--json"))
    assert (made["path"], made["files"]) == (str(copy), 2)
    back = document(run("restore", str(copy), "--json", at=elsewhere))
    assert (back["path"], back["aside"]) == (str(elsewhere), None)
    assert document(run("check", "--json", at=elsewhere))["report"]["tables"] == before
    with pytest.raises(StoreError, match="--force"):
        run("restore", str(copy))
    code, out, _ = run("restore", str(copy), "--force")
    assert code == 0
    assert str(home.aside) in out


def test_rebuild(run: Run, home: Home) -> None:
    report = document(run("rebuild", "--json"))
    assert report["identical"] is True
    assert report["records"] == 5
    code, out, _ = run("rebuild")
    assert code == 0
    assert "every table is as it was" in out


def test_export(run: Run, tmp_path: Path) -> None:
    report = document(run("export", str(tmp_path / "out"), "--format", "csv", "--json"))
    assert report["rows"]["generation"] == 1
    assert len(list((tmp_path / "out").glob("*.csv"))) == len(report["rows"])


def test_sql(run: Run) -> None:
    statement = "SELECT model_name, n_tokens, started_at FROM answer"
    result = document(run("sql", statement, "--json"))
    assert result["columns"] == ["model_name", "n_tokens", "started_at"]
    assert result["rows"][0][:2] == ["wick", 4]
    code, out, err = run("sql", "SELECT prompt FROM probe UNION ALL SELECT NULL ORDER BY ALL", "--limit", "1")
    assert code == 0
    assert "[/x]" in out
    assert "\x1b[2J" not in out
    assert "--limit" in err


@pytest.mark.parametrize("command", ["check", "backup", "restore", "rebuild", "export", "sql"])
def test_help_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    app([command, "--help"], standalone_mode=False)
    shown = capsys.readouterr().out
    assert f"Example: lantern store {command}" in shown
    assert "--json" in shown
