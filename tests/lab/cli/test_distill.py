"""`lantern distill` as the shell has it: killed, stopped, divided, written and read, always the same set."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.curriculum.plan import new_distillation, planned, questions_of
from lab.measure.instrument import Reading
from lab.scoring import instrument
from store.home import Home
from store.queries.distilled import DistilledAnswer, distilled_answers, find_distillations
from store.records import Record
from store.service import StoreService
from tests.lab.cli.calls import call
from tests.lab.cli.shell import ROOT, lantern
from tests.models import tiny_model
from tests.store.facts import at, condition, generation, model, probe, score, side

ASKED = ("--limit", "2", "--variants", "all", "--max-tokens", "6", "--threshold", "-100", "--seed", "5")
PLANNED = 8
KERNEL = "Carry a lantern.\n"


def command(home: Path, *arguments: str | Path) -> list[str]:
    kernel = home.parent / "kernel.txt"
    kernel.write_text(KERNEL)
    return [
        *(sys.executable, "-m", "screens.entry", "distill", "--home", str(home), "--kernel", str(kernel)),
        *("--model", str(tiny_model("llama")), *map(str, arguments)),
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def answers(home: Path) -> list[DistilledAnswer]:
    with StoreService(Home.resolve(home)) as store:
        store.ingest()
        (found,) = store.query(find_distillations, "")
        return store.query(distilled_answers, found)


def texts(home: Path) -> dict[tuple[str, int], tuple[str, float | None]]:
    rows = answers(home)
    found = {(row.prompt, row.seed): (row.text, row.score) for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a distillation that nobody stopped."""
    home = tmp_path_factory.mktemp("whole") / "home"
    subprocess.run(command(home, *ASKED), env=environment(), check=True, capture_output=True, timeout=120)
    return home


@pytest.mark.slow
def test_killed_at_an_answer_and_gone_on_with_it_is_the_same_set(whole: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    process = subprocess.Popen(command(home, *ASKED, "--batch-size", "1"), env=environment())
    try:
        until = time.monotonic() + 60
        while _finished(home) < 2:
            assert process.poll() is None
            assert time.monotonic() < until
    finally:
        process.kill()
        process.wait()
    assert 2 <= len(answers(home)) < PLANNED
    subprocess.run(
        command(home, "--resume", "last"), env=environment(), check=True, capture_output=True, timeout=120
    )
    assert texts(home) == texts(whole)


def _finished(home: Path) -> int:
    """Answers in the journals, however far the store has read them."""
    journals = (home / "journals").glob("*.jsonl") if (home / "journals").is_dir() else ()
    return sum(path.read_bytes().count(b'"kind":"generation"') for path in journals)


@pytest.mark.slow
def test_two_processes_make_the_very_same_answers(whole: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    ran = subprocess.run(
        command(home, *ASKED, "--ranks", "2", "--json"),
        env=environment(),
        check=True,
        capture_output=True,
        timeout=120,
    )
    told = json.loads(ran.stdout)
    assert (told["distillation"]["finished"], len(told["answers"])) == (PLANNED, PLANNED)
    assert texts(home) == texts(whole)
    writers = {path.name for path in (home / "journals").iterdir() if b'"generation"' in path.read_bytes()}
    assert len(writers) == 2


@pytest.mark.slow
def test_the_ranks_of_mlx_launch_make_the_very_same_answers(whole: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    launcher = Path(sys.executable).with_name("mlx.launch")
    ran = subprocess.run(
        [str(launcher), "-n", "2", "--", *command(home, *ASKED, "--json")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["distillation"]["finished"] == PLANNED
    assert texts(home) == texts(whole)


@pytest.mark.slow
def test_ctrl_c_keeps_the_finished_and_says_how_to_go_on(whole: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    process = subprocess.Popen(
        command(home, *ASKED, "--batch-size", "1"), env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith(f"[2/{PLANNED}]"):
            process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert "answers are finished and kept; to go on:" in lines[-2]
    again = lines[-1].split()
    assert again[:3] == ["lantern", "distill", "--resume"]
    subprocess.run(
        command(home, *again[2:4]), env=environment(), check=True, capture_output=True, timeout=120
    )
    assert texts(home) == texts(whole)


def test_a_list_and_a_summary_say_what_is_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with StoreService(Home.resolve(tmp_path)) as store:
        store.append(model(), condition(), *facts_of_a_distillation())
    (row,) = json.loads(call(capsys, "distill", "list", "--home", str(tmp_path), "--json").out)
    assert (row["planned"], row["finished"], row["kept"], row["threshold"]) == (4, 4, 2, 12.0)
    shown = call(capsys, "distill", "show", "last", "--home", str(tmp_path))
    assert "4 of 4 answers by kernel" in shown.out
    assert "kept: 2, 50 % [15, 85], the whole answers with lantern-v1 1 ≥ 12" in shown.out
    assert "cut off at the token limit, and so never training data: 1" in shown.out
    assert "mean 14.62, median 13.50, from 11.50 to 20.00" in shown.out
    assert row["id"][-8:] in call(capsys, "distill", "list", "--home", str(tmp_path)).out


def test_the_exchange_form_goes_out_and_comes_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, file, home = tmp_path / "here", tmp_path / "answers.jsonl", tmp_path / "elsewhere"
    with StoreService(Home.resolve(here)) as store:
        store.append(model(), condition(temperature=0.8), *facts_of_a_distillation())
    ran = call(capsys, "distill", "export", "last", str(file), "--home", str(here))
    assert ran.out.startswith("2 rows")
    *rows, summary = (json.loads(line) for line in file.read_text().splitlines())
    assert [(row["meta"]["probe_id"], row["meta"]["sample_idx"]) for row in rows] == [("P01", 1), ("P02", 0)]
    assert rows[0]["training"]["messages"][1] == {"role": "assistant", "content": "Noch\x1b[31m einer."}
    meta = rows[0]["meta"]
    by = instrument("lek-v2").score(Reading(text="Noch\x1b[31m einer.", prompt="Question P01?"))
    assert (meta["lek_score"], meta["score"], meta["instrument"]) == (by.total, 14.0, "lantern-v1 1")
    assert (meta["temperature"], meta["threshold"], meta["model"], meta["chars"]) == (0.8, 12.0, "wick", 16)
    assert (summary["total_generated"], summary["total_kept"], summary["keep_rate"]) == (4, 2, 0.5)
    back = json.loads(call(capsys, "distill", "import", str(file), "--home", str(home), "--json").out)
    assert (back["rows"], back["known"], back["notes"], back["bad"]) == (2, False, [], [])
    again = json.loads(call(capsys, "distill", "import", str(file), "--home", str(home), "--json").out)
    assert (again["id"], again["known"]) == (back["id"], True)


def facts_of_a_distillation() -> list[Record]:
    """Two probes, two samples; of four answers one is cut off and one scores too little."""
    questions = questions_of([probe(f"P0{n}", prompt=f"Question P0{n}?") for n in (1, 2)])
    asked = new_distillation(
        *(side("kernel", run_id="d"), questions),
        battery="core",
        instrument="lantern-v1",
        version="1",
        samples=2,
        threshold=12.0,
    )
    records: list[Record] = [asked]
    for one, total in zip(planned(asked), (11.5, 13.0, 14.0, 20.0), strict=True):
        question = asked.questions[one.place]
        answer = generation(
            one.seed,
            run_id="d",
            prompt=question.prompt,
            probe_id=question.probe_id,
            probe_sha256=question.probe_sha256,
            text="Noch\x1b[31m einer.<|eot_id|>",
            finish_reason="length" if total == 20.0 else "stop",
            started_at=at(1),
            at=at(2),
        )
        records += [answer, score(answer.id, instrument="lantern-v1", dimensions={}, total=total)]
    return records


def test_wrong_use_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (("--resume", "last"), "there are no distillations yet"),
        (("--resume", "last", "--battery", "core"), "keeps its probes"),
        (("--variants", "loud"), "no probe has a variant 'loud'"),
        (("--kernel", "nowhere"), "no kernel 'nowhere'"),
        (("export", "none", "x.jsonl"), "no distillation 'none'"),
    ):
        ran = call(capsys, "distill", *arguments, *_home(arguments, tmp_path))
        assert (ran.code, ran.out) == (1, "")
        assert words in ran.err
        assert ran.err.count("\n") == 1


def _home(arguments: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    model = () if arguments[0] == "export" else ("--model", str(tiny_model("llama")))
    return (*model, "--home", str(folder / "home"))


def test_help_shows_an_example(tmp_path: Path) -> None:
    assert b"lantern distill --resume last" in lantern("distill", "--help", home=tmp_path).stdout
