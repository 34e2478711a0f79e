"""The service: one worker thread, bounded waits, and a database that heals itself."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import threading
import time

import duckdb
import pytest

import store.queries as ask
from store.content import table_contents
from store.errors import StoreError
from store.home import Home
from store.journal import Journal
from store.service import StoreService
from tests.store.facts import condition, generation, model, probe, score, trace
from tests.store.processes import HOLDER, running, start

ENDLESS = "SELECT count(*) FROM range(1000000000) a(i), range(1000000000) b(j) WHERE (i + j) % 7 = 3"


def test_what_was_appended_can_be_asked_for_at_once(service: StoreService) -> None:
    for number in range(3):
        service.append(probe(f"P{number}"))
        assert service.query(ask.counts)["probe"] == number + 1
    assert len(list(service.home.journals.iterdir())) == 1


def test_a_service_that_only_asks_leaves_no_journal(service: StoreService) -> None:
    service.query(ask.counts)
    assert list(service.home.journals.iterdir()) == []


async def test_the_event_loop_goes_on_meanwhile(service: StoreService) -> None:
    await service.aappend(probe("P1"))
    assert await service.aingest() == 0
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.001)
            beats += 1

    heart = asyncio.create_task(beat())
    slow = "SELECT count(*) FROM range(3000000) a(i), range(40) b(j) WHERE (i * j) % 7 = 3"
    await service.aquery(lambda con: con.execute(slow).fetchall())
    heart.cancel()
    assert beats > 3
    assert (await service.aquery(ask.counts))["probe"] == 1


async def test_many_questions_at_once_each_get_their_own_answer(service: StoreService) -> None:
    def echo(con: duckdb.DuckDBPyConnection, number: int) -> int:
        return int(con.execute("SELECT ?::INT", [number]).fetchall()[0][0])

    assert await asyncio.gather(*(service.aquery(echo, number) for number in range(50))) == list(range(50))


async def test_a_cancelled_question_is_not_asked(service: StoreService) -> None:
    asked = threading.Event()
    hold = threading.Event()
    first = asyncio.create_task(service.aquery(lambda con: hold.wait(10)))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(service.aquery(lambda con: asked.set()))
    await asyncio.sleep(0.05)
    second.cancel()
    # A cancellation arrives with the next turn of the loop; only then may the first question end.
    with pytest.raises(asyncio.CancelledError):
        await second
    hold.set()
    assert await first
    service.query(ask.counts)
    assert not asked.is_set()


def test_an_endless_query_is_stopped(home: Home) -> None:
    service = StoreService(home, wait_s=1.5)
    service.query(ask.counts)
    with pytest.raises(StoreError, match="did not answer within"):
        service.query(lambda con: con.execute(ENDLESS).fetchall())
    assert service.query(ask.counts)["probe"] == 0
    service.close()


def test_closing_stops_a_running_query(service: StoreService) -> None:
    service.query(ask.counts)
    failures: list[StoreError] = []

    def run() -> None:
        try:
            service.query(lambda con: con.execute(ENDLESS).fetchall())
        except StoreError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    service.close()
    thread.join(10)
    assert not thread.is_alive()
    (failure,) = failures
    assert "stopped" in str(failure)
    with pytest.raises(StoreError, match="closed"):
        service.query(ask.counts)


def test_faults_in_a_question_are_store_errors(service: StoreService) -> None:
    with pytest.raises(StoreError, match="could not answer"):
        service.query(lambda con: con.execute("SELECT * FROM missing").fetchall())


def test_a_stopped_holder_is_named_and_the_service_recovers(
    service: StoreService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.append(probe("P1"))
    service._database._deadline_s = 0.3  # type: ignore[union-attr]
    with running(service.home, HOLDER, "write") as holder:
        os.kill(holder.pid, signal.SIGSTOP)
        with pytest.raises(StoreError, match=f"process {holder.pid} holds it"):
            service.query(ask.counts)
        # What is appended meanwhile is safe in the journal: told, but no error that asks to do it again.
        service.append(probe("P2"))
        (notice,) = service.take_notices()
        assert notice.startswith("saved")
        assert str(holder.pid) in notice
    assert service.ingest() == 1
    assert service.query(ask.counts)["probe"] == 2


def test_several_processes_at_work_at_once(home: Home) -> None:
    """Each appends, asks and ingests; nobody is refused, every record is there once."""
    script = """
import store.queries as ask
from store.service import StoreService
from tests.store.facts import probe
with StoreService(home, "lab") as service:
    for number in range(6):
        service.append(probe(f"{sys.argv[2]}-{number:02d}"))
        rows = service.query(ask.page_probes, ask.ProbeFilter(text=sys.argv[2]), 0, 100)
        assert len(rows) == number + 1, (len(rows), number)
    assert service.take_notices() == []
print("done")
"""
    workers = [start(home, script, name) for name in ("ANNA", "BERT", "CLEO")]
    assert [worker.communicate(timeout=120)[0] for worker in workers] == ["done\n"] * 3
    with StoreService(home) as service:
        assert service.ingest() == 0
        assert service.query(ask.counts)["probe"] == 18


def fill(home: Home) -> None:
    with Journal.open(home, "engine") as journal:
        journal.append(model())
        journal.append(condition())
        for number in range(30):
            answer = generation(number, trace=trace(200, k=2, seed=number), text="words " * 200)
            journal.append(answer)
            journal.append(score(answer.id, total=float(number)))
            journal.append(probe(f"P{number}"))


@pytest.mark.parametrize("where", ["header", "middle", "end", "empty", "text", "log"])
def test_a_damaged_database_is_rebuilt_identically(home: Home, where: str) -> None:
    fill(home)
    service = StoreService(home)
    service.ingest()
    before = service.query(table_contents)
    service.close()
    content = bytearray(home.database.read_bytes())
    match where:
        case "header":
            content[0:12288] = os.urandom(12288)
        case "middle":
            # Everything behind the headers.
            content[12288 + 100 :] = bytes(len(content) - 12288 - 100)
        case "end":
            del content[-len(content) // 2 :]
        case "empty":
            content.clear()
        case "text":
            content[:] = b"this is no database\n" * 1000
        case "log":
            home.wal.write_bytes(os.urandom(50_000))
            content[0:12288] = os.urandom(12288)
    home.database.write_bytes(content)
    healed = StoreService(home)
    assert healed.query(table_contents) == before
    assert healed.ingest() == 0
    (notice,) = healed.take_notices()
    assert "rebuilt from the journals" in notice
    (place,) = home.aside.iterdir()
    assert (place / "lab.duckdb").read_bytes() == bytes(content)
    healed.close()


def test_damage_found_by_the_ingest_heals_too(home: Home) -> None:
    fill(home)
    with StoreService(home) as service:
        service.ingest()
        before = service.query(table_contents)
    home.database.write_bytes(b"\xff" * 20_000)
    with StoreService(home) as service:
        service.ingest()
        assert service.query(table_contents) == before


def test_a_bad_line_is_told_once(service: StoreService) -> None:
    (service.home.journals / "bad.jsonl").write_bytes(b"junk\n")
    assert service.ingest() == 0
    (notice,) = service.take_notices()
    assert "1 journal line;" in notice
    service.ingest()
    assert service.take_notices() == []


def test_records_of_other_kinds_in_one_append(service: StoreService) -> None:
    answer = generation()
    service.append(model(), condition(), answer, score(answer.id), probe())
    stored = service.query(ask.generation, answer.id)
    assert stored is not None
    assert dataclasses.replace(stored.generation, trace=None) == dataclasses.replace(answer, trace=None)
