"""Questions about probes. They answer as fast for 100,000 probes as for a hundred.

Which row is the current revision of which probe, in list order; which of them match the last filter; how
often each was answered: these are kept as small tables of the in-memory database, and made anew when the
tables behind them have changed. Rows of append-only tables are known by their row numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from store.queries.derived import is_new, remember, version

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class ProbeFilter:
    """Which probes: `text` within prompt, id or domain, letter case aside; nothing named means all."""

    text: str = ""
    batteries: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """A probe as it is now, with how often it was answered and when last."""

    battery: str
    id: str
    domain: str
    prompt: str
    subjects: tuple[str, ...]
    source_probe: str | None
    rephrase_type: str | None
    extra: Mapping[str, Any]
    sha256: str
    origin: str
    n_answers: int
    last_at: str | None


@dataclass(frozen=True, slots=True)
class BatteryCount:
    """A battery and its number of probes."""

    battery: str
    n: int


@dataclass(frozen=True, slots=True)
class DomainCount:
    """A domain and its number of probes."""

    domain: str
    n: int


def count_probes(con: DuckDBPyConnection, which: ProbeFilter) -> int:
    """How many probes match."""
    _refresh_matches(con, which)
    return int(con.execute("SELECT count(*) FROM memory.main.probe_match").fetchall()[0][0])


def page_probes(con: DuckDBPyConnection, which: ProbeFilter, offset: int, limit: int) -> list[ProbeRow]:
    """The matches `offset` to `offset + limit`, ordered by battery and id."""
    _refresh_matches(con, which)
    return _rows(con, "memory.main.probe_match", "o.pos >= ? AND o.pos < ?", [offset, offset + limit])


def probe_position(con: DuckDBPyConnection, which: ProbeFilter, battery: str, probe_id: str) -> int | None:
    """Where a probe stands among the matches, counted from 0; None when it is not among them."""
    _refresh_matches(con, which)
    rows = con.execute(
        "SELECT o.pos FROM memory.main.probe_match o JOIN probe p ON p.rowid = o.probe_row "
        "WHERE p.battery = ? AND p.id = ?",
        [battery, probe_id],
    ).fetchall()
    return int(rows[0][0]) if rows else None


def probe(con: DuckDBPyConnection, battery: str, probe_id: str) -> ProbeRow | None:
    """One probe as it is now; None when there is none or it is retired."""
    _refresh_order(con)
    rows = _rows(con, "memory.main.probe_order", "p.battery = ? AND p.id = ?", [battery, probe_id])
    return rows[0] if rows else None


def batteries(con: DuckDBPyConnection) -> list[BatteryCount]:
    """Every battery with its number of probes, by name."""
    _refresh_order(con)
    rows = con.execute(f"SELECT battery, count(*) {_CURRENT} GROUP BY battery ORDER BY battery").fetchall()
    return [BatteryCount(battery, n) for battery, n in rows]


def domains(con: DuckDBPyConnection, within: Sequence[str] = ()) -> list[DomainCount]:
    """Every domain with its number of probes, by name; of some batteries, or of all when none is named."""
    _refresh_order(con)
    rows = con.execute(
        f"SELECT domain, count(*) {_CURRENT} "
        "WHERE len($1::VARCHAR[]) = 0 OR battery IN (SELECT unnest($1::VARCHAR[])) "
        "GROUP BY domain ORDER BY domain",
        [list(within)],
    ).fetchall()
    return [DomainCount(domain, n) for domain, n in rows]


_CURRENT = "FROM memory.main.probe_order o JOIN probe p ON p.rowid = o.probe_row"


def _rows(con: DuckDBPyConnection, order: str, where: str, parameters: list[object]) -> list[ProbeRow]:
    _refresh_answers(con)
    rows = con.execute(
        f"""
        SELECT p.battery, p.id, p.domain, p.prompt, p.subjects, p.source_probe, p.rephrase_type, p.extra,
            p.sha256, p.origin, coalesce(a.n, 0), a.last_at
        FROM {order} o JOIN probe p ON p.rowid = o.probe_row
        LEFT JOIN memory.main.probe_answers a ON a.battery = p.battery AND a.id = p.id
        WHERE {where} ORDER BY o.pos
        """,  # noqa: S608 - our own names
        parameters,
    ).fetchall()
    return [
        ProbeRow(*(*row[:4], tuple(row[4]), *row[5:7], json.loads(row[7]), *row[8:11], _iso(row[11])))
        for row in rows
    ]


def _iso(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(timespec="microseconds")


def _refresh_order(con: DuckDBPyConnection) -> str:
    """List order: by battery, then id with its first number as a number, so that P100 follows P99."""
    probes = version(con, "probe")
    if is_new(con, "order", probes):
        con.execute(
            """
            CREATE OR REPLACE TABLE memory.main.probe_order AS
            SELECT row_number() OVER (ORDER BY battery, regexp_extract(id, '^[^0-9]*'),
                TRY_CAST(regexp_extract(id, '[0-9]+') AS UBIGINT), id) - 1 AS pos, probe_row
            FROM (SELECT rowid AS probe_row, battery, id, retired FROM probe
                QUALIFY row_number() OVER (PARTITION BY battery, id ORDER BY recorded_at DESC, sha256) = 1)
            WHERE NOT retired ORDER BY pos
            """
        )
        remember(con, "order", probes)
    return probes


def _refresh_matches(con: DuckDBPyConnection, which: ProbeFilter) -> None:
    wanted = json.dumps([_refresh_order(con), astuple(which)])
    if not is_new(con, "match", wanted):
        return
    if which == ProbeFilter():
        con.execute("CREATE OR REPLACE TABLE memory.main.probe_match AS FROM memory.main.probe_order")
    else:
        con.execute(
            f"""
            CREATE OR REPLACE TABLE memory.main.probe_match AS
            SELECT row_number() OVER (ORDER BY o.pos) - 1 AS pos, o.probe_row {_CURRENT}
            WHERE ($1 = '' OR contains(lower(p.prompt), lower($1)) OR contains(lower(p.id), lower($1))
                OR contains(lower(p.domain), lower($1)))
            AND (len($2::VARCHAR[]) = 0 OR p.battery IN (SELECT unnest($2::VARCHAR[])))
            AND (len($3::VARCHAR[]) = 0 OR p.domain IN (SELECT unnest($3::VARCHAR[])))
            ORDER BY 1
            """,
            [which.text, list(which.batteries), list(which.domains)],
        )
    remember(con, "match", wanted)


def _refresh_answers(con: DuckDBPyConnection) -> None:
    answers = version(con, "generation")
    if is_new(con, "answers", answers):
        con.execute(
            "CREATE OR REPLACE TABLE memory.main.probe_answers AS "
            "SELECT probe_battery AS battery, probe_id AS id, count(*) AS n, max(started_at) AS last_at "
            "FROM generation WHERE probe_id IS NOT NULL GROUP BY probe_battery, probe_id"
        )
        remember(con, "answers", answers)
