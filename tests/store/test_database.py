"""The database: settings, migrations, damage, and other programs in the way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from store.database import DamagedDatabaseError, Database, LostInstanceError, RefusedDataError
from store.errors import StoreError
from store.home import Home
from store.schema import FIRST, SCHEMA_VERSION, migrate, schema_version
from tests.store.processes import FOREIGN, running


def rows(database: Database, sql: str) -> list[tuple[object, ...]]:
    return database.read(lambda con: con.execute(sql).fetchall())


def test_it_is_modest_and_loads_nothing(home: Home) -> None:
    database = Database(home)
    names = (
        "threads",
        "async_threads",
        "memory_limit",
        "autoinstall_known_extensions",
        "autoload_known_extensions",
        "allow_community_extensions",
        "python_enable_replacements",
    )
    found = {name: rows(database, f"SELECT current_setting('{name}')")[0][0] for name in names}
    assert found == {
        "threads": 1,
        "async_threads": 1,
        "memory_limit": "953.6 MiB",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,
    }


def test_each_instance_spills_to_a_place_of_its_own_in_the_home(home: Home) -> None:
    places = {
        Path(str(rows(Database(home), "SELECT current_setting('temp_directory')")[0][0])) for _ in range(3)
    }
    assert len(places) == 3
    assert {place.parent for place in places} == {home.tmp}


def test_nobody_keeps_the_file_open(home: Home) -> None:
    database = Database(home)
    rows(database, "SELECT 1")
    with duckdb.connect(str(home.database)) as foreign:
        assert foreign.execute("SELECT count(*) FROM generation").fetchall() == [(0,)]


def test_a_write_is_all_or_nothing(home: Home) -> None:
    database = Database(home)

    def half(con: duckdb.DuckDBPyConnection) -> None:
        con.execute("INSERT INTO setting VALUES ('a', 'b', '2026-01-01')")
        raise KeyError("in between")

    with pytest.raises(KeyError):
        database.write(half)
    assert rows(database, "SELECT * FROM setting") == []
    with pytest.raises(RefusedDataError, match="NOT NULL"):
        database.write(lambda con: con.execute("INSERT INTO setting VALUES ('a', NULL, NULL)").fetchall())
    database.write(lambda con: con.execute("INSERT INTO setting VALUES ('a', 'b', '2026-01-01')").fetchall())
    assert rows(database, "SELECT value FROM setting") == [("b",)]


def test_reading_cannot_write(home: Home) -> None:
    with pytest.raises(StoreError, match="read-only"):
        rows(Database(home), "INSERT INTO meta VALUES ('a', 'b')")


def test_a_new_database_has_the_schema_of_today(home: Home) -> None:
    database = Database(home)
    assert database.read(schema_version) == SCHEMA_VERSION


def test_migrations_are_applied_one_after_the_other_and_once() -> None:
    con = duckdb.connect()
    steps = (FIRST, "CREATE TABLE second (a INT)", "ALTER TABLE second ADD COLUMN b INT")
    assert migrate(con, steps[:1]) == 1
    con.execute("INSERT INTO journal (name, off, lines) VALUES ('bad', 90, 3), ('good', 80, 2)")
    con.execute("INSERT INTO ingest_error VALUES ('bad', 40, 'raw', 'field kind: unknown')")
    assert migrate(con, steps) == 2
    assert migrate(con, steps) == 0
    assert schema_version(con) == 3
    assert con.execute("SELECT a, b FROM second").fetchall() == []
    # What an older lab could not read is offered again; the rest is not read twice.
    assert con.execute("SELECT name, off, lines FROM journal ORDER BY name").fetchall() == [
        ("bad", 0, 0),
        ("good", 80, 2),
    ]
    assert con.execute("SELECT * FROM ingest_error").fetchall() == []


def test_a_migration_that_fails_leaves_no_trace() -> None:
    con = duckdb.connect()
    migrate(con, (FIRST,))
    before = con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
    with pytest.raises(duckdb.Error):
        migrate(con, (FIRST, "CREATE TABLE half (a INT); SELECT * FROM missing"))
    assert schema_version(con) == 1
    assert con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall() == before


def test_a_newer_schema_is_not_written_to(home: Home) -> None:
    Database(home).write(
        lambda con: con.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'").fetchall()
    )
    with pytest.raises(StoreError, match=r"schema 99.*upgrade lantern-lab"):
        Database(home).write(lambda con: None)
    assert home.database.exists()


def damage(path: Path, offset: int, how: bytes = b"\xff" * 64) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(how)


@pytest.mark.parametrize("offset", [0, 4096, 2 * 4096, 3 * 4096 + 20])
def test_a_damaged_file_is_recognized(home: Home, offset: int) -> None:
    Database(home).write(lambda con: con.execute("INSERT INTO meta VALUES ('a', 'b')").fetchall())
    damage(home.database, offset)
    if offset == 4096:
        damage(home.database, 2 * 4096)
    if offset == 2 * 4096:
        # One of the two headers may be lost; the other one holds.
        damage(home.database, 4096)
    with pytest.raises(DamagedDatabaseError):
        rows(Database(home), "SELECT * FROM meta")


def test_an_undamaged_file_is_never_put_aside(home: Home) -> None:
    database = Database(home)
    database.write(lambda con: con.execute("INSERT INTO meta VALUES ('a', 'b')").fetchall())
    assert "already replaced" in database.quarantine()
    assert rows(database, "SELECT value FROM meta WHERE key = 'a'") == [("b",)]
    assert list(home.aside.iterdir()) == []


def test_a_damaged_file_is_put_aside_with_its_log(home: Home) -> None:
    database = Database(home)
    database.write(lambda con: None)
    damage(home.database, 4096, b"\xff" * 8192)
    home.wal.write_bytes(b"a log")
    broken = home.database.read_bytes()
    notice = database.quarantine()
    (place,) = home.aside.iterdir()
    assert str(place) in notice
    assert (place / "lab.duckdb").read_bytes() == broken
    assert (place / "lab.duckdb.wal").read_bytes() == b"a log"
    assert rows(database, "SELECT count(*) FROM generation") == [(0,)]


def test_a_corrupt_log_is_recognized(home: Home) -> None:
    Database(home).write(lambda con: None)
    script = """
import duckdb, os, sys
con = duckdb.connect(sys.argv[1])
con.execute("PRAGMA disable_checkpoint_on_shutdown")
for i in range(200):
    con.execute("INSERT INTO meta VALUES (?, ?)", [str(i), "x" * 200])
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script, str(home.database)], check=True)
    size = home.wal.stat().st_size
    assert size > 40_000
    shutil.copy(home.wal, home.tmp / "wal")
    assert rows(Database(home), "SELECT count(*) FROM meta") == [(202,)]
    shutil.copy(home.tmp / "wal", home.wal)
    damage(home.wal, size // 2)
    with pytest.raises(DamagedDatabaseError):
        rows(Database(home), "SELECT count(*) FROM meta")


def test_another_program_that_has_the_file_open_is_named(home: Home) -> None:
    database = Database(home)
    database.write(lambda con: None)
    with (
        running(home, FOREIGN) as foreign,
        pytest.raises(StoreError, match=rf"open in .*PID {foreign.pid}.*close it there"),
    ):
        rows(database, "SELECT 1")
    assert rows(database, "SELECT 1") == [(1,)]
    assert list(home.aside.iterdir()) == []


@pytest.mark.parametrize("error", [duckdb.FatalException, duckdb.InternalException])
def test_an_instance_that_gave_up_is_replaced(home: Home, error: type[duckdb.Error]) -> None:
    database = Database(home)

    def give_up(con: duckdb.DuckDBPyConnection) -> None:
        raise error("the autocheckpoint failed")

    with pytest.raises(LostInstanceError, match="autocheckpoint failed"):
        database.write(give_up)
    assert rows(database, "SELECT count(*) FROM generation") == [(0,)]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs")
def test_a_full_disk_is_one_clear_line_and_loses_nothing(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        home = Home.resolve(small / "home")
        database = Database(home)
        database.write(lambda con: con.execute("INSERT INTO meta VALUES ('kept', 'yes')").fetchall())
        with pytest.raises(StoreError):
            for number in range(40):
                noise = os.urandom(300_000).hex()
                database.write(
                    lambda con, n=str(number), noise=noise: con.execute(
                        "INSERT INTO meta VALUES (?, ?)", [n, noise]
                    ).fetchall()
                )
        database.close()
        assert rows(Database(home), "SELECT value FROM meta WHERE key = 'kept'") == [("yes",)]
    finally:
        subprocess.run(["umount", str(small)], check=True)
