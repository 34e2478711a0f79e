"""`lantern curriculum` as the shell has it: run, killed, reviewed, rolled back, always to the same result."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.curriculum.run import begin
from lab.curriculum.settings import load_curriculum
from store.home import Home
from store.queries.curricula import find_curricula, phase_events
from store.records import PhaseRecord
from store.service import StoreService
from tests.lab.cli.calls import call, feed
from tests.lab.cli.shell import ROOT

SMALL = """name: small
model: wick
chain: {chain}
evaluation:
  target: {{battery: lantern, domains: [insight]}}
  kernels: [lantern.txt]
defaults:
  distill: {{batteries: [core], domains: [Culture], limit: 4, kernel: lantern}}
  data: {{threshold: 5, review: {{share: {share}}}, valid_share: {held_out}}}
  train:
    lora_parameters: {{rank: 4, scale: 2.0}}
    num_layers: -1
    learning_rate: {rate}
    batch_size: 2
    epochs: {epochs}
    allow_repeats: true
    mask_prompt: true
    steps_per_eval: 50
    save_every: 1
  gates:
    max_tokens: 200
    gates:
      creative:
        primary: true
        metric: mean
        instrument: lantern-v1
        battery: creative
        limit: 12
        against: base
        pass: "{passes}"
        fail: "< -2"
      general perplexity:
        metric: perplexity
        data: general
        against: base
        pass: "<= {perplexity} %"
        fail: "> {perplexity} %"
phases:
  - {{name: one, on_fail: {on_fail}}}
{more}"""


def written(folder: Path, **changes: object) -> Path:
    """A curriculum on wick that takes some seconds."""
    fields = {
        "chain": "adapter",
        "share": 0,
        "rate": 1e-3,
        "epochs": 1,
        "passes": ">= -50",
        "on_fail": "stop",
        "held_out": 0.3,
        "perplexity": 100,
    }
    path = folder / "small.yaml"
    path.write_text(SMALL.format(**{**fields, "more": "", **changes}))
    return path


def command(home: Path, *arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "screens.entry", "curriculum", *map(str, arguments), "--home", str(home)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def lantern(home: Path, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    """Run it and read its JSON."""
    ran = subprocess.run(
        command(home, *arguments, "--json"), env=environment(), capture_output=True, timeout=300, check=False
    )
    assert ran.returncode == code, ran.stderr.decode()
    document: dict[str, Any] = json.loads(ran.stdout)
    return document


def events(home: Path) -> list[PhaseRecord]:
    with StoreService(Home.resolve(home)) as store:
        store.ingest()
        (found,) = store.query(find_curricula, "")
        return store.query(phase_events, found)


def said(home: Path, stage: str, state: str = "done") -> list[PhaseRecord]:
    return [event for event in events(home) if (event.stage, event.state) == (stage, state)]


def results(home: Path) -> list[tuple[str, str | None, str | None, object]]:
    """What a curriculum comes to, whatever ids and times it had: data, adapters, figures."""
    return [
        (event.phase, event.data_sha256, event.adapter_id, event.detail.get("deltas") and _figures(event))
        for event in events(home)
        if event.state == "done" and event.stage in ("data", "train", "evaluate")
    ]


def _figures(event: PhaseRecord) -> object:
    deltas: Any = event.detail["deltas"]
    return {name: (delta["left"], delta["right"], delta["delta"]) for name, delta in deltas.items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a curriculum that nobody stopped, and whose file says that nobody is there to be asked."""
    folder = tmp_path_factory.mktemp("whole")
    document = lantern(folder / "home", "run", written(folder, more="unattended: true\n"))
    assert document["finished"]
    yield folder / "home"


@pytest.mark.slow
def test_killed_after_every_event_it_comes_to_the_same_result(whole: Path, tmp_path: Path) -> None:
    home, plan = tmp_path / "home", written(tmp_path)
    kills = 0
    while True:
        process = subprocess.Popen(command(home, "run", plan, "--yes"), env=environment())
        before = _lines(home)
        until = time.monotonic() + 240
        while process.poll() is None and _lines(home) == before:
            assert time.monotonic() < until
            time.sleep(0.02)
        if _is_over(home):
            break
        process.kill()
        process.wait()
        kills += 1
    assert process.wait(timeout=120) == 0
    assert kills >= 8
    assert results(home) == results(whole)
    with StoreService(Home.resolve(home)) as store:
        store.ingest()
        assert len(store.query(find_curricula, "")) == 1


def _lines(home: Path) -> int:
    """Events in the journals, however far the store has read them."""
    return len(re.findall(b'"kind":"(?:phase|curriculum)"', _journals(home)))


def _is_over(home: Path) -> bool:
    """Whether the last stage is done: the same command begins another curriculum from then on."""
    return re.search(b'"phase":"after"[^\n]*"state":"done"', _journals(home)) is not None


def _journals(home: Path) -> bytes:
    journals = (home / "journals").glob("*.jsonl") if (home / "journals").is_dir() else ()
    return b"".join(path.read_bytes() for path in journals)


@pytest.mark.slow
def test_it_leaves_its_evidence_in_the_store(whole: Path) -> None:
    stages = [(event.phase, event.stage, event.state) for event in events(whole)]
    assert [one for one in stages if one[2] == "done"] == [
        ("before", "evaluate", "done"),
        *(("one", stage, "done") for stage in ("distill", "data", "train", "gate")),
        ("after", "evaluate", "done"),
    ]
    (data,) = said(whole, "data")
    manifest = json.loads((Path(str(data.detail["folder"])) / "manifest.json").read_text())
    assert manifest["sha256"] == data.data_sha256
    assert manifest["recipe"]["threshold"] == 5
    (gate,) = said(whole, "gate")
    assert gate.verdict == "pass"
    assert gate.detail["gate_id"]
    _, after = said(whole, "evaluate")
    deltas: Any = after.detail["deltas"]
    assert set(deltas) == {"tuned", "tuned, kernel lantern.txt"}
    (first,) = (event for event in said(whole, "evaluate") if event.phase == "before")
    kernel: Any = first.detail["deltas"]
    share = deltas["tuned"]["delta"] / kernel["kernel lantern.txt"]["delta"]
    assert after.detail["closed_share"] == pytest.approx(share)


@pytest.mark.slow
def test_an_over_trained_phase_is_caught_rolled_back_and_said_why(tmp_path: Path) -> None:
    home = tmp_path / "home"
    more = "  - {name: two, train: {learning_rate: 3.0e-4, epochs: 1}, distill: {seed: 4}}\n"
    # Without held-out data the last checkpoint is kept, not the best one.
    changes = {
        "rate": 0.2,
        "epochs": 12,
        "on_fail": "skip",
        "passes": ">= 0",
        "held_out": 0,
        "perplexity": 20,
    }
    plan = written(tmp_path, more=more, **changes)
    lantern(home, "run", plan, "--yes")
    gate = next(event for event in said(home, "gate") if event.phase == "one")
    assert gate.verdict == "fail"
    (rollback,) = said(home, "rollback")
    assert (rollback.phase, rollback.adapter_id, rollback.verdict) == ("one", gate.adapter_id, "fail")
    rows: Any = gate.detail["rows"]
    failed = [row for row in rows if row["verdict"] == "fail"]
    assert [row["name"] for row in failed] == ["general perplexity"]
    assert failed[0]["evidence"] in rollback.words
    # The second phase goes on from the base, as if the first had not been.
    second = next(event for event in said(home, "train") if event.phase == "two")
    run = json.loads((home / "runs" / str(second.run_id) / "run.json").read_text())
    assert run["settings"]["resume_adapter_file"] is None


@pytest.mark.slow
def test_a_review_is_waited_for_and_taken_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, plan = tmp_path / "home", written(tmp_path, share=1)
    lantern(home, "run", plan, code=3)
    waiting = events(home)[-1]
    assert (waiting.stage, waiting.state) == ("data", "begun")
    assert waiting.words.startswith("waits: nobody has reviewed")
    feed(monkeypatch, b"a\nr\nu\na\nra")
    ran = call(capsys, "curriculum", "review", "--home", str(home), "--reviewer", "ada")
    assert ran.code == 0
    assert "1 errors in" in ran.out
    document = lantern(home, "resume", "last", "--yes")
    assert document["finished"]
    (data,) = said(home, "data")
    manifest = json.loads((Path(str(data.detail["folder"])) / "manifest.json").read_text())
    assert [row["step"] for row in manifest["dropped"]].count("review") == 1
    assert [row["review"] for row in manifest["rows"]].count("accept") == manifest["review"]["reviewed"] - 1


@pytest.mark.slow
def test_a_rollback_is_done_again_with_another_rate(whole: Path, tmp_path: Path) -> None:
    import shutil

    home = tmp_path / "home"
    shutil.copytree(whole, home)
    # The copy is another home: its folders are named in the records, and the first home's are still there.
    before = results(home)
    rolled = lantern(home, "rollback", "one", "--set", "learning_rate=2.0e-4")
    assert rolled["rolled_back"] == ["one"]
    document = lantern(home, "resume", "last", "--yes")
    assert document["finished"]
    assert [one["attempt"] for one in document["phases"]] == [2]
    after = results(home)
    assert after[: len(before)] == before
    data, train = (next(event for event in said(home, stage)[::-1]) for stage in ("data", "train"))
    assert data.data_sha256 == before[1][1]
    assert train.adapter_id != before[2][2]


@pytest.mark.slow
def test_a_chain_of_fused_weights(tmp_path: Path) -> None:
    home = tmp_path / "home"
    more = "  - {name: two, distill: {seed: 4}}\n"
    document = lantern(home, "run", written(tmp_path, chain="fused", more=more), "--yes")
    assert document["finished"]
    runs = [json.loads((home / "runs" / str(e.run_id) / "run.json").read_text()) for e in said(home, "train")]
    assert [run["settings"]["resume_adapter_file"] for run in runs] == [None, None]
    assert runs[0]["settings"]["model"] == "wick"
    assert Path(runs[1]["settings"]["model"]).parent.name == "fused"


def test_a_run_that_would_train_on_what_judges_is_refused(tmp_path: Path) -> None:
    from lab.errors import LabError
    from lab.probes import sync_shipped

    path = written(tmp_path)
    path.write_text(
        path.read_text().replace("batteries: [core], domains: [Culture]", "batteries: [creative]")
    )
    home = Home.resolve(tmp_path / "home")
    with StoreService(home) as store:
        sync_shipped(store)
        with pytest.raises(LabError, match="phase one distills creative/C01_FICTION_LAST_KEYMAKER"):
            begin(load_curriculum(path), home, store)


def test_check_says_what_it_would_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = call(capsys, "curriculum", "check", "wick", "--home", str(tmp_path))
    assert ran.code == 0
    assert "226 probes are kept out of all training data" in ran.out
    ran = call(capsys, "curriculum", "check", str(written(tmp_path, rate=-1)), "--home", str(tmp_path))
    assert (ran.code, ran.out) == (1, "")
    assert "small.yaml: line 13: defaults.train.learning_rate: -1.0; expected a rate above 0" in ran.err


def test_wrong_use_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (("resume", "last"), "there are no curricula yet"),
        (("status", "none"), "no curriculum 'none'"),
        (("run", "nowhere"), "no curriculum 'nowhere': there are lem-27b, wick"),
        (("review",), "there are no curricula yet"),
    ):
        ran = call(capsys, "curriculum", *arguments, "--home", str(tmp_path))
        assert (ran.code, ran.out) == (1, "")
        assert words in ran.err
        assert ran.err.count("\n") == 1
