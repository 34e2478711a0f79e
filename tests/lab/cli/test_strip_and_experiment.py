"""`lantern strip` and `lantern experiment` as a person runs them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lab.train.folder import create_run
from store.home import Home
from store.journal import Journal
from store.records import MetricRecord
from tests.adapters import tiny_adapter
from tests.lab.cli.calls import call
from tests.models import tiny_model
from tests.store.test_runs import RUN

SETTINGS = """\
name: quick
max_tokens: 4
texts: 1
inside_tokens: 8
steering_pairs: 2
binary_from_step: 100
probes: {refusal: 2, direction: 2, capability: 2, core: 2}
bounds:
  perplexity/general: {warn: "> -100 %"}
"""


def a_run(where: Home) -> str:
    """A run with two checkpoints, as a trainer leaves it."""
    folder = create_run(where, {"name": "evening", "model": str(tiny_model("llama")), "data": "nowhere"})
    for step, seed in ((0, 0), (10, 0), (20, 5)):
        shutil.copytree(tiny_adapter("llama", seed=seed), folder.checkpoints / f"evening-{step:07d}")
    return folder.run_id


@pytest.mark.slow
def test_every_checkpoint_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ("--home", str(tmp_path / "home"))
    run_id = a_run(Home.resolve(tmp_path / "home"))
    (settings := tmp_path / "quick.yaml").write_text(SETTINGS)
    ran = call(capsys, "strip", "evening", "--checkpoint", "all", "--bounds", str(settings), "--json", *home)
    assert ran.code == 3, ran.err
    records = json.loads(ran.out)
    assert [(record["run_id"], record["step"], record["state"]) for record in records] == [
        (run_id, 10, "warn"),
        (run_id, 20, "warn"),
    ]
    states = {row["name"]: row["state"] for row in records[0]["rows"]}
    assert (states["general"], states["right answers"]) == ("warn", "withheld")
    shown = call(capsys, "strip", "--trend", "evening", *home)
    assert (shown.code, "@10" in shown.out, "@20" in shown.out) == (0, True, True)
    one = call(capsys, "strip", "--show", records[1]["id"][-6:], *home)
    assert "attention_l2 by layer.head (both from 0), strongest first:" in one.out
    listed = json.loads(call(capsys, "strip", "--list", "--json", *home).out)
    assert [row["step"] for row in listed] == [20, 10]


def test_faults_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ("--home", str(tmp_path))
    a_run(Home.resolve(tmp_path))
    for arguments, words in (
        (("strip", "base"), "base: a strip is taken of an adapter"),
        (("strip", "evening"), "has no adapter yet: there are steps 10, 20"),
        (("strip", "evening", "--checkpoint", "15"), "has no checkpoint 15: there are steps 10, 20"),
        (("strip", "--trend", "evening"), "no strip of it yet"),
        (("experiment", "add"), "an experiment begins with a hypothesis"),
        (("experiment", "add", "--to", "last", "--verdict", "x"), "no experiment 'last' in the store"),
        (("experiment", "show", "x"), "no experiment 'x' in the store"),
    ):
        ran = call(capsys, *arguments, *home)
        assert (ran.code, ran.out) == (1, "")
        assert words in ran.err
        assert ran.err.count("\n") == 1


def test_an_experiment_grows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ("--home", str(tmp_path))
    where = Home.resolve(tmp_path)
    run_id = a_run(where)
    with Journal.open(where, "test") as journal:
        journal.append(replace(RUN, id=run_id))
        for step, loss in ((1, 3.0), (2, 2.0)):
            for source in ("train", "valid"):
                journal.append(
                    MetricRecord(
                        run_id=run_id, step=step, source=source, values={"loss_nats": loss}, at=RUN.at
                    ),
                    durable=True,
                )
    begun = call(
        capsys,
        "experiment",
        "add",
        "--hypothesis",
        "It [b]will[/b] listen",
        "--run",
        "evening",
        "--json",
        *home,
    )
    first = json.loads(begun.out)
    assert first["configuration"]["learning_rate"] == 1e-4
    assert first["measures"] == {"evening last loss (nats)": 2.0, "evening best held-out loss (nats)": 2.0}
    added = call(capsys, "experiment", "add", "--to", "last", "--verdict", "A little.", "--next", "50", *home)
    assert added.code == 0
    assert "nothing to add" in call(capsys, "experiment", "add", "--to", "last", *home).err
    shown = call(capsys, "experiment", "show", *home).out
    for words in ("It [b]will[/b] listen", "verdict: A little.", "next change: 50", "2 entries"):
        assert words in shown
    (listed,) = json.loads(call(capsys, "experiment", "list", "--json", *home).out)
    assert (listed["verdict"], listed["hypothesis"], len(listed["entries"])) == (
        "A little.",
        "It [b]will[/b] listen",
        2,
    )
