"""`lantern train` and `lantern watch` as people use them: real processes, told what to do while they run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.models.adapters import read_adapter
from lab.train.folder import RunFolder, list_runs
from store.home import Home
from store.queries import runs as ask
from store.service import StoreService
from tests.lab.cli.shell import json_lines, lantern
from tests.lab.train import runs
from tests.models import tiny_model


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return runs.write_data(tmp_path / "data")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def train(home: Path, data: Path, *more: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    model = str(tiny_model("llama"))
    given = ("--data", str(data), "--model", model, "--batch-size", "2", "--mask-prompt")
    return lantern("train", *given, *more, home=home, check=check)


def test_a_look_starts_nothing(home: Path, data: Path) -> None:
    report = json.loads(train(home, data, "--check", "--json").stdout)
    assert report["check"]["batch"] and report["outlook"]["pressure"]["updates"] == report["check"]["steps"]
    shown = train(home, data, "--check", "--set", "lora_parameters.rank=2").stdout.decode()
    assert "at the peak, measured" in shown and "⟦" in shown
    assert list_runs(Home.resolve(home)) == []


def the_run(home: Path) -> RunFolder:
    (folder,) = list_runs(Home.resolve(home))
    return folder


def test_a_run_in_the_foreground_ends_with_an_adapter_and_a_history(home: Path, data: Path) -> None:
    adapter = data.parent / "adapter"
    ran = train(home, data, "--adapter-path", str(adapter), "--learning-rate", "1e-3", "--name", "evening")
    assert b"finished at step 12: all 12 steps are done" in ran.stdout
    assert b"held-out loss" in ran.stderr
    assert read_adapter(adapter).record.base_model_id is not None
    with StoreService(Home.resolve(home)) as service:
        service.ingest()
        (row,) = service.query(ask.page_runs, 0, 5)
        assert (row.name, row.step, row.planned_steps, row.last_event) == ("evening", 12, 12, "finished")
        losses = service.query(ask.metric_series, row.id, "train", "loss_nats")
        assert [point.step for point in losses] == list(range(1, 13))
        assert [event.name for event in service.query(ask.run_events, row.id)] == ["started", "finished"]
        assert {c.reason for c in service.query(ask.run_checkpoints, row.id)} >= {"initial", "final"}
    records = json_lines(lantern("watch", "evening", "--json", home=home))
    assert [r["step"] for r in records if r["kind"] == "metric" and r["source"] == "train"] == list(
        range(1, 13)
    )
    again = train(home, data, check=False)
    assert again.returncode == 1
    assert b"24 of 24 examples were seen by run evening" in again.stderr
    assert b"--allow-repeats" in again.stderr


@pytest.mark.slow
def test_a_detached_run_is_told_what_to_do_from_elsewhere(home: Path, data: Path) -> None:
    started = json.loads(train(home, data, "--epochs", "400", "--allow-repeats", "--detach", "--json").stdout)
    folder = the_run(home)
    assert started["run_id"] == folder.run_id
    watch = runs.Watch(Home.resolve(home), folder)
    while not watch.metrics():
        assert folder.presence() in ("not started", "running")
    answer = lantern("watch", "last", "--set", "learning_rate=0.004", "--json", home=home)
    told = json.loads(answer.stdout)
    assert told["name"] == "set"
    refused = lantern("watch", "last", "--set", "momentum=1", home=home, check=False)
    assert (refused.returncode, b"nothing of that name can be set" in refused.stdout) == (1, True)
    paused = json.loads(lantern("watch", "last", "--do", "pause", "--json", home=home).stdout)
    assert folder.presence() == "paused"
    listed = json.loads(lantern("watch", "--list", "--json", home=home).stdout)
    assert (listed[0]["presence"], listed[0]["step"]) == ("paused", paused["step"])
    lantern("watch", "last", "--do", "save", home=home)
    lantern("watch", "last", "--do", "resume", home=home)
    while max(watch.metrics()) <= paused["step"]:
        assert folder.presence() == "running"
    lantern("watch", "last", "--do", "stop", home=home)
    ended = lantern("watch", "last", home=home)
    assert b"stopped at step" in ended.stdout
    rates = {step: values["learning_rate"] for step, values in watch.metrics().items()}
    assert {rate for step, rate in rates.items() if step > told["step"]} == {0.004}
    assert {rate for step, rate in rates.items() if step <= told["step"]} == {1e-5}
    assert {(c.step, c.reason) for c in watch.checkpoints()} >= {
        (told["step"], "set"),
        (paused["step"], "asked"),
    }


@pytest.mark.slow
def test_ctrl_c_stops_the_run_which_is_gone_on_with_to_the_same_end(home: Path, data: Path) -> None:
    model = str(tiny_model("llama"))
    given = ["--data", str(data), "--model", model, "--batch-size", "2", "--epochs", "200", "--allow-repeats"]
    environment = {**os.environ, "LANTERN_HOME": str(home), "PYTHONPATH": str(runs.ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "screens.entry", "train", *given],
        env={**environment, "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    # Long enough that a busy machine cannot finish it before the signal comes.
    while not list_runs(Home.resolve(home)):
        assert process.poll() is None
    folder = the_run(home)
    watch = runs.Watch(Home.resolve(home), folder)
    while not watch.metrics():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert b"stopped at step" in out
    stopped_at = max(watch.metrics())
    assert stopped_at < 2400
    resumed = lantern("train", "--resume", "last", home=home)
    assert b"finished at step 2400" in resumed.stdout
    assert sorted(watch.metrics()) == list(range(1, 2401))
    names = [event.name for event in watch.events()]
    assert names == ["started", "warning", "stopping", "stopped", "resumed", "finished"]
    over = lantern("train", "--resume", "last", home=home, check=False)
    assert b"has finished: there is nothing to go on with" in over.stderr


def test_faults_are_one_line(home: Path, data: Path, tmp_path: Path) -> None:
    none = lantern("train", "--data", str(tmp_path / "none"), home=home, check=False)
    assert none.returncode == 1
    assert b"no data at" in none.stderr
    assert lantern("train", home=home, check=False).stderr.startswith(b"lantern: no data")
    (data / "train.jsonl").write_text('{"prompt": 1}\n')
    bad = train(home, data, check=False)
    assert bad.returncode == 1
    assert b"train.jsonl: no row can be trained on: line 1" in bad.stderr.splitlines()[-1]
    unknown = lantern("watch", "nothing", home=home, check=False)
    assert (unknown.returncode, unknown.stderr.count(b"\n")) == (1, 1)
