"""Small tables of the in-memory database, made from the lab's and made anew when those have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_made_from: WeakKeyDictionary[DuckDBPyConnection, dict[str, str]] = WeakKeyDictionary()
"""For each connection, from which version of the tables each of its small tables was made."""


def version(con: DuckDBPyConnection, table: str) -> str:
    """Changes whenever rows were added to an append-only table, or the file was replaced."""
    rows = con.execute(
        f"SELECT (SELECT value FROM meta WHERE key = 'instance'), count(*), max(recorded_at) FROM {table}"  # noqa: S608 - our own names
    ).fetchall()
    return " ".join(str(value) for value in rows[0])


def is_new(con: DuckDBPyConnection, name: str, from_version: str) -> bool:
    """Whether the small table `name` has yet to be made from this version."""
    return _made_from.get(con, {}).get(name) != from_version


def remember(con: DuckDBPyConnection, name: str, from_version: str) -> None:
    """The small table `name` is made from this version now."""
    _made_from.setdefault(con, {})[name] = from_version
