"""`lantern compare judge`: a real tiny model as the judge, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from store.home import Home
from store.service import StoreService
from tests.lab.cli.calls import call
from tests.lab.cli.shell import lantern
from tests.lab.comparisons import store_comparison
from tests.models import tiny_model

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def a_home_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands = {"compare": "lab.cli.compare", "report": "lab.cli.report"}
    monkeypatch.setattr("lab.cli.main.COMMANDS", commands)
    monkeypatch.setenv("LANTERN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def test_a_judge_that_says_nothing_readable_gives_errors_and_no_numbers(capsys: Capture) -> None:
    with StoreService(Home.resolve(None), "test") as service:
        record = store_comparison(service, ["One.", "Same.", "Three."], ["Uno.", "Same.", "Tres."])
    judge = str(tiny_model("llama"))
    template = Path("short.txt")
    template.write_text("{question} {answer_a} {answer_b}", encoding="utf-8")
    arguments = ("compare", "judge", "last", "--model", judge, "--max-tokens", "8", "--template", "short.txt")
    ran = call(capsys, *arguments)
    assert ran.code == 0
    assert "Right wins 0, ties 1, loses 0 of 1 probe" in ran.out and "template short" in ran.out
    assert "2 pairs left out: no verdict that can be read" in ran.out
    assert "pair 1, left first: no verdict [[A]], [[B]] or [[C]]" in ran.err
    (found,) = json.loads(call(capsys, *arguments, "--json").out)["judgements"]
    assert (found["summary"]["judged"], found["summary"]["errors"], len(found["replies"])) == (1, 2, 4)
    assert {reply["verdict"] for reply in found["replies"]} == {None}
    assert call(capsys, "report", "compare", record.id, "--out", "r.html").code == 0
    assert "Judge llama-" in Path("r.html").read_text(encoding="utf-8")


def test_faults_are_one_line(capsys: Capture) -> None:
    Path("bad.txt").write_text("{question} {answer_a}", encoding="utf-8")
    judge = str(tiny_model("llama"))
    for arguments, fault in {
        ("last", "--model", judge): "there are no comparisons yet",
        (
            "last",
            "--model",
            judge,
            "--template",
            "bad.txt",
        ): "bad.txt: expected {answer_b} exactly once, found 0",
        ("last", "--model", "./none"): "no model at ./none",
    }.items():
        ran = call(capsys, "compare", "judge", *arguments)
        assert (ran.code, ran.out) == (1, "")
        assert fault in ran.err


@pytest.mark.slow
def test_a_real_comparison_is_judged_reported_and_exported(tmp_path: Path) -> None:
    """The whole way in real processes on wick: compare, judge, report, export, import again."""
    home = tmp_path / "home"
    sides = ("--right", "kernel=lantern", "--limit", "4", "--max-tokens", "40")
    lantern("compare", *sides, "--json", home=home, timeout_s=300)
    judged = lantern(
        *("compare", "judge", "last", "--model", "wick", "--max-tokens", "8", "--json"),
        home=home,
        timeout_s=300,
    )
    (judgement,) = json.loads(judged.stdout)["judgements"]
    assert judgement["judge_name"] == "wick" and len(judgement["replies"]) == 8
    lantern("report", "compare", "--out", tmp_path / "r.html", home=home)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Judge wick, template pair-v1" in page and "wick under lantern" in page
    lantern("compare", "export", "last", "--out", tmp_path / "ab.jsonl", home=home)
    done = json.loads(lantern("compare", "import", tmp_path / "ab.jsonl", "--json", home=home).stdout)
    assert (done["probes"], done["differs"], done["bad"]) == (4, [], [])
    check = json.loads(lantern("store", "check", "--json", home=home).stdout)
    assert check["ok"] is True
