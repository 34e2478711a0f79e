"""`lantern gate` as a person runs it: its exit codes, its JSON, what it keeps, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.adapters import tiny_adapter
from tests.lab.cli.calls import call
from tests.models import tiny_model

PLAN = """\
name: mine
max_tokens: 8
gates:
  words:
    primary: true
    instrument: generation
    dimension: tokens
    battery: creative
    limit: 6
    {bounds}
  last:
    sealed: true
    instrument: generation
    dimension: tokens
    battery: lantern
    limit: 6
    pass: ">= 0"
"""
VERDICTS = {
    "pass": ('pass: ">= 0"', 0),
    "amber": ('pass: ">= 100"', 3),
    "fail": ('fail: "< 100"', 4),
}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_exit_code_says_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verdict: str
) -> None:
    bounds, code = VERDICTS[verdict]
    plan = tmp_path / "mine.yaml"
    plan.write_text(PLAN.format(bounds=bounds))
    common = ("--home", str(tmp_path / "home"))
    asked = ("--plan", str(plan), "--model", str(tiny_model("llama")), *common)
    ran = call(capsys, "gate", str(tiny_adapter("llama")), *asked, "--json")
    assert (ran.code, ran.err.count("\n")) == (code, 1)
    record = json.loads(ran.out)
    assert (record["plan"], record["verdict"], record["sealed"]) == ("mine", verdict, False)
    assert [row["name"] for row in record["rows"]] == ["words"]
    assert len(record["generation_ids"]) == 6
    shown = call(capsys, "gate", "--show", record["id"][-8:], *common)
    assert (shown.code, record["rows"][0]["evidence"] in shown.out) == (code, True)
    if verdict == "pass":
        opened = call(capsys, "gate", str(tiny_adapter("llama")), *asked, "--sealed")
        assert (opened.code, "last (sealed)" in opened.out) == (0, True)
        again = call(capsys, "gate", str(tiny_adapter("llama")), *asked, "--sealed", "--json")
        assert (again.code, "opened once before" in again.out) == (3, True)
        listed = json.loads(call(capsys, "gate", "--list", "--json", *common).out)
        assert [row["verdict"] for row in listed] == ["amber", "pass", "pass"]


def test_faults_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ("--home", str(tmp_path))
    plan = tmp_path / "bad.yaml"
    plan.write_text(PLAN.format(bounds='pass: "about 3"'))
    for arguments, words in (
        (("base", "--plan", str(plan)), f"{plan}: line 10: gates.words.pass: 'about 3': expected a bound"),
        (("base", "--plan", "nobody"), "no gate plan 'nobody': there are base, seed-001"),
        (("nobody",), "nobody: no adapter there, and there are no runs yet"),
        (("--show", "x"), "no gate 'x' in the store"),
        ((str(tiny_adapter("llama")), "--checkpoint", "all"), "is one adapter; name a run"),
    ):
        ran = call(capsys, "gate", *arguments, *home)
        assert (ran.code, ran.out) == (1, "")
        assert words in ran.err
        assert ran.err.count("\n") == 1
