"""`lantern pairs` as a person runs it: real answers from wick, Ctrl-C and resume, pairs on disk."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.cli import output, pairs_suggest, train
from lab.preference.candidates import ACCEPT, PUSH_BACK
from store.home import Home
from store.queries import pairs as ask
from store.service import StoreService
from tests.lab.cli.calls import Ran, call


@contextmanager
def stored(home: Path) -> Iterator[StoreService]:
    with StoreService(Home.resolve(home)) as service:
        service.ingest()
        yield service


def here(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str, code: int = 0) -> Ran:
    ran = call(capsys, "pairs", *arguments, "--home", str(home))
    assert ran.code == code, ran.err
    return ran


def suggested(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str) -> dict[str, Any]:
    ran = here(capsys, home, "suggest", "--max-tokens", "32", *arguments, "--json")
    document: dict[str, Any] = json.loads(ran.out)
    return document


def sql(home: Path, text: str) -> list[tuple[Any, ...]]:
    with stored(home) as service:
        return service.query(lambda con: con.execute(text).fetchall())


def test_a_sweep_keeps_every_answer_with_its_score_and_puts_up_pairs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    document = suggested(
        capsys, tmp_path, "--battery", "core", "--limit", "3", "--n", "8", "--temperatures", "0.1,0.7,1.0,1.3"
    )
    assert (document["answers"], document["instrument"]) == (12, "lantern-v1")
    assert len(document["pairs"]) == sum(document["strata"].values()) == 8
    answers = sql(
        tmp_path,
        """
        SELECT g.id, c.temperature, g.probe_id, g.seed, s.value, g.prompt FROM generation g
        JOIN condition c ON c.id = g.condition_id
        JOIN score s ON s.generation_id = g.id AND s.instrument = 'lantern-v1' AND s.dimension = 'total'
        ORDER BY g.seed
        """,
    )
    assert len({row[0] for row in answers}) == 12
    assert sorted({row[1] for row in answers}) == [0.1, 0.7, 1.0, 1.3]
    assert [row[3] for row in answers] == list(range(12))
    total = {row[0]: row[4] for row in answers}
    prompt = {row[0]: row[5] for row in answers}
    pairs = sql(tmp_path, "SELECT first_id, second_id, score_gap, stratum, source FROM pair")
    assert len(pairs) == 8
    for first, second, gap, stratum, source in pairs:
        assert gap == pytest.approx(total[first] - total[second]) and prompt[first] == prompt[second]
        assert stratum in document["strata"] and source == "sweep"
    again = suggested(capsys, tmp_path, "--stored", "--battery", "core", "--n", "5")
    assert again["passed_over"]["put up before"] == 8
    assert not {pair["id"] for pair in again["pairs"]} & {pair["id"] for pair in document["pairs"]}


def test_who_asks_for_pairs_that_are_not_trained_on_hears_it_first(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    few = ("--limit", "1", "--temperatures", "0.1,1.0", "--max-tokens", "8")
    said = here(capsys, tmp_path, "suggest", "--battery", "core", *few).err
    assert "gates ask core: what you curate of it can be exported, but `lantern train` leaves it out" in said
    assert "gates ask" not in here(capsys, tmp_path, "suggest", *few).err


def test_directions_come_in_both_kinds_and_two_answers_make_one_pair(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    document = suggested(
        capsys, tmp_path, "--battery", "direction", "--limit", "4", "--n", "6", "--temperatures", "0.5,1.2"
    )
    assert document["strata"] == {ACCEPT: 2, PUSH_BACK: 2} and document["warnings"] == []
    first, second = document["pairs"][0]["first_id"], document["pairs"][0]["second_id"]
    two = json.loads(
        here(capsys, tmp_path, "suggest", "--stored", "--answer", first, "--answer", second, "--json").out
    )
    assert two["pairs"][0]["id"] == document["pairs"][0]["id"] and two["pairs"][0]["source"] == "stored"
    other = document["pairs"][1]["first_id"]
    assert (
        "different questions"
        in here(capsys, tmp_path, "suggest", "--stored", "--answer", first, "--answer", other, code=1).err
    )
    alone = here(capsys, tmp_path, "suggest", "--stored", "--answer", first, "--answer", first, code=1)
    assert "not one twice" in alone.err
    taught = json.loads(
        here(capsys, tmp_path, "suggest", "--resume", "last", "--references", "--n", "4", "--json").out
    )
    assert taught["strata"] == {ACCEPT: 2, PUSH_BACK: 2}
    wanted = sql(tmp_path, "SELECT id, text FROM imported_answer WHERE condition = 'reference' ORDER BY id")
    for pair in taught["pairs"]:
        assert sum(pair[name] in dict(wanted) for name in ("first_id", "second_id")) == 1
    assert len(wanted) == 4 and not {text for _, text in wanted} & {""}
    more = json.loads(
        here(capsys, tmp_path, "suggest", "--resume", "last", "--references", "--n", "4", "--json").out
    )
    assert not {pair["id"] for pair in more["pairs"]} & {pair["id"] for pair in taught["pairs"]}
    assert sql(tmp_path, "SELECT count(*) FROM imported_answer") == [(4,)]
    text = here(capsys, tmp_path, "suggest", "--stored", "--battery", "direction").out
    assert "0 pairs are up" in text and "were put up before" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--temperatures", "cold"), "expected numbers such as"),
        (("--temperatures", "0.5", "--limit", "1"), "a pair needs two answers"),
        (("--sweep", "nonesuch"), "there is pairs, wide"),
        (("--resume", "last"), "there are no sweeps yet"),
        (("--resume", "last", "--battery", "core"), "keeps its probes"),
        (("--answer", "a"), "--stored --answer ID --answer ID"),
        (("--instrument", "capability", "--limit", "2"), "gives no total"),
        (("--stored", "--prompt", "x"), "without --prompt"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    ran = here(capsys, tmp_path, "suggest", *arguments, code=1)
    assert words in ran.err and ran.err.count("\n") == 1 and ran.out == ""


def test_ctrl_c_keeps_what_is_finished_and_resume_ends_as_if_nothing_had_been(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("--battery", "core", "--limit", "2", "--max-tokens", "24", "--n", "12", "--batch-size", "2")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    here(capsys, whole, "suggest", *arguments)

    def pressing(words: str) -> None:
        output.notice(words)
        if words.startswith("4 of 12 answers"):
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(pairs_suggest, "notice", pressing)
        stopped = here(capsys, broken, "suggest", *arguments, code=130)
    assert "answers are finished and kept" in stopped.err
    made = sql(broken, "SELECT count(*) FROM generation WHERE finish_reason <> 'cancelled'")[0][0]
    assert 4 <= made < 12 and sql(broken, "SELECT count(*) FROM pair") == [(0,)]
    how = next(line for line in stopped.err.splitlines() if "--resume" in line)
    resumed = call(capsys, *shlex.split(how)[1:], "--json")
    document = json.loads(resumed.out)
    assert resumed.code == 0 and (document["answers"], len(document["pairs"])) == (12, 12)
    texts = (
        "SELECT seed, any_value(text), count(DISTINCT text), count(*) FROM generation "
        "WHERE finish_reason <> 'cancelled' GROUP BY seed ORDER BY seed"
    )
    assert sql(broken, texts) == sql(whole, texts)
    strata = "SELECT probe_id, stratum, abs(score_gap) FROM pair ORDER BY ALL"
    assert sql(broken, strata) == sql(whole, strata)
    with stored(broken) as service:
        sweep = service.query(ask.sweep, document["sweep"])
        assert sweep is not None and len(service.query(ask.swept, sweep.id)) == len(sweep.answers)


def test_verdicts_are_exported_and_trained_on_without_naming_any_data(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source, home = tmp_path / "pairs.jsonl", tmp_path / "home"
    rows = [{"prompt": f"Question {n}?", "chosen": f"Yes, {n}.", "rejected": f"No {n}"} for n in range(20)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{}\n", "utf-8")
    brought = here(capsys, home, "import", str(source), code=1)
    assert "pairs.jsonl: line 21: expected" in brought.err and "20 pairs (trl) kept" in brought.out
    out = tmp_path / "out.json"
    assert "end the name so" in here(capsys, home, "export", "--out", str(out), code=1).err
    written = here(capsys, home, "export", "--out", str(out), "--format", "sharegpt", "--json")
    document = json.loads(written.out)
    assert document["train"] == 20 and document["left_out"] == [] and len(document["files"]) == 2
    told = here(capsys, home, "stats").out
    assert "imported" in told and "longer wins" in told and "decided pairs so far: 20" in told
    figures = json.loads(here(capsys, home, "stats", "--json").out)
    assert figures["decided"] == 20 and figures["everyone"]["length"]["longer_wins"]["n"] == 0
    elsewhere = tmp_path / "elsewhere"
    here(capsys, elsewhere, "import", str(out))
    back = tmp_path / "back.json"
    here(capsys, elsewhere, "export", "--out", str(back), "--format", "sharegpt")
    assert back.read_bytes() == out.read_bytes()
    settings = train._settings(Home.resolve(home), "orpo", {"objective": "orpo"}, [])
    said = capsys.readouterr().err
    assert "curated pairs: 18 to train on, 2 held out" in said
    assert "18 pairs make few updates: --epochs 10 --allow-repeats" in said
    (folder,) = (home / "pairs").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["train.jsonl", "valid.jsonl"]
    assert settings.data == str(folder) and settings.objective == "orpo"
    assert call(capsys, "store", "check", "--home", str(home)).code == 0
    nothing = call(capsys, "train", "--objective", "dpo", "--home", str(tmp_path / "empty"))
    assert nothing.code == 1 and "no pair has a verdict yet" in nothing.err
