"""`lantern compare` as a person runs it: real processes, Ctrl-C and all; its numbers are plain SQL's."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from store.home import Home
from store.queries import PairFilter, compared_generation, page_comparisons, page_pairs
from store.service import StoreService
from tests.hostile import HOSTILE
from tests.lab.cli.calls import Ran, call
from tests.lab.cli.shell import ROOT, lantern
from tests.lab.compare.adapters import write_adapter
from tests.lab.compare.recomputed import Recomputed, exact_p, holm
from tests.models import tiny_model

WICK = ROOT / "seeds" / "wick"
EXACT_BELOW = 20


@contextmanager
def stored(home: Path) -> Iterator[StoreService]:
    with StoreService(Home.resolve(home)) as service:
        service.ingest()
        yield service


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that changes wick visibly without breaking it."""
    return write_adapter(tmp_path_factory.mktemp("adapters") / "tuned", WICK, strength=0.05)


@pytest.fixture(scope="module")
def compared(tuned: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A home with a comparison over twelve probes, and what the command said of it."""
    home = tmp_path_factory.mktemp("compared")
    arguments = ("--limit", "12", "--max-tokens", "48", "--seed", "5", "--json")
    result = lantern("compare", "--right", f"adapter={tuned}", *arguments, home=home)
    return home, json.loads(result.stdout)


def here(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str, code: int = 0) -> Ran:
    """Run a command in this process, which costs no start."""
    ran = call(capsys, *arguments, "--home", str(home))
    assert ran.code == code, ran.err
    return ran


def near(value: float | None) -> Any:
    return pytest.approx(value, abs=1e-9) if value is not None else None


def assert_row(row: dict[str, Any], sql: dict[str, Any]) -> None:
    assert row["n"] == sql["n"]
    assert row["base"]["value"] == near(sql["base"])
    assert row["tuned"]["value"] == near(sql["tuned"])
    assert row["test"]["effect"]["value"] == near(sql["delta"])
    counts = ("improved", "regressed", "unchanged")
    assert [row[name] for name in counts] == [sql[name] for name in counts]


def assert_equals_plain_sql(service: StoreService, document: dict[str, Any]) -> None:
    """Every number of the document that SQL can say, and the tests by brute force where that is possible."""
    sql = Recomputed(service, document["comparison"]["id"])
    summary = document["summary"]
    battery = summary["battery"]
    assert_row(battery["overall"], sql.overall())
    domains = sql.domains()
    assert {row["label"] for row in battery["domains"]} == set(domains)
    for row in battery["domains"]:
        assert_row(row, domains[row["label"]])
    dimensions = sql.dimensions()
    assert {row["label"] for row in summary["dimensions"]} == set(dimensions)
    for row in summary["dimensions"]:
        assert_row(row, dimensions[row["label"]])
    figures = sql.figures()
    for row in summary["figures"]:
        assert_row(row, figures[row["label"]])
    probes = sql.probes()
    assert {probe["probe_id"] for probe in battery["probes"]} == set(probes)
    for probe in battery["probes"]:
        expected = probes[probe["probe_id"]]
        assert (probe["base"], probe["tuned"], probe["delta"]) == (
            near(expected["base"]),
            near(expected["tuned"]),
            near(expected["delta"]),
        )
    rising = sorted(expected["delta"] for expected in probes.values())
    worst, best = battery["extremes"]["worst"], battery["extremes"]["best"]
    assert [p["delta"] for p in worst] == [near(d) for d in rising[:5] if d < 0]
    assert [p["delta"] for p in best] == [near(d) for d in rising[::-1][:5] if d > 0]
    assert "after the fact" in battery["extremes"]["note"]
    assert_win_rate(battery["win_rate"], sql.win_rate())
    modes = {
        tally["mode"]: (tally["base_answers"], tally["tuned_answers"]) for tally in battery["failure_modes"]
    }
    assert modes == sql.failure_modes()
    for family in (battery["domains"], summary["dimensions"], summary["figures"]):
        adjusted = holm([row["test"]["p_value"] for row in family])
        assert [row["p_holm"] for row in family] == [near(p) for p in adjusted]
    for row in (battery["overall"], *battery["domains"]):
        assert (row["measure"]["instrument"], row["measure"]["version"]) == ("lantern-v1", "1")
        deltas = [p["delta"] for p in probes.values() if row["label"] in ("all probes", p["domain"])]
        if len(deltas) < EXACT_BELOW:
            assert row["test"]["p_value"] == near(exact_p(deltas))


def assert_win_rate(shown: dict[str, Any], sql: dict[str, Any]) -> None:
    assert (shown["wins"], shown["ties"], shown["losses"]) == (
        sql["improved"],
        sql["unchanged"],
        sql["regressed"],
    )
    for name in ("with_ties", "decisive"):
        if shown[name]["value"] is not None and not math.isnan(sql[name]):
            assert shown[name]["value"] == near(sql[name])
            assert shown[name]["lower"] == pytest.approx(sql[f"{name}_lower"], abs=1e-6)
            assert shown[name]["upper"] == pytest.approx(sql[f"{name}_upper"], abs=1e-6)


def test_its_numbers_are_those_of_plain_sql(compared: tuple[Path, dict[str, Any]], tuned: Path) -> None:
    home, document = compared
    assert (document["summary"]["pairs"], document["summary"]["planned"]) == (12, 12)
    assert (document["comparison"]["left"]["words"], document["comparison"]["right"]["words"]) == (
        "wick",
        "wick + tuned",
    )
    with stored(home) as service:
        assert_equals_plain_sql(service, document)
        rows = service.query(page_pairs, document["comparison"]["id"], PairFilter(), 0, 100)
        assert sum(bool(row.same_text) for row in rows) < len(rows)
        answer = service.query(compared_generation, document["comparison"]["id"], 0, "right")
        assert answer is not None
        assert answer.adapter_sha256 == document["comparison"]["right"]["adapter_sha256"]
    assert document["summary"]["battery"]["overall"]["n"] == 12
    assert any("exact test" in caution for caution in document["summary"]["battery"]["cautions"])


def test_the_same_numbers_are_shown_again_and_as_tables(
    capsys: pytest.CaptureFixture[str], compared: tuple[Path, dict[str, Any]]
) -> None:
    home, document = compared
    assert json.loads(here(capsys, home, "compare", "show", "--json").out) == document
    beginning = document["comparison"]["id"][:20]
    text = here(capsys, home, "compare", "show", beginning).out
    overall = document["summary"]["battery"]["overall"]
    counts = (
        f"{overall['improved']} improved, {overall['regressed']} regressed, {overall['unchanged']} unchanged"
    )
    assert counts in text
    assert f"{overall['test']['effect']['value']:+.2f}" in text
    for needed in ("lantern-v1 1", "n = 12", "[95%]", "p Holm", "after the fact", "n needed", "(W + ½T)/N"):
        assert needed in text
    (listed,) = json.loads(here(capsys, home, "compare", "list", "--json").out)
    assert (listed["id"], listed["planned"], listed["finished"]) == (document["comparison"]["id"], 12, 12)


def test_another_instrument_reads_the_same_answers(
    capsys: pytest.CaptureFixture[str], compared: tuple[Path, dict[str, Any]]
) -> None:
    home, document = compared
    missing = here(capsys, home, "compare", "show", "-i", "lek-v2", code=1)
    assert missing.out == ""
    assert "no probe has a score on both sides" in missing.err
    here(capsys, home, "score", "--store", "-i", "lek-v2")
    other = json.loads(here(capsys, home, "compare", "show", "-i", "lek-v2", "--json").out)
    assert other["comparison"]["instrument"] == "lek-v2"
    assert other["summary"]["battery"]["overall"]["measure"]["instrument"] == "lek-v2"
    with stored(home) as service:
        sql = """
            SELECT avg(s.value) AS mean FROM score s JOIN generation g ON g.id = s.generation_id
            JOIN comparison_side c ON c.run_id = g.run_id
            WHERE s.instrument = 'lek-v2' AND s.dimension = 'total' AND c.side = 'right'
        """
        (row,) = Recomputed(service, document["comparison"]["id"]).rows(sql)
    assert other["summary"]["battery"]["overall"]["tuned"]["value"] == near(row["mean"])


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished_and_resume_goes_on(
    capsys: pytest.CaptureFixture[str], tuned: Path, tmp_path: Path
) -> None:
    arguments = ("--right", f"adapter={tuned}", "--limit", "16", "--max-tokens", "48", "--batch-size", "4")
    code, err = interrupted(tmp_path, "compare", *arguments, after=3)
    assert code == 130
    assert "Traceback" not in err
    (command,) = re.findall(r"^  lantern (compare --resume .*)$", err, flags=re.M)
    (told,) = re.findall(r"stopped: (\d+) of 32 answers are finished", err)
    with stored(tmp_path) as service:
        (row,) = service.query(page_comparisons, 0, 5)
        before = finished_answers(service, row.id)
        assert len(before) == int(told) >= 6
        assert len(before) < 32
        assert row.finished < 16
    result = lantern(*shlex.split(command), "--json", home=tmp_path)
    document = json.loads(result.stdout)
    assert (document["comparison"]["id"], document["summary"]["pairs"]) == (row.id, 16)
    with stored(tmp_path) as service:
        after = finished_answers(service, row.id)
        assert len(after) == 32
        assert before.items() <= after.items()
        assert_equals_plain_sql(service, document)
    # Everything is there: going on once more loads nothing and says the same.
    again = here(capsys, tmp_path, "compare", "--resume", "last", "--json", "--model", "/nowhere")
    assert json.loads(again.out) == document


def interrupted(home: Path, *arguments: str, after: int) -> tuple[int, str]:
    """Run a command, press Ctrl-C when so many pairs are told, and return its code and what it said."""
    environment = {**os.environ, "LANTERN_HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "screens.entry", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line.decode())
        if line.startswith(f"[{after}/".encode()):
            process.send_signal(signal.SIGINT)
    return process.wait(60), "".join(said)


def finished_answers(service: StoreService, comparison_id: str) -> dict[tuple[str, int], str]:
    """Ids of finished answers by side and seed, straight from the tables."""
    sql = """
        SELECT s.side, g.seed, g.id FROM generation g JOIN comparison_side s ON s.run_id = g.run_id
        WHERE s.comparison_id = $id AND g.finish_reason != 'cancelled'
    """
    rows = Recomputed(service, comparison_id).rows(sql)
    found = {(row["side"], row["seed"]): row["id"] for row in rows}
    assert len(found) == len(rows), "an answer was made twice"
    return found


@pytest.mark.slow
def test_equal_sides_give_equal_texts_and_no_difference(tmp_path: Path) -> None:
    idle = write_adapter(tmp_path / "idle", WICK, strength=0.0)
    arguments = ("--limit", "8", "--max-tokens", "32", "--json")
    result = lantern("compare", "--right", f"adapter={idle}", *arguments, home=tmp_path / "home")
    document = json.loads(result.stdout)
    battery = document["summary"]["battery"]
    assert (battery["overall"]["unchanged"], battery["overall"]["test"]["effect"]["value"]) == (8, 0)
    assert battery["overall"]["test"]["p_value"] == 1
    assert all(row["test"]["effect"]["value"] == 0 for row in document["summary"]["dimensions"])
    assert battery["extremes"]["worst"] == battery["extremes"]["best"] == []
    assert document["summary"]["needed"] is None
    with stored(tmp_path / "home") as service:
        rows = service.query(page_pairs, document["comparison"]["id"], PairFilter(), 0, 100)
        assert [row.same_text for row in rows] == [True] * 8


@pytest.mark.slow
def test_two_models_are_compared_in_two_passes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("--limit", "6", "--samples", "2", "--max-tokens", "12", "--json", "--out", str(out))
    models = ("--model", str(tiny_model("llama")), "--right", f"model={tiny_model('qwen3')}")
    document = json.loads(lantern("compare", *models, *arguments, home=tmp_path / "home").stdout)
    sides = [document["comparison"][side]["model_id"] for side in ("left", "right")]
    assert sides[0] != sides[1]
    assert (document["summary"]["pairs"], document["summary"]["battery"]["overall"]["n"]) == (12, 6)
    assert json.loads((out / "summary.json").read_text()) == document
    pairs = [json.loads(line) for line in (out / "pairs.jsonl").read_text().splitlines()]
    assert len(pairs) == 12
    assert (out / "pairs.jsonl").stat().st_mode & 0o777 == 0o600
    with stored(tmp_path / "home") as service:
        assert_equals_plain_sql(service, document)
        for pair in pairs:
            for side in ("left", "right"):
                kept = service.query(compared_generation, document["comparison"]["id"], pair["place"], side)
                assert kept is not None
                assert (pair[side]["generation_id"], pair[side]["text"]) == (kept.id, kept.text)


def test_capability_is_tested_by_mcnemar(tuned: Path, tmp_path: Path) -> None:
    arguments = ("--battery", "capability", "--preset", "greedy", "--max-tokens", "12", "--limit", "24")
    result = lantern("compare", "--right", f"adapter={tuned}", *arguments, "--json", home=tmp_path)
    document = json.loads(result.stdout)
    capability = document["summary"]["capability"]
    with stored(tmp_path) as service:
        sql = Recomputed(service, document["comparison"]["id"]).capability()
    assert (capability["test"]["n"], capability["test"]["gained"], capability["test"]["lost"]) == (
        sql["n"],
        sql["gained"],
        sql["lost"],
    )
    assert (capability["base"]["value"], capability["tuned"]["value"]) == (
        near(sql["base"]),
        near(sql["tuned"]),
    )
    tosses, fewer = sql["gained"] + sql["lost"], min(sql["gained"], sql["lost"])
    tail = sum(math.comb(tosses, k) for k in range(fewer + 1)) / 2**tosses
    assert capability["test"]["p_value"] == near(min(1.0, 2 * tail))


def test_hostile_names_paths_and_prompts_are_data(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = tiny_model("llama")
    folder = write_adapter(tmp_path / "[bold]x[/] '; DROP TABLE generation; --\x1b[2J, kernel", model)
    prompts = [
        text
        for name, text in HOSTILE.items()
        if text.strip() and name not in ("lone surrogate", "nul", "one long word")
    ]
    asked = [part for prompt in prompts for part in ("--prompt", prompt)]
    name = HOSTILE["clipboard"] + HOSTILE["closing markup"]
    result = lantern(
        *("compare", "--model", model, "--right", f"adapter={folder}", "--name", name, "--max-tokens", "6"),
        *asked,
        home=tmp_path / "home",
    )
    assert b"\x1b" not in result.stdout
    assert b"\x1b" not in result.stderr
    assert folder.name.split("\x1b")[0] in result.stdout.decode()
    document = json.loads(here(capsys, tmp_path / "home", "compare", "show", "--json").out)
    assert document["comparison"]["name"] == name
    assert document["comparison"]["right"]["words"] == f"{model.name} + {folder.name}"
    with stored(tmp_path / "home") as service:
        rows = service.query(page_pairs, document["comparison"]["id"], PairFilter(), 0, 100)
        assert len(rows) == len(prompts)
        assert_equals_plain_sql(service, document)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "compare needs a side to hold against the base: --right adapter=FOLDER"),
        (("--right", "adapter=/no/where"), "no adapter at /no/where"),
        (("--right", "nonsense"), "side 'nonsense': expected base"),
        (("--right", "base", "--battery", "nope"), "no battery 'nope'"),
        (("--right", "base", "--prompt", " "), "--prompt is empty"),
        (("--right", "base", "-i", "nope"), "no instrument 'nope'"),
        (
            ("--right", "base", "-i", "capability", "--limit", "3"),
            "capability gives no total for any of these",
        ),
        (("--right", "base", "-i", "topic-evasion", "--limit", "3"), "topic-evasion gives no total for any"),
        (("--resume", "last"), "there are no comparisons yet"),
        (("--resume", "0", "--right", "base"), "keeps its sides and probes"),
        (("show", "nope"), "no comparison 'nope'"),
    ],
)
def test_faults_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    home = () if arguments[:1] == ("show",) else ("--home", str(tmp_path))
    tail = ("--home", str(tmp_path)) if arguments[:1] == ("show",) else ()
    ran = call(capsys, "compare", *home, *arguments, *tail)
    assert (ran.code, ran.out) == (1, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.slow
def test_an_adapter_that_changed_cannot_go_on(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = tiny_model("llama")
    folder = write_adapter(tmp_path / "tuned", model)
    home = tmp_path / "home"
    arguments = ("--model", str(model), "--right", f"adapter={folder}", "--max-tokens", "40")
    code, err = interrupted(home, "compare", *arguments, after=2)
    assert code == 130, err
    content = (folder / "adapters.safetensors").read_bytes()
    (folder / "adapters.safetensors").write_bytes(content[:-4] + b"\0\0\0\x3f")
    refused = here(capsys, home, "compare", "--resume", "last", code=1)
    assert "changed since the comparison began" in refused.err
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    gone = here(capsys, home, "compare", "--resume", "last", code=1)
    assert f"is gone from {folder}: put it back to go on" in gone.err


@pytest.mark.slow
def test_the_core_battery_in_one_command(tuned: Path, tmp_path: Path) -> None:
    code, err = interrupted(tmp_path, "compare", "--right", f"adapter={tuned}", after=20)
    assert code == 130
    assert " left" in err
    result = lantern("compare", "--resume", "last", "--json", home=tmp_path, timeout_s=600)
    document = json.loads(result.stdout)
    assert document["summary"]["battery"]["overall"]["n"] == 101
    assert len(document["summary"]["battery"]["domains"]) == 20
    with stored(tmp_path) as service:
        assert_equals_plain_sql(service, document)
