"""One SELECT of a person's own, on the lab's data and nothing else: no writing, no files, no extensions."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Any

from store.database import attach, connect
from store.errors import StoreError
from store.home import Home
from store.lease import lease

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TIME_LIMIT_S = 4.0
"""Below the deadline of a lease, so that nobody who wants to write gives up meanwhile."""
ROW_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class SqlResult:
    """Columns and rows of what JSON knows; `truncated` when there were more rows than were asked for.

    Times are ISO 8601, bytes hexadecimal, NaN and infinity None.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool


def select(
    home: Home, statement: str, *, row_limit: int = ROW_LIMIT, time_limit_s: float = TIME_LIMIT_S
) -> SqlResult:
    """The result of one SELECT. Raises StoreError for anything else, for its faults, and when out of time.

    It runs in an instance of its own that is locked down before the statement is seen: the lab's file is
    attached read-only, access to any other file is off, and the settings cannot be changed back.
    """
    import duckdb

    con = connect(home)
    try:
        _refuse_other_statements(con, statement)
        with lease(home, "read"):
            attach(con, home.database, "read")
            con.execute("SET enable_external_access = false")
            con.execute("SET lock_configuration = true")
            return _run(con, statement, row_limit, time_limit_s)
    except duckdb.InterruptException as error:
        raise StoreError(f"the statement took longer than {time_limit_s:g} s and was stopped") from error
    except duckdb.Error as error:
        raise StoreError(f"SQL: {str(error).splitlines()[0]}") from error
    finally:
        con.close()


def _refuse_other_statements(con: DuckDBPyConnection, statement: str) -> None:
    import duckdb

    found = con.extract_statements(statement)
    if len(found) != 1 or found[0].type != duckdb.StatementType.SELECT:
        raise StoreError("expected exactly one SELECT statement")


def _run(con: DuckDBPyConnection, statement: str, row_limit: int, time_limit_s: float) -> SqlResult:
    timer = threading.Timer(time_limit_s, con.interrupt)
    timer.start()
    try:
        cursor = con.execute(statement)
        rows = cursor.fetchmany(row_limit + 1)
        columns = tuple(column[0] for column in cursor.description or ())
    finally:
        timer.cancel()
    return SqlResult(columns, tuple(_plain_row(row) for row in rows[:row_limit]), len(rows) > row_limit)


def _plain_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(_plain(value) for value in row)


def _plain(value: Any) -> Any:
    for types, convert in _CONVERSIONS:
        if isinstance(value, types):
            return convert(value)
    return str(value)


_CONVERSIONS: tuple[tuple[tuple[type, ...], Callable[[Any], Any]], ...] = (
    ((NoneType, bool, int, str), lambda value: value),
    ((float,), lambda value: value if math.isfinite(value) else None),
    ((Decimal,), float),
    ((datetime, date, time), lambda value: value.isoformat()),
    ((bytes,), bytes.hex),
    ((list, tuple), lambda value: [_plain(item) for item in value]),
    ((dict,), lambda value: {str(key): _plain(item) for key, item in value.items()}),
)
