"""Is everything there? Journals against rows, damage, unreadable lines, and who may read the files."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.content import TableContent, journal_facts, table_contents
from store.home import Home
from store.ingest import journal_sizes

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from store.service import StoreService

EXAMPLES = 20
_NOT_FACTS = frozenset(
    {"generation_trace", "score", "comparison_side", "comparison_pair", "distillation_question"}
    | {"sweep_answer", "run_metric", "run_word", "ledger", "journal", "ingest_error"}
)
"""Tables of parts of facts, of which one fact can have several rows or none, and the ingest's own books."""


@dataclass(frozen=True, slots=True)
class IngestError:
    """A journal line that is no fact: where it is, how it begins, and why it was set aside."""

    journal: str
    offset: int
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found. `problems` are faults to act on; errors of single lines are listed apart."""

    home: str
    journals: int
    journal_bytes: int
    pending_bytes: int
    facts: int
    tables: tuple[TableContent, ...]
    ingest_errors: int
    ingest_error_examples: tuple[IngestError, ...]
    problems: tuple[str, ...]
    notices: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with what is stored."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class _Projection:
    """What the database says of itself."""

    offsets: dict[str, int]
    ledger: dict[int, int]
    tables: tuple[TableContent, ...]
    metrics: int
    set_aside: frozenset[tuple[str, int]]
    examples: tuple[IngestError, ...]


def check(service: StoreService) -> CheckReport:
    """Bring in what is new, then compare every journal line with the rows and read every block."""
    home = service.home
    service.ingest()
    held = service.query(_projection)
    sizes = journal_sizes(home)
    facts = {
        fact.key: fact.digest
        for fact in journal_facts(home, held.offsets)
        if (fact.journal, fact.line.offset) not in held.set_aside
    }
    problems = [
        *lost_journals(sizes, held.offsets),
        *_ledger_problems(facts, held.ledger),
        *_table_problems(held.tables, held.metrics),
        *_permission_problems(home),
    ]
    return CheckReport(
        home=str(home.path),
        journals=len(sizes),
        journal_bytes=sum(sizes.values()),
        pending_bytes=sum(size - held.offsets.get(name, 0) for name, size in sizes.items()),
        facts=len(facts),
        tables=held.tables,
        ingest_errors=len(held.set_aside),
        ingest_error_examples=held.examples,
        problems=tuple(problems),
        notices=tuple(service.take_notices()),
    )


def _projection(con: DuckDBPyConnection) -> _Projection:
    errors = con.execute(
        "SELECT journal, off, reason, left(raw, 200) FROM ingest_error ORDER BY journal, off LIMIT ?",
        [EXAMPLES],
    ).fetchall()
    return _Projection(
        offsets=dict(con.execute("SELECT name, off FROM journal").fetchall()),
        ledger=dict(con.execute("SELECT key, digest FROM ledger").fetchall()),
        tables=tuple(table_contents(con)),
        metrics=con.execute(
            "SELECT count(*) FROM (SELECT run_id, source, step FROM run_metric "
            "UNION SELECT run_id, source, step FROM run_word)"
        ).fetchall()[0][0],
        set_aside=frozenset(con.execute("SELECT journal, off FROM ingest_error").fetchall()),
        examples=tuple(IngestError(*row) for row in errors),
    )


def lost_journals(sizes: dict[str, int], offsets: dict[str, int]) -> list[str]:
    gone = [
        f"journal {name} is gone; its rows are still here, but a rebuild would lose them"
        for name in offsets
        if name not in sizes
    ]
    shrunk = [
        f"journal {name} has {sizes[name]} bytes, of which {offset} were read: it was shortened"
        for name, offset in offsets.items()
        if name in sizes and sizes[name] < offset
    ]
    return gone + shrunk


def _ledger_problems(facts: dict[int, int], ledger: dict[int, int]) -> list[str]:
    missing = len(facts.keys() - ledger.keys())
    foreign = len(ledger.keys() - facts.keys())
    different = sum(ledger.get(key, digest) != digest for key, digest in facts.items())
    problems = []
    if missing:
        problems.append(f"{missing} journal records are not in the database: `lantern store rebuild`")
    if foreign:
        problems.append(f"{foreign} rows of the database come from no journal that is here")
    if different:
        problems.append(f"{different} rows differ from their journal records: `lantern store rebuild`")
    return problems


def _table_problems(tables: tuple[TableContent, ...], metrics: int) -> list[str]:
    """Each ledger entry is one row of its table; those of metrics are counted in `metrics`."""
    landed = metrics + sum(content.rows for content in tables if content.table not in _NOT_FACTS)
    ledger = next(content.rows for content in tables if content.table == "ledger")
    if landed != ledger:
        return [f"the tables hold {landed} facts, the ledger {ledger}: `lantern store rebuild`"]
    return []


def _permission_problems(home: Home) -> list[str]:
    open_paths = [
        path
        for path in (home.path, *home.path.rglob("*"))
        if stat.S_IMODE(path.lstat().st_mode) & 0o077 and not path.is_symlink()
    ]
    if not open_paths:
        return []
    return [
        f"{len(open_paths)} files or folders can be read by others, first {open_paths[0]}: "
        f"`chmod -R go-rwx '{home.path}'`"
    ]
