"""Backup, restore, rebuild, export: nothing that was stored gets lost on the way."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import store.queries as ask
from store.backup import MANIFEST, backup, export, rebuild, restore
from store.content import table_contents
from store.errors import StoreError
from store.home import Home
from store.journal import Journal, encode_line
from store.schema import TABLES
from store.service import StoreService
from tests.store.facts import at, condition, generation, kernel, model, probe, score, trace


@pytest.fixture
def filled(service: StoreService) -> StoreService:
    """A store with every kind of record, repeated content and a line that is none."""
    with Journal.open(service.home, "engine") as journal:
        for record in (model(at=at(2)), kernel(), condition(), probe(), probe(at=at(3), prompt="new")):
            journal.append(record)
        for number in range(20):
            answer = generation(number, trace=trace(40, k=3, seed=number))
            journal.append(answer)
            journal.append(score(answer.id, total=float(number)))
    with Journal.open(service.home, "engine") as journal:
        journal.append(model(at=at(1)))
    (service.home.journals / "bad.jsonl").write_bytes(b"junk\n" + encode_line("hologram", 1, {}))
    (service.home.config / "keymap.yaml").write_text("quit: q\n")
    service.ingest()
    service.take_notices()
    return service


def test_a_backup_restores_to_the_same_tables(filled: StoreService, tmp_path: Path) -> None:
    report = backup(filled, tmp_path / "copy")
    assert report.files == 5
    elsewhere = Home.resolve(tmp_path / "elsewhere")
    assert restore(elsewhere, tmp_path / "copy").aside is None
    with StoreService(elsewhere) as again:
        assert again.ingest() == 0
        assert again.query(table_contents) == filled.query(table_contents)
    assert (elsewhere.config / "keymap.yaml").read_text() == "quit: q\n"


def test_a_backup_without_its_database_restores_too(filled: StoreService, tmp_path: Path) -> None:
    """The journals are the truth."""
    backup(filled, tmp_path / "copy")
    manifest = json.loads((tmp_path / "copy" / MANIFEST).read_text())
    del manifest["files"]["lab.duckdb"]
    (tmp_path / "copy" / MANIFEST).write_text(json.dumps(manifest))
    elsewhere = Home.resolve(tmp_path / "elsewhere")
    restore(elsewhere, tmp_path / "copy")
    with StoreService(elsewhere) as again:
        again.ingest()
        assert again.query(table_contents) == filled.query(table_contents)


def test_a_backup_is_private_and_by_default_in_the_home(filled: StoreService) -> None:
    place = Path(backup(filled).path)
    assert place.parent == filled.home.backups
    for path in (place, *place.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_backup_of_a_journal_being_written_ends_with_a_whole_line(
    service: StoreService, tmp_path: Path
) -> None:
    with Journal.open(service.home, "engine") as journal:
        journal.append(probe())
        whole = journal.path.read_bytes()
        with journal.path.open("ab") as file:
            file.write(b'{"v":1,"kind":"pro')
        backup(service, tmp_path / "copy")
        assert (tmp_path / "copy" / "journals" / journal.path.name).read_bytes() == whole


def test_a_backup_replaces_nothing(filled: StoreService, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine").write_text("precious")
    with pytest.raises(StoreError, match="exists already"):
        backup(filled, tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["mine"]


def test_a_failed_backup_leaves_nothing(
    filled: StoreService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("store.backup._copy_journals", full)
    with pytest.raises(StoreError, match="No space left"):
        backup(filled, tmp_path / "copy")
    assert [path for path in tmp_path.iterdir() if path.name != "home"] == []


def test_a_restore_refuses_a_home_in_use_unless_forced(filled: StoreService, tmp_path: Path) -> None:
    backup(filled, tmp_path / "copy")
    before = filled.query(table_contents)
    filled.append(probe("LATER"))
    with pytest.raises(StoreError, match=r"holds journals already.*--force"):
        restore(filled.home, tmp_path / "copy")
    filled.close()
    report = restore(filled.home, tmp_path / "copy", force=True)
    assert report.aside is not None
    kept = Path(report.aside)
    assert any(b"LATER" in path.read_bytes() for path in (kept / "journals").iterdir())
    assert (kept / "lab.duckdb").exists()
    with StoreService(filled.home) as again:
        again.ingest()
        assert again.query(table_contents) == before


def test_a_restore_refuses_while_a_process_writes(filled: StoreService, tmp_path: Path) -> None:
    backup(filled, tmp_path / "copy")
    with Journal.open(filled.home, "trainer") as journal:
        with pytest.raises(StoreError, match=rf"\(trainer\) is still writing {journal.path.name}"):
            restore(filled.home, tmp_path / "copy", force=True)
        assert journal.path.exists()
    assert filled.query(ask.counts)["generation"] == 20


@pytest.mark.parametrize("fault", ["altered", "missing", "no manifest", "bad manifest", "newer", "outside"])
def test_a_backup_that_is_not_whole_is_refused(filled: StoreService, tmp_path: Path, fault: str) -> None:
    copy = tmp_path / "copy"
    backup(filled, copy)
    manifest = json.loads((copy / MANIFEST).read_text())
    database = copy / "lab.duckdb"
    match fault:
        case "altered":
            database.write_bytes(database.read_bytes() + b"x")
        case "missing":
            database.unlink()
        case "no manifest":
            (copy / MANIFEST).unlink()
        case "bad manifest":
            (copy / MANIFEST).write_text("{")
        case "newer":
            (copy / MANIFEST).write_text(json.dumps(manifest | {"format": 99}))
        case "outside":
            manifest["files"]["../../etc/passwd"] = "0" * 64
            (copy / MANIFEST).write_text(json.dumps(manifest))
    elsewhere = Home.resolve(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=str(copy)):
        restore(elsewhere, copy)
    assert list(elsewhere.journals.iterdir()) == []


def test_a_rebuild_makes_identical_tables(filled: StoreService) -> None:
    before = filled.query(table_contents)
    inode = filled.home.database.stat().st_ino
    report = rebuild(filled)
    assert report.identical
    assert report.aside is None
    assert (list(report.before), list(report.after)) == (before, before)
    assert filled.home.database.stat().st_ino != inode
    assert filled.query(table_contents) == before


def test_a_rebuild_sweeps_up_after_the_dead(filled: StoreService) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (filled.home.tmp / f"rebuild-{dead.pid}.duckdb").write_text("half")
    (filled.home.tmp / f"duckdb-{dead.pid}-1").mkdir()
    alive = filled.home.tmp / f"rebuild-{os.getppid()}.duckdb"
    alive.write_text("in the making")
    rebuild(filled)
    assert list(filled.home.tmp.iterdir()) == [alive]


def test_a_rebuild_mends_rows_that_differ_and_keeps_the_old_file(filled: StoreService) -> None:
    before = filled.query(table_contents)
    filled._database.write(  # type: ignore[union-attr]
        lambda con: con.execute("UPDATE generation SET text = 'forged' WHERE seed = 3").fetchall()
    )
    report = rebuild(filled)
    assert not report.identical
    assert [new.table for new, old in zip(report.after, report.before, strict=True) if new != old] == [
        "generation"
    ]
    assert filled.query(table_contents) == before
    assert report.aside is not None
    with duckdb.connect(str(Path(report.aside) / "lab.duckdb"), read_only=True) as old:
        assert old.execute("SELECT text FROM generation WHERE seed = 3").fetchall() == [("forged",)]


def test_a_rebuild_without_a_journal_is_refused_unless_forced(filled: StoreService) -> None:
    largest = max(filled.home.journals.iterdir(), key=lambda path: path.stat().st_size)
    largest.unlink()
    with pytest.raises(StoreError, match=rf"{largest.name} is gone.*--force"):
        rebuild(filled)
    assert filled.query(ask.counts)["generation"] == 20
    report = rebuild(filled, force=True)
    assert not report.identical
    assert filled.query(ask.counts)["generation"] == 0


def test_content_hashes_see_every_change_and_no_order(filled: StoreService) -> None:
    def changed(*statements: str) -> set[str]:
        before = filled.query(table_contents)
        assert filled._database is not None
        filled._database.write(lambda con: [con.execute(sql).fetchall() for sql in statements])
        after = filled.query(table_contents)
        return {new.table for new, old in zip(after, before, strict=True) if new != old}

    reverse = "INSERT INTO score FROM former ORDER BY value DESC"
    assert changed("CREATE TABLE former AS FROM score", "DELETE FROM score", reverse) == set()
    assert changed("UPDATE probe SET prompt = prompt || ' ' WHERE prompt = 'new'") == {"probe"}
    assert changed("DELETE FROM score WHERE value = 3") == {"score"}
    add_one = "list_transform(entropy_mnats, lambda v, i: v + (i = 5)::USMALLINT)"
    one = "generation_id = (SELECT min(id) FROM generation)"
    assert changed(f"UPDATE generation_trace SET entropy_mnats = {add_one} WHERE {one}") == {
        "generation_trace"
    }


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_an_export_holds_every_row(filled: StoreService, tmp_path: Path, kind: str) -> None:
    report = export(filled, tmp_path / "it's out", kind)  # type: ignore[arg-type]
    counts = filled.query(ask.counts) | {"probe": 2}
    assert report.rows == counts
    con = duckdb.connect()
    for table in TABLES:
        path = str(tmp_path / "it's out" / f"{table}.{kind}").replace("'", "''")
        assert con.execute(f"SELECT count(*) FROM '{path}'").fetchall()[0][0] == counts[table], table
    path = str(tmp_path / "it's out" / f"generation.{kind}").replace("'", "''")
    exported = con.execute(f"SELECT id, text FROM '{path}' ORDER BY id").fetchall()
    stored = filled.query(lambda con: con.execute("SELECT id, text FROM generation ORDER BY id").fetchall())
    assert exported == stored
    assert list(filled.home.tmp.iterdir()) == []
    with pytest.raises(StoreError, match="exists already"):
        export(filled, tmp_path / "it's out", kind)  # type: ignore[arg-type]
