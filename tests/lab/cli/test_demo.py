"""`lantern demo` without a terminal: twelve probes, plainly and under the kernel, kept and summed up."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.demo import demo_asks, demo_probes
from store.home import Home
from store.queries import run_rows
from store.queries.runs import page_runs, run_samples
from store.service import StoreService
from tests.lab.cli.shell import ROOT, lantern
from tests.lab.compare.recomputed import Recomputed
from tests.models import tiny_model


def test_the_demo_asks_twelve_probes_of_twelve_domains_in_pairs() -> None:
    assert len({probe.domain for probe in demo_probes()}) == 12
    asks = demo_asks()
    assert len(asks) == 24
    for plain, under_kernel in zip(asks[::2], asks[1::2], strict=True):
        assert (plain.probe_id, plain.seed) == (under_kernel.probe_id, under_kernel.seed)
        assert plain.kernel_text is None
        assert under_kernel.kernel_name == "lantern.txt"


def test_plain_demo_streams_answers_and_ends_with_the_table_and_the_store(tmp_path: Path) -> None:
    result = lantern("demo", "--model", tiny_model("llama"), "--max-tokens", "64", home=tmp_path)
    text = result.stdout.decode()
    for probe in demo_probes():
        assert text.count(f"── {probe.id}") == 1
        assert len(re.findall(rf"^\s*{probe.id}\s+(?:baseline|lantern\.txt)\s", text, flags=re.M)) == 2
    assert "12 of 12 pairs answered on both sides" in text
    assert "the bootstrap is over-confident below 20; read the exact test" in text
    assert str(tmp_path) in text.splitlines()[-1]


@pytest.mark.slow
def test_a_stopped_demo_says_what_is_kept_and_how_to_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "screens.entry", "demo", "--plain", "--model"]
    command += [str(tiny_model("llama")), "--max-tokens", "300"]
    environment = {**os.environ, "LANTERN_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, bufsize=0)
    assert process.stdout is not None
    said = b""
    while b"[lantern.txt]" not in said:
        said += process.stdout.read(1) or pytest.fail(f"the demo ended: {said!r}")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    *_, kept, command_line, last = errors.decode().splitlines()
    assert re.fullmatch(r"stopped: [0-9]+ of 24 answers are finished and kept; to go on:", kept)
    assert last == "lantern: stopped; what was finished is kept"
    resumed = lantern(*shlex.split(command_line)[1:], home=tmp_path)
    assert b"12 of 12 pairs answered on both sides" in resumed.stdout


@pytest.mark.slow
def test_json_demo_is_one_document_equal_to_the_store(tmp_path: Path) -> None:
    result = lantern("demo", "--json", "--model", tiny_model("llama"), "--max-tokens", "64", home=tmp_path)
    document = json.loads(result.stdout)
    assert len(document["answers"]) == 24
    sides = [document["comparison"][side]["run_id"] for side in ("left", "right")]
    with StoreService(Home.resolve(tmp_path)) as service:
        left, right = (service.query(run_rows, run_id) for run_id in sides)
        overall = Recomputed(service, document["comparison"]["id"]).overall()
    asked = [row.generation_id for pair in zip(left, right, strict=True) for row in pair]
    assert asked == [row["generation_id"] for row in document["answers"]]
    assert {row.condition_name for row in right} == {"lantern.txt"}
    shown = document["summary"]["battery"]["overall"]
    assert (shown["n"], shown["improved"], shown["regressed"]) == (
        12,
        overall["improved"],
        overall["regressed"],
    )
    for row in document["answers"]:
        assert row["condition_name"] in {"baseline", "lantern.txt"}
        assert (row["zone"] is None) == (row["words"] < 55)


@pytest.mark.slow
def test_the_whole_demo_trains_wick_and_ends_with_base_against_tuned(tmp_path: Path) -> None:
    result = lantern("demo", "--json", home=tmp_path, timeout_s=600)
    document = json.loads(result.stdout)
    home = Home.resolve(tmp_path)
    training, tuned = document["training"], document["tuned"]
    assert (training["examples"] + training["held_out"]) > 45
    with StoreService(home) as service:
        (run,) = service.query(page_runs, 0, 5)
        assert (run.id, run.last_event, run.step) == (training["run_id"], "finished", run.planned_steps)
        assert len(service.query(run_samples, run.id)) >= 4 * 7
        base, after = (
            service.query(run_rows, tuned["comparison"][side]["run_id"]) for side in ("left", "right")
        )
    assert [row.generation_id for row in base] == [
        row["generation_id"] for row in document["answers"] if row["condition_name"] == "baseline"
    ]
    assert len(after) == 12
    assert {row.condition_name for row in after} == {"baseline"}
    before, kernel, now = (
        summary["battery"]["overall"][side]["value"]
        for summary, side in (
            (document["summary"], "base"),
            (document["summary"], "tuned"),
            (tuned["summary"], "tuned"),
        )
    )
    assert tuned["summary"]["battery"]["overall"]["base"]["value"] == before
    assert now - before > 0.6 * (kernel - before)
