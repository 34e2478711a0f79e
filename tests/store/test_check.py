"""The check: silent about a sound store, and it names each thing that is wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from store.check import check
from store.database import Database
from store.journal import Journal, encode_line
from store.service import StoreService
from tests.store.facts import at, generation, model, probe, score


@pytest.fixture
def filled(service: StoreService) -> StoreService:
    answer = generation()
    with Journal.open(service.home, "engine") as journal:
        for record in (model(at=at(2)), model(at=at(1)), probe(), answer, score(answer.id)):
            journal.append(record)
    service.ingest()
    return service


def journal_of(service: StoreService) -> Path:
    return next(service.home.journals.glob("*.jsonl"))


def execute(service: StoreService, sql: str) -> None:
    Database(service.home).write(lambda con: con.execute(sql).fetchall())


def test_a_sound_store_has_no_problems(filled: StoreService) -> None:
    report = check(filled)
    assert report.ok
    assert (report.problems, report.notices, report.ingest_errors) == ((), (), 0)
    assert (report.journals, report.facts, report.pending_bytes) == (1, 4, 0)
    assert report.journal_bytes == journal_of(filled).stat().st_size


def test_it_brings_in_what_is_new_first(filled: StoreService) -> None:
    with Journal.open(filled.home, "engine") as journal:
        journal.append(probe("NEW"))
    assert check(filled).facts == 5


def test_lines_that_are_no_records_are_listed_but_are_no_fault_of_the_store(filled: StoreService) -> None:
    path = journal_of(filled)
    start = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"junk\n")
        file.write(encode_line("probe", 9, dataclasses.asdict(probe(prompt="other"))))
        file.write(encode_line("generation", 10, dataclasses.asdict(generation(n_tokens=2**70))))
    report = check(filled)
    assert report.ok, report.problems
    assert report.ingest_errors == 3
    first, second, _ = report.ingest_error_examples
    assert (first.journal, first.offset) == (path.name, start)
    assert "different payload" in second.reason


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        (
            "DELETE FROM ledger WHERE key = (SELECT min(key) FROM ledger)",
            "1 journal records are not in the database",
        ),
        ("UPDATE ledger SET digest = digest # 1 WHERE key = (SELECT min(key) FROM ledger)", "1 rows differ"),
        ("INSERT INTO ledger VALUES (1, 2)", "1 rows of the database come from no journal"),
        ("DELETE FROM generation", "the tables hold 3 facts, the ledger 4"),
    ],
)
def test_rows_and_journals_that_disagree(filled: StoreService, sql: str, problem: str) -> None:
    execute(filled, sql.replace("digest # 1", "xor(digest, 1::UBIGINT)"))
    report = check(filled)
    assert not report.ok
    assert any(found.startswith(problem) for found in report.problems), report.problems


def test_a_journal_that_is_gone(filled: StoreService) -> None:
    path = journal_of(filled)
    path.rename(filled.home.tmp / path.name)
    report = check(filled)
    assert f"journal {path.name} is gone" in report.problems[0]


def test_a_journal_that_was_shortened(filled: StoreService) -> None:
    path = journal_of(filled)
    content = path.read_bytes()
    path.write_bytes(content[:-300])
    assert f"journal {path.name} has {len(content) - 300} bytes" in check(filled).problems[0]


def test_files_that_others_can_read(filled: StoreService) -> None:
    journal_of(filled).chmod(0o644)
    (problem,) = check(filled).problems
    assert str(journal_of(filled)) in problem
    assert "chmod" in problem


def test_damage_is_healed_and_told(filled: StoreService) -> None:
    filled.home.database.write_bytes(b"\x00" * 30_000)
    report = check(filled)
    assert report.ok
    assert "rebuilt from the journals" in report.notices[0]
