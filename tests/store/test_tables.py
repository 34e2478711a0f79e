"""Answers as a table in a file: scores as columns, formulas defused in CSV, Parquet as it is."""

from __future__ import annotations

import csv
import stat
from pathlib import Path

import duckdb
import pytest

from store.errors import StoreError
from store.records import ComparisonRecord, PlannedPair, SideRecord
from store.service import StoreService
from store.tables import export_answers
from tests.hostile import HOSTILE
from tests.store import facts
from tests.store.test_imports import answer, file

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", "=cmd|' /C calc'!A0")


def kept(service: StoreService, texts: list[str]) -> None:
    """A comparison whose left answers are `texts`, scored by an instrument with a formula for a name."""
    sides = {
        name: SideRecord(
            run_id=name, words=name, model_id=facts.sha("wick"), condition_id=facts.sha("baseline")
        )
        for name in ("left", "right")
    }
    record = ComparisonRecord(
        id="c",
        name="c",
        left=sides["left"],
        right=sides["right"],
        pairs=tuple(PlannedPair(prompt=text, seed=place) for place, text in enumerate(texts)),
        battery="prompts",
        instrument="lek-v2",
        version="1",
        at=facts.START,
    )
    answers = [
        facts.generation(place, run_id="left", text=text, prompt=text) for place, text in enumerate(texts)
    ]
    service.append(
        record,
        facts.model(),
        facts.condition(),
        *answers,
        *(facts.score(kept.id, instrument="=x", total=-float(place)) for place, kept in enumerate(answers)),
    )


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_formulas_are_defused_and_numbers_left_alone(service: StoreService, tmp_path: Path) -> None:
    safe = ["3 - 1 = 2", "a=b", "'quoted'", "−1"]
    kept(service, [*FORMULAS, *safe])
    path = tmp_path / "new" / "answers.csv"
    assert export_answers(service, "c", path) == len(FORMULAS) + len(safe)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = rows(path)
    assert [row["text"] for row in found] == [*(f"'{text}" for text in FORMULAS), *safe]
    assert [row["prompt"] for row in found] == [row["text"] for row in found]
    assert [float(row["'=x 1 total"]) for row in found] == [-float(n) for n in range(len(found))]
    assert found[0]["model_name"] == "wick" and found[0]["side"] == "left"
    assert not any(name.startswith(tuple("=+-@")) for name in found[0])
    assert [path.name for path in path.parent.iterdir()] == ["answers.csv"]


def test_parquet_keeps_every_text(service: StoreService, tmp_path: Path) -> None:
    texts = [text for name, text in HOSTILE.items() if name != "lone surrogate"] + list(FORMULAS)
    kept(service, texts)
    path = tmp_path / "it's.parquet"
    export_answers(service, "c", path)
    export_answers(service, "c", path)
    found = duckdb.execute('SELECT text, "=x 1 total" FROM read_parquet(?) ORDER BY place', [str(path)])
    assert found.fetchall() == [(text, -float(place)) for place, text in enumerate(texts)]


def test_csv_reads_back(service: StoreService, tmp_path: Path) -> None:
    texts = ['two\nlines, "quoted"', "", "ünï 漢字 🙂"]
    kept(service, texts)
    export_answers(service, "c", tmp_path / "a.csv")
    assert [row["text"] for row in rows(tmp_path / "a.csv")] == texts


def test_imports_are_written_too(service: StoreService, tmp_path: Path) -> None:
    answers = [answer(1, "baseline"), answer(1, "zen"), answer(2, "zen", text=None)]
    service.append(file(), *answers, facts.score(answers[0].id, instrument="lek-v2", total=2.5))
    assert export_answers(service, "import-0", tmp_path / "a.csv") == 3
    found = rows(tmp_path / "a.csv")
    assert [(row["condition"], row["lek-v2 1 total"]) for row in found] == [
        ("baseline", "2.5"),
        ("zen", ""),
        ("zen", ""),
    ]


def test_faults_are_one_line(service: StoreService, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="none has no answers to write"):
        export_answers(service, "none", tmp_path / "a.csv")
    with pytest.raises(StoreError, match=r"a.txt: end the name in .csv or .parquet"):
        export_answers(service, "none", tmp_path / "a.txt")
    (tmp_path / "flat").write_text("")
    kept(service, ["a"])
    with pytest.raises(StoreError, match="flat"):
        export_answers(service, "c", tmp_path / "flat" / "a.csv")
