"""Ingestion: every fact once, whatever is repeated, torn, damaged or refused; nothing good is lost."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

import store.queries as ask
from store.database import Database, LostInstanceError
from store.errors import StoreError
from store.home import Home
from store.ingest import Ingester
from store.journal import Journal, encode_line, tail
from store.records import Record
from store.service import StoreService
from tests.hostile import HOSTILE, huge
from tests.store.facts import adapter, at, condition, generation, kernel, model, probe, score, trace


def write(home: Home, *records: Record) -> Path:
    with Journal.open(home, "engine") as journal:
        for record in records:
            journal.append(record)
    return journal.path


def rows(service: StoreService, sql: str) -> list[tuple[Any, ...]]:
    return service.query(lambda con: con.execute(sql).fetchall())


def errors(service: StoreService) -> list[tuple[int, str]]:
    return [
        (off, reason) for off, reason in rows(service, "SELECT off, reason FROM ingest_error ORDER BY off")
    ]


def test_a_journal_becomes_rows(home: Home, service: StoreService) -> None:
    answer = generation(1, trace=trace(5, k=3))
    write(home, model(), adapter(), kernel(), condition(), probe(), answer, score(answer.id, total=7.5))
    assert service.ingest() == 7
    assert service.ingest() == 0
    counts = service.query(ask.counts)
    content = ("model", "adapter", "kernel", "condition", "probe", "generation")
    assert {name: counts[name] for name in content} == {
        "model": 1,
        "adapter": 1,
        "kernel": 1,
        "condition": 1,
        "probe": 1,
        "generation": 1,
    }
    assert counts["score"] == 4
    assert counts["ingest_error"] == 0


def test_every_field_of_an_answer_comes_back(home: Home, service: StoreService) -> None:
    answer = generation(
        1,
        trace=trace(50, k=3),
        run_id="r",
        adapter_sha256="a",
        kernel_placement="system",
        probe_sha256="p",
        parent_id="parent",
        parent_token=3,
        seed=-(2**62),
        mean_entropy_nats=None,
    )
    verdict = score(answer.id, total=7.5)
    write(home, answer, verdict)
    service.ingest()
    stored = service.query(ask.generation, answer.id)
    assert stored is not None
    assert dataclasses.replace(stored.generation, trace=None) == dataclasses.replace(answer, trace=None)
    assert stored.scores == (verdict,)
    before, after = answer.trace, stored.generation.trace
    assert before is not None
    assert after is not None
    assert (after.token_ids, after.ends, after.rank) == (before.token_ids, before.ends, before.rank)
    assert (after.k, after.alternative_ids) == (before.k, before.alternative_ids)
    for name in ("entropy_nats", "sampling_entropy_nats", "surprisal_nats"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), abs=0.0005001), name
    for name in ("p_top1", "margin"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), abs=0.00005001), name
    assert after.alternative_p == pytest.approx(before.alternative_p, rel=0.0005002)


def test_trace_values_saturate_and_never_wrap(home: Home, service: StoreService) -> None:
    odd = dataclasses.replace(
        trace(3, k=1),
        surprisal_nats=(65.6, 1e9, 0.0),
        entropy_nats=(-1e-9, 65.535, 0.0004),
        rank=(65535, 70000, 0),
        ends=(0, 70000, 4_000_000_000),
        alternative_p=(0.0, 1.0, 1e-30),
    )
    write(home, generation(trace=odd))
    service.ingest()
    assert errors(service) == []
    assert rows(
        service,
        "SELECT surprisal_mnats, entropy_mnats, rank, ends, alternative_surprisal_mnats "
        "FROM generation_trace",
    ) == [([65535, 65535, 0], [0, 65535, 0], [65535, 65535, 0], [0, 70000, 4_000_000_000], [65535, 0, 65535])]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_comes_back_as_it_was(home: Home, service: StoreService, name: str) -> None:
    text = HOSTILE[name]
    answer = generation(text=text, prompt=text)
    service.append(answer, score(answer.id, detail={"zone": text}), probe(prompt=text, extra={"note": text}))
    clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    stored = service.query(ask.generation, answer.id)
    assert stored is not None
    assert (stored.generation.text, stored.generation.prompt) == (clean, clean)
    assert stored.scores[0].detail == {"zone": clean}
    (found,) = service.query(ask.page_probes, ask.ProbeFilter(), 0, 10)
    assert (found.prompt, found.extra) == (clean, {"note": clean})


def test_ten_megabytes_of_text(home: Home, service: StoreService) -> None:
    text = huge()
    answer = generation(text=text)
    service.append(answer)
    stored = service.query(ask.generation, answer.id)
    assert stored is not None
    assert stored.generation.text == text


def test_numbers_that_do_not_exist_are_null(home: Home, service: StoreService) -> None:
    answer = generation()
    service.append(answer, score(answer.id, dimensions={"a": math.nan, "b": math.inf, "c": 2.0}))
    assert rows(service, "SELECT avg(value), max(value), count(*) FROM score") == [(2.0, 2.0, 3)]


def test_good_lines_are_kept_and_bad_ones_listed(home: Home, service: StoreService) -> None:
    path = write(home, probe("P1"))
    start = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"nonsense\n")
        file.write(b'{"v":1,"kind":"probe","seq":2,"data":{"id":7}}\n')
        file.write(b"\xff\xff\n")
        file.write(encode_line("probe", 3, dataclasses.asdict(probe("P2"))))
    assert service.ingest() == 2
    assert [row.id for row in service.query(ask.page_probes, ask.ProbeFilter(), 0, 10)] == ["P1", "P2"]
    found = errors(service)
    assert [off for off, _ in found] == [start, start + 9, start + 9 + 47]
    assert "field" in found[1][1]
    assert rows(service, "SELECT raw FROM ingest_error ORDER BY off") == [
        ("nonsense",),
        ('{"v":1,"kind":"probe","seq":2,"data":{"id":7}}',),
        ("\\xff\\xff",),
    ]
    assert len(service.take_notices()) == 1


def test_a_value_that_only_duckdb_refuses_stands_alone(home: Home, service: StoreService) -> None:
    """2^70 tokens pass as a Python integer; the batch is halved until the culprit is found."""
    good = [generation(number) for number in range(9)]
    bad = generation(9, n_tokens=2**70)
    write(home, *good[:4], bad, *good[4:])
    assert service.ingest() == 9
    assert {id for (id,) in rows(service, "SELECT id FROM generation")} == {answer.id for answer in good}
    assert len(rows(service, "SELECT * FROM generation_trace")) == 9
    ((_, reason),) = errors(service)
    assert reason.startswith("refused by DuckDB")


def test_every_truncation_is_ingested_up_to_its_last_line_and_completed_later(
    home: Home, service: StoreService
) -> None:
    whole = write(home, kernel(), probe("P1"), probe("P2 é漢")).read_bytes()
    path = next(home.journals.iterdir())
    offsets = sorted({*range(0, len(whole), 23), len(whole)})
    path.write_bytes(b"")
    for size in offsets:
        path.write_bytes(whole[:size])
        service.ingest()
        complete = whole[:size].count(b"\n")
        assert rows(service, "SELECT coalesce(sum(lines), 0)::INT FROM journal") == [(complete,)]
    assert errors(service) == []
    assert service.query(ask.counts)["ledger"] == 3


def test_copied_and_renamed_journals_change_nothing(home: Home, service: StoreService) -> None:
    answer = generation()
    path = write(home, model(), probe(), answer, score(answer.id))
    service.ingest()
    tables = ("model", "probe", "generation", "generation_trace", "score", "score_event", "ledger")
    before = {table: rows(service, f"SELECT * FROM {table}") for table in tables}
    shutil.copy(path, home.journals / "copy.jsonl")
    path.rename(home.journals / "renamed.jsonl")
    assert service.ingest() == 0
    assert {table: rows(service, f"SELECT * FROM {table}") for table in tables} == before
    assert errors(service) == []


def test_the_same_identity_with_another_payload_is_an_error(home: Home, service: StoreService) -> None:
    answer = generation(text="first")
    write(home, answer)
    write(home, dataclasses.replace(answer, text="second"), answer)
    assert service.ingest() == 1
    ((_, reason),) = errors(service)
    assert "different payload" in reason
    assert rows(service, "SELECT text FROM generation") == [("first",)]


def test_a_conflict_within_one_batch_is_found_too(home: Home, service: StoreService) -> None:
    write(home, probe(prompt="first"), probe(prompt="second"))
    assert service.ingest() == 1
    assert len(errors(service)) == 1


def test_adapters_land_as_they_are_and_give_answers_a_name(home: Home, service: StoreService) -> None:
    full = adapter("whole", fine_tune_type="full", rank=None, scale=None, base_model_id=model().id)
    tuned = generation(1, adapter_sha256=adapter().id)
    write(
        home, adapter(), full, dataclasses.replace(adapter(), name="renamed", at=at(9)), tuned, generation(2)
    )
    assert service.ingest() == 5
    fields = "name, path, base_model_id, fine_tune_type, rank, scale, num_layers, parameters"
    assert rows(service, f"SELECT {fields} FROM adapter ORDER BY recorded_at, fine_tune_type DESC") == [
        ("tuned", "/adapters/tuned", None, "lora", 8, 20.0, 4, 49_152),
        ("whole", "/adapters/whole", model().id, "full", None, None, 4, 49_152),
        ("renamed", "/adapters/tuned", None, "lora", 8, 20.0, 4, 49_152),
    ]
    assert rows(service, "SELECT seed, adapter_name FROM answer ORDER BY seed") == [(1, "renamed"), (2, None)]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_content_met_again_keeps_its_earliest_time(
    home: Home, service: StoreService, order: tuple[int, ...]
) -> None:
    for number in order:
        when = at(number)
        write(home, model(at=when), adapter(at=when), condition(at=when), kernel(at=when))
        service.ingest()
    for table in ("model", "adapter", "condition", "kernel"):
        assert [time.isoformat() for (time,) in rows(service, f"SELECT recorded_at FROM {table}")] == [at(1)]


def test_two_ingesters_share_the_work(home: Home) -> None:
    first, second = (Ingester(home, Database(home)) for _ in range(2))
    journal = Journal.open(home, "engine")
    journal.append(probe("P1"))
    assert first.ingest().new_records == 1
    assert second.ingest().new_records == 0
    journal.append(probe("P2"))
    assert second.ingest().new_records == 1
    journal.append(probe("P3"))
    assert first.ingest().new_records == 1
    journal.close()
    found = Database(home).read(lambda con: con.execute("SELECT id FROM probe ORDER BY id").fetchall())
    assert found == [("P1",), ("P2",), ("P3",)]


def test_a_database_that_was_replaced_is_filled_again(home: Home) -> None:
    """Another process quarantined or restored the file: what this one remembers of it is void."""
    ingester = Ingester(home, Database(home))
    write(home, probe("P1"))
    assert ingester.ingest().new_records == 1
    home.database.replace(home.aside / "lab.duckdb")
    assert ingester.ingest().new_records == 1


def test_offsets_that_went_back_are_noticed(home: Home) -> None:
    database = Database(home)
    ingester = Ingester(home, database)
    path = write(home, probe("P1"))
    ingester.ingest()
    for table in ("probe", "ledger", "journal"):
        database.write(lambda con, table=table: con.execute(f"DELETE FROM {table}").fetchall())
    with path.open("ab") as file:
        file.write(encode_line("probe", 2, dataclasses.asdict(probe("P2"))))
    assert ingester.ingest().new_records == 2


class Flaky(Database):
    """Gives up once: before the commit, or after it as when only the checkpoint failed."""

    def __init__(self, home: Home, *, committed: bool) -> None:
        super().__init__(home)
        self.committed = committed
        self.failures = 1

    def write(self, work: Any) -> Any:
        if self.failures:
            self.failures -= 1
            if self.committed:
                super().write(work)
            raise LostInstanceError("DuckDB stopped")
        return super().write(work)


@pytest.mark.parametrize("committed", [False, True])
def test_a_lost_instance_neither_loses_nor_doubles(home: Home, committed: bool) -> None:
    answers = [generation(number) for number in range(5)]
    write(home, *answers)
    ingester = Ingester(home, Flaky(home, committed=committed))
    ingester.ingest()
    found = Database(home).read(lambda con: con.execute("SELECT id FROM generation ORDER BY id").fetchall())
    assert found == [(answer.id,) for answer in answers]


def test_a_full_disk_is_not_taken_for_bad_data(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise duckdb.IOException("IO Error: Could not write file: No space left on device")

    write(home, probe("P1"), probe("P2"))
    ingester = Ingester(home, Database(home))
    with monkeypatch.context() as broken:
        broken.setattr("store.ingest.land", full)
        with pytest.raises(StoreError, match="full"):
            ingester.ingest()
    assert ingester.ingest().new_records == 2


def test_batches_do_not_change_the_result(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.ingest.BATCH_LINES", 3)
    for start in (0, 10):
        write(home, *(probe(f"P{number}") for number in range(start, start + 7)))
    ingester = Ingester(home, Database(home))
    assert ingester.ingest().new_records == 14
    found = Database(home).read(
        lambda con: con.execute("SELECT name, off, lines FROM journal ORDER BY name").fetchall()
    )
    assert [(name, off, lines) for name, off, lines in found] == [
        (path.name, path.stat().st_size, 8) for path in sorted(home.journals.iterdir())
    ]


def test_the_writer_of_each_journal_is_known(home: Home, service: StoreService) -> None:
    path = write(home, probe())
    service.ingest()
    header = tail(path)[0][0].data
    ((name, process, pid, started),) = rows(service, "SELECT name, process, pid, started_at FROM journal")
    assert (name, process, pid) == (path.name, "engine", header["pid"])
    assert started.isoformat() == header["started_at"]


def test_lines_of_another_maker_are_welcome(home: Home, service: StoreService) -> None:
    """Pretty spacing, other key order, ASCII escapes, exponents."""
    data = dataclasses.asdict(generation(text="漢\u2028"))
    line = json.dumps({"data": data, "seq": 1, "v": 1, "kind": "generation"}, indent=None, ensure_ascii=True)
    (home.journals / "foreign.jsonl").write_text(line + "\n")
    assert service.ingest() == 1
    assert rows(service, "SELECT text FROM generation") == [("漢\u2028",)]


def test_a_journal_that_cannot_be_read_keeps_none_of_the_others_out(
    home: Home, service: StoreService
) -> None:
    (home.journals / "0.jsonl").mkdir()
    write(home, probe())
    assert service.ingest() == 1
    assert service.ingest() == 0
    (notice,) = service.take_notices()
    assert "0.jsonl cannot be read" in notice
