"""Journals into DuckDB, exactly once: rows and journal offsets are committed in one transaction.

Lines are read and validated without a lease; the lease covers only the inserts. What another process has
ingested meanwhile is recognized by its offset, what a copied journal repeats by the ledger.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.database import Database, LostInstanceError, RefusedDataError
from store.errors import StoreError
from store.home import Home
from store.journal import HEADER_KIND, SUFFIX, read
from store.landing import land, remember_earliest
from store.validate import Fact, Reject, examine

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH_BYTES = 32 << 20
BATCH_LINES = 10_000

Examined = Fact | Reject

_ATTEMPTS = 3
_ERROR_SHAPE = '[{"journal":"VARCHAR","off":"UBIGINT","raw":"VARCHAR","reason":"VARCHAR"}]'


class _StaleOffsetsError(Exception):
    """The file is behind what this process remembers of it: it was replaced."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one pass brought in: new facts, and lines that are no facts."""

    new_records: int
    errors: int


class Ingester:
    """Keeps a database up with the journals of `home`. One thread."""

    def __init__(self, home: Home, database: Database, *, upto: Mapping[str, int] | None = None) -> None:
        """`upto` limits how far each journal is read, and which, to repeat an earlier state."""
        self._home = home
        self._database = database
        self._upto = upto
        self._known: dict[str, int] | None = None
        self._file: tuple[int, int] | None = None
        self.unreadable: dict[str, str] = {}
        """Journals that could not be read at the last pass, and why; the others were."""

    def ingest(self) -> IngestReport:
        """Bring in everything that is complete in the journals. Cheap when nothing is new."""
        for _ in range(_ATTEMPTS):
            try:
                return self._pass()
            except _StaleOffsetsError:
                self._known = None
        raise StoreError("the database keeps being replaced while journals are read: try again")

    def _pass(self) -> IngestReport:
        new_records = errors = 0
        self.unreadable = {}
        if self._known is None or self._file != self._database.file_identity():
            self._known = self._database.read(offsets)
            self._file = self._database.file_identity()
        for batch in _batches(self._unread()):
            landed = self._commit(batch)
            new_records += landed.new_records
            errors += landed.errors
        return IngestReport(new_records, errors)

    def _unread(self) -> Iterator[Examined]:
        for name, size in journal_sizes(self._home).items():
            start = self._offset(name)
            end = size if self._upto is None else self._upto.get(name, 0)
            if end > start:
                try:
                    yield from self._examined(name, start, end)
                except StoreError as error:
                    self.unreadable[name] = str(error)

    def _examined(self, name: str, start: int, end: int) -> Iterator[Examined]:
        for line in read(self._home.journals / name, start):
            if self._upto is not None and line.end > end:
                break
            yield examine(name, line)

    def _offset(self, name: str) -> int:
        return (self._known or {}).get(name, 0)

    def _commit(self, batch: Sequence[Examined]) -> IngestReport:
        """Commit a batch; if DuckDB refuses a value in it, halve it until the culprit stands alone."""
        try:
            report = self._write(batch)
        except RefusedDataError as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                first, second = self._commit(batch[:middle]), self._commit(batch[middle:])
                return IngestReport(first.new_records + second.new_records, first.errors + second.errors)
            culprit = batch[0]
            report = self._write([Reject(culprit.journal, culprit.line, f"refused by DuckDB: {error}")])
        return report

    def _write(self, batch: Sequence[Examined]) -> IngestReport:
        try:
            report, reached = self._database.write(lambda con: _land_batch(con, batch))
        except LostInstanceError:
            # The commit may have happened all the same: the offsets in the file decide what is left to do.
            report, reached = self._database.write(lambda con: _land_batch(con, batch))
        assert self._known is not None
        self._known.update(reached)
        return report


def journal_sizes(home: Home) -> dict[str, int]:
    """The journals of a home in order of age (their names are UUIDv7), with their sizes in bytes."""
    sizes = {}
    for file in sorted(home.journals.glob(f"*{SUFFIX}")):
        # A restore may move it aside meanwhile.
        with suppress(FileNotFoundError):
            sizes[file.name] = file.stat().st_size
    return sizes


def _batches(examined: Iterator[Examined]) -> Iterator[list[Examined]]:
    batch: list[Examined] = []
    size = 0
    for item in examined:
        batch.append(item)
        size += len(item.line.raw)
        if size >= BATCH_BYTES or len(batch) >= BATCH_LINES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def offsets(con: DuckDBPyConnection) -> dict[str, int]:
    """How far the attached database has read each journal, in bytes."""
    return {name: int(off) for name, off in con.execute("SELECT name, off FROM journal").fetchall()}


def _land_batch(con: DuckDBPyConnection, batch: Sequence[Examined]) -> tuple[IngestReport, Mapping[str, int]]:
    """Inside a transaction: everything of the batch that is still ahead of the offsets in the file."""
    reached = offsets(con)
    _refuse_gaps(batch, reached)
    ahead = [item for item in batch if item.line.offset >= reached.get(item.journal, 0)]
    rejects = [item for item in ahead if isinstance(item, Reject)]
    headers = [item for item in ahead if isinstance(item, Fact) and item.kind == HEADER_KIND]
    facts = [item for item in ahead if isinstance(item, Fact) and item.kind != HEADER_KIND]
    fresh, repeated, conflicts = _sort_out(con, facts)
    for kind, group in _by_kind(fresh).items():
        land(con, kind, group)
    remember_earliest(con, repeated)
    _record_errors(con, [*rejects, *conflicts])
    _advance(con, ahead, headers, reached)
    return IngestReport(len(fresh), len(rejects) + len(conflicts)), reached | _ends(ahead)


def _refuse_gaps(batch: Sequence[Examined], reached: Mapping[str, int]) -> None:
    first = {item.journal: item.line.offset for item in reversed(batch)}
    if any(offset > reached.get(name, 0) for name, offset in first.items()):
        raise _StaleOffsetsError


def _sort_out(con: DuckDBPyConnection, facts: Sequence[Fact]) -> tuple[list[Fact], list[Fact], list[Reject]]:
    """New facts, facts known already, and facts that contradict a known one of the same identity."""
    rows = con.execute(
        "SELECT key, digest FROM ledger WHERE key IN (SELECT unnest(?::UBIGINT[]))",
        [[fact.key for fact in facts]],
    ).fetchall()
    known: dict[int, int] = dict(rows)
    fresh: list[Fact] = []
    repeated: list[Fact] = []
    conflicts: list[Reject] = []
    for fact in facts:
        if fact.key not in known:
            known[fact.key] = fact.digest
            fresh.append(fact)
        elif known[fact.key] == fact.digest:
            repeated.append(fact)
        else:
            why = f"another {fact.kind} with the same identity and a different payload is already stored"
            conflicts.append(Reject(fact.journal, fact.line, why))
    return fresh, repeated, conflicts


def _by_kind(facts: Sequence[Fact]) -> Mapping[str, list[Fact]]:
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(fact.kind, []).append(fact)
    return groups


def _record_errors(con: DuckDBPyConnection, rejects: Sequence[Reject]) -> None:
    rows = [
        {"journal": item.journal, "off": item.line.offset, "raw": item.raw, "reason": item.reason}
        for item in rejects
    ]
    if rows:
        con.execute(
            "INSERT INTO ingest_error SELECT r.* FROM (SELECT unnest(from_json(?, ?)) AS r)",
            [json.dumps(rows), _ERROR_SHAPE],
        )


def _advance(
    con: DuckDBPyConnection,
    ahead: Sequence[Examined],
    headers: Sequence[Fact],
    reached: Mapping[str, int],
) -> None:
    """Write down how far each journal is read, and which process wrote it."""
    counts = Counter(item.journal for item in ahead)
    for name, end in _ends(ahead).items():
        if name not in reached:
            con.execute("INSERT INTO journal (name, off, lines) VALUES (?, 0, 0)", [name])
        con.execute("UPDATE journal SET off = ?, lines = lines + ? WHERE name = ?", [end, counts[name], name])
    for header in headers:
        writer = json.loads(header.data)
        con.execute(
            "UPDATE journal SET process = ?, pid = ?, lab_version = ?, started_at = ? WHERE name = ?",
            [writer["process"], writer["pid"], writer["lab_version"], writer["started_at"], header.journal],
        )


def _ends(items: Sequence[Examined]) -> dict[str, int]:
    return {item.journal: item.line.end for item in items}
