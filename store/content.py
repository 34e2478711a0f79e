"""What a database holds, as hashes that do not depend on the order of rows; and what its journals say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.home import Home
from store.ingest import journal_sizes
from store.journal import HEADER_KIND, read
from store.schema import TABLES
from store.validate import Fact, examine

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class TableContent:
    """A table's number of rows and the sum of its rows' hashes: equal for equal contents in any order."""

    table: str
    rows: int
    digest: str


def table_contents(con: DuckDBPyConnection) -> list[TableContent]:
    """Every table made from journals. Reads every block, so it also finds damage."""
    return [_content(con, table) for table in TABLES]


def _content(con: DuckDBPyConnection, table: str) -> TableContent:
    rows, total = con.execute(
        f"SELECT count(*), coalesce(sum(hash(t)), 0) FROM {table} t"  # noqa: S608 - our own names
    ).fetchall()[0]
    return TableContent(table, rows, f"{int(total) % 2**128:032x}")


def journal_facts(home: Home, upto: dict[str, int]) -> Iterator[Fact]:
    """The valid facts of all journals, of each as far as `upto` says that it was ingested."""
    for name in journal_sizes(home).keys() & upto.keys():
        for line in read(home.journals / name):
            if line.end > upto[name]:
                break
            found = examine(name, line)
            if isinstance(found, Fact) and found.kind != HEADER_KIND:
                yield found
