"""Copies of everything, and the way back: backup, restore, rebuild, export.

A backup is a folder with the journals up to their last whole line, the database, the settings and a manifest
of checksums. The database alone would do no harm to lose: a rebuild makes the same tables from the journals.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from store.check import lost_journals
from store.content import TableContent, table_contents
from store.database import Database
from store.errors import StoreError
from store.home import Home
from store.ids import utc_now
from store.ingest import Ingester, journal_sizes, offsets
from store.journal import SUFFIX, read
from store.lease import lease
from store.schema import TABLES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from store.service import StoreService

MANIFEST = "manifest.json"
FORMAT = 1
_CHUNK_BYTES = 1 << 20

ExportFormat = Literal["parquet", "csv"]


@dataclass(frozen=True, slots=True)
class BackupReport:
    """A finished backup."""

    path: str
    files: int
    bytes: int
    created_at: str


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """A finished restore; `aside` is where the former contents are, None when there were none."""

    path: str
    files: int
    created_at: str
    aside: str | None


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """A finished rebuild. `identical`: every table came out as it was; if not, `aside` has the old file."""

    records: int
    errors: int
    identical: bool
    before: tuple[TableContent, ...]
    after: tuple[TableContent, ...]
    aside: str | None


@dataclass(frozen=True, slots=True)
class ExportReport:
    """A finished export: rows by table."""

    path: str
    format: str
    rows: dict[str, int]


def backup(service: StoreService, target: Path | None = None) -> BackupReport:
    """Copy everything to the new folder `target` (by default one in the home's `backups`)."""
    home = service.home
    service.ingest()
    created_at = utc_now()
    place = target or home.backups / created_at.replace(":", "").replace(".", "")
    with _new_folder(place) as folder:
        # The database first: what the journals grow by meanwhile is then ahead of it, never behind.
        with lease(home, "read"):
            for file in (home.database, home.wal):
                if file.exists():
                    _copy(file, folder / file.name)
        _copy_journals(home.journals, folder / "journals")
        if any(home.config.iterdir()):
            shutil.copytree(home.config, folder / "config")
        files = {str(path.relative_to(folder)): _sha256(path) for path in _files(folder)}
        manifest = {"format": FORMAT, "created_at": created_at, "files": files}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        _make_private(folder)
        total = sum(path.stat().st_size for path in _files(folder))
    return BackupReport(str(place), len(files), total, created_at)


def restore(home: Home, source: Path, *, force: bool = False) -> RestoreReport:
    """Make `home` what the backup `source` holds.

    Refuses a home that holds anything unless `force` is set; the former contents are then kept aside. Refuses
    a backup that is incomplete or altered, and a home in which a process still writes its journal.
    """
    manifest = _manifest(source)
    _refuse_occupied(home, force)
    staged = home.tmp / f"restore-{os.getpid()}"
    with _new_folder(staged) as folder:
        for name in manifest.files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, folder / name)
        _make_private(folder)
    with lease(home, "write"):
        _refuse_occupied(home, force)
        _refuse_writers(home)
        replaced = [path for path in (home.database, home.wal) if path.exists()]
        replaced += [path for path in (home.journals, home.config) if any(path.iterdir())]
        aside = _move_aside(home, replaced)
        for path in staged.iterdir():
            path.replace(home.path / path.name)
        staged.rmdir()
    Home.resolve(home.path)
    return RestoreReport(str(home.path), len(manifest.files), manifest.created_at, _text(aside))


def rebuild(service: StoreService, *, force: bool = False) -> RebuildReport:
    """Make the database anew from the journals and put it in the place of the old one.

    Refuses to when journals that were read are gone or shorter, unless `force` is set: their rows would be
    lost. A database that comes out different is kept aside.
    """
    home = service.home
    service.ingest()
    before, reached = service.query(lambda con: (tuple(table_contents(con)), offsets(con)))
    lost = lost_journals(journal_sizes(home), reached)
    if lost and not force:
        raise StoreError(f"{lost[0]}: `lantern store check` shows all; --force rebuilds without them")
    _remove_leftovers(home)
    file = home.tmp / f"rebuild-{os.getpid()}.duckdb"
    file.unlink(missing_ok=True)
    database = Database(home, file=file)
    try:
        report = Ingester(home, database, upto=reached).ingest()
        after = tuple(database.read(table_contents))
        database.close()
        with lease(home, "write"):
            aside = None
            if before != after:
                aside = _move_aside(home, [path for path in (home.database, home.wal) if path.exists()])
            home.wal.unlink(missing_ok=True)
            file.replace(home.database)
    finally:
        database.close()
        file.unlink(missing_ok=True)
    service.ingest()
    return RebuildReport(report.new_records, report.errors, before == after, before, after, _text(aside))


def export(service: StoreService, target: Path, kind: ExportFormat = "parquet") -> ExportReport:
    """Write every table to a file of its own in the new folder `target`."""
    home = service.home
    service.ingest()
    copy = home.tmp / f"export-{os.getpid()}.duckdb"
    with _new_folder(target) as folder:
        try:
            # From a copy: writing out a large table may take longer than others are ready to wait.
            with lease(home, "read"):
                for file, name in ((home.database, copy), (home.wal, copy.with_suffix(".duckdb.wal"))):
                    if file.exists():
                        shutil.copyfile(file, name)
            database = Database(home, file=copy)
            rows = database.read(lambda con: _export_tables(con, folder, kind))
            database.close()
        finally:
            for leftover in home.tmp.glob(f"{copy.name}*"):
                leftover.unlink()
        _make_private(folder)
    return ExportReport(str(target), kind, rows)


def _export_tables(con: DuckDBPyConnection, folder: Path, kind: ExportFormat) -> dict[str, int]:
    options = "FORMAT parquet, COMPRESSION zstd" if kind == "parquet" else "FORMAT csv, HEADER"
    rows = {}
    for table in TABLES:
        path = str(folder / f"{table}.{kind}").replace("'", "''")
        rows[table] = con.execute(f"COPY {table} TO '{path}' ({options})").fetchall()[0][0]
    return rows


@contextmanager
def _new_folder(place: Path) -> Iterator[Path]:
    """A folder that is complete or not there: made beside its place, then renamed."""
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise StoreError(f"{place} exists already: name a new folder")
    unfinished = place.with_name(f".{place.name}.{os.getpid()}.unfinished")
    try:
        unfinished.mkdir(mode=0o700, parents=True)
        yield unfinished
        if place.exists():
            place.rmdir()
        unfinished.replace(place)
    except OSError as error:
        raise StoreError(f"{place}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            shutil.rmtree(unfinished)


def _copy_journals(source: Path, target: Path) -> None:
    target.mkdir()
    for journal in sorted(source.glob(f"*{SUFFIX}")):
        end = max((line.end for line in read(journal)), default=0)
        with journal.open("rb") as reading, (target / journal.name).open("wb") as writing:
            while end and (chunk := reading.read(min(end, _CHUNK_BYTES))):
                writing.write(chunk)
                end -= len(chunk)
            writing.flush()
            os.fsync(writing.fileno())


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class _Manifest:
    created_at: str
    files: dict[str, str]


def _manifest(source: Path) -> _Manifest:
    """The manifest of a backup whose files are all there and unaltered."""
    try:
        content = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
        manifest = _Manifest(str(content["created_at"]), dict(content["files"]))
        made_in = content["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{source} is no backup: {MANIFEST} is missing or damaged") from error
    if made_in != FORMAT:
        raise StoreError(
            f"{source} is a backup of format {made_in}, this lab reads {FORMAT}: upgrade lantern-lab"
        )
    for name, expected in manifest.files.items():
        path = source / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise StoreError(f"{source / MANIFEST} names a file outside the backup: {name}")
        if not path.is_file():
            raise StoreError(f"{path} is missing from the backup")
        if _sha256(path) != expected:
            raise StoreError(f"{path} is not the file that was backed up: its checksum differs")
    return manifest


def _refuse_occupied(home: Home, force: bool) -> None:
    if not force and any(home.journals.glob(f"*{SUFFIX}")):
        raise StoreError(
            f"{home.path} holds journals already: restore to an empty home with --home, or add --force "
            "to move them aside"
        )


def _refuse_writers(home: Home) -> None:
    """Journals are locked by the process that writes them, for as long as it lives."""
    for journal in home.journals.glob(f"*{SUFFIX}"):
        with journal.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreError(
                    f"{_writer(journal)} is still writing {journal.name}: end it first"
                ) from None


def _writer(journal: Path) -> str:
    try:
        data = json.loads(next(read(journal)).raw)["data"]
        return f"process {data['pid']} ({data['process']})"
    except (StopIteration, ValueError, KeyError, TypeError):
        return "another process"


def _move_aside(home: Home, paths: Sequence[Path]) -> Path | None:
    """Move `paths` to one new folder; None when there are none."""
    if not paths:
        return None
    place = home.aside / utc_now().replace(":", "").replace(".", "")
    place.mkdir(mode=0o700)
    for path in paths:
        path.replace(place / path.name)
    return place


def _remove_leftovers(home: Home) -> None:
    """What processes that no longer live left in `tmp`: their names carry their process id."""
    for path in home.tmp.glob("*-[0-9]*"):
        digits = re.search(r"-(\d+)", path.name)
        if digits is None or _is_alive(int(digits[1])):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _make_private(folder: Path) -> None:
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
