"""Questions about probes. They answer as fast for 100,000 probes as for a hundred.

The probes in list order, the matches of the last filter and the answers per probe are kept as tables of the
in-memory database, and made anew when the tables behind them have changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

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
    _refresh_answers(con)
    first, end = _span(con, offset, limit)
    return _rows(
        con,
        f"{_SELECT} JOIN memory.main.probe_match m ON m.pos = p.pos "
        "WHERE m.rank >= ? AND m.rank < ? AND p.pos BETWEEN ? AND ? ORDER BY m.rank",
        [offset, offset + limit, first, end],
    )


def probe_position(con: DuckDBPyConnection, which: ProbeFilter, battery: str, probe_id: str) -> int | None:
    """Where a probe stands among the matches, counted from 0; None when it is not among them."""
    _refresh_matches(con, which)
    rows = con.execute(
        "SELECT m.rank FROM memory.main.probe_match m JOIN memory.main.probe_sorted p ON m.pos = p.pos "
        "WHERE p.battery = ? AND p.id = ?",
        [battery, probe_id],
    ).fetchall()
    return int(rows[0][0]) if rows else None


def probe(con: DuckDBPyConnection, battery: str, probe_id: str) -> ProbeRow | None:
    """One probe as it is now; None when there is none or it is retired."""
    _refresh_sorted(con)
    _refresh_answers(con)
    rows = _rows(con, f"{_SELECT} WHERE p.battery = ? AND p.id = ?", [battery, probe_id])
    return rows[0] if rows else None


def batteries(con: DuckDBPyConnection) -> list[BatteryCount]:
    """Every battery with its number of probes, by name."""
    _refresh_sorted(con)
    rows = con.execute(
        "SELECT battery, count(*) FROM memory.main.probe_sorted GROUP BY battery ORDER BY battery"
    ).fetchall()
    return [BatteryCount(battery, n) for battery, n in rows]


def domains(con: DuckDBPyConnection, within: Sequence[str] = ()) -> list[DomainCount]:
    """Every domain with its number of probes, by name; of some batteries, or of all when none is named."""
    _refresh_sorted(con)
    rows = con.execute(
        "SELECT domain, count(*) FROM memory.main.probe_sorted "
        "WHERE len($1::VARCHAR[]) = 0 OR battery IN (SELECT unnest($1::VARCHAR[])) "
        "GROUP BY domain ORDER BY domain",
        [list(within)],
    ).fetchall()
    return [DomainCount(domain, n) for domain, n in rows]


_SELECT = """
SELECT p.battery, p.id, p.domain, p.prompt, p.subjects, p.source_probe, p.rephrase_type, p.extra, p.sha256,
    p.origin, coalesce(a.n, 0), a.last_at
FROM memory.main.probe_sorted p
LEFT JOIN memory.main.probe_answers a ON a.battery = p.battery AND a.id = p.id
"""


def _rows(con: DuckDBPyConnection, sql: str, parameters: list[object]) -> list[ProbeRow]:
    return [
        ProbeRow(*(*row[:4], tuple(row[4]), *row[5:7], json.loads(row[7]), *row[8:11], _iso(row[11])))
        for row in con.execute(sql, parameters).fetchall()
    ]


def _iso(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(timespec="microseconds")


def _span(con: DuckDBPyConnection, offset: int, limit: int) -> tuple[int, int]:
    """The positions between which a page lies: the sorted table then skips the rest of its row groups."""
    rows = con.execute(
        "SELECT coalesce(min(pos), 0), coalesce(max(pos), -1) FROM memory.main.probe_match "
        "WHERE rank >= ? AND rank < ?",
        [offset, offset + limit],
    ).fetchall()
    return rows[0]


def _refresh_sorted(con: DuckDBPyConnection) -> str:
    version = _version(con, "probe")
    if _is_new(con, "sorted", version):
        con.execute(
            "CREATE OR REPLACE TABLE memory.main.probe_sorted AS "
            "SELECT row_number() OVER (ORDER BY battery, id) - 1 AS pos, battery, id, domain, prompt, "
            "subjects, source_probe, rephrase_type, extra, sha256, origin, "
            "lower(concat(prompt, chr(10), id, chr(10), domain)) AS haystack "
            "FROM probe_now WHERE NOT retired ORDER BY pos"
        )
        _remember(con, "sorted", version)
    return version


def _refresh_matches(con: DuckDBPyConnection, which: ProbeFilter) -> None:
    version = json.dumps([_refresh_sorted(con), astuple(which)])
    if _is_new(con, "match", version):
        con.execute(
            "CREATE OR REPLACE TABLE memory.main.probe_match AS "
            "SELECT row_number() OVER (ORDER BY pos) - 1 AS rank, pos FROM memory.main.probe_sorted "
            "WHERE ($1 = '' OR contains(haystack, lower($1))) "
            "AND (len($2::VARCHAR[]) = 0 OR battery IN (SELECT unnest($2::VARCHAR[]))) "
            "AND (len($3::VARCHAR[]) = 0 OR domain IN (SELECT unnest($3::VARCHAR[]))) ORDER BY pos",
            [which.text, list(which.batteries), list(which.domains)],
        )
        _remember(con, "match", version)


def _refresh_answers(con: DuckDBPyConnection) -> None:
    version = _version(con, "generation")
    if _is_new(con, "answers", version):
        con.execute(
            "CREATE OR REPLACE TABLE memory.main.probe_answers AS "
            "SELECT probe_battery AS battery, probe_id AS id, count(*) AS n, max(started_at) AS last_at "
            "FROM generation WHERE probe_id IS NOT NULL GROUP BY probe_battery, probe_id"
        )
        _remember(con, "answers", version)


def _version(con: DuckDBPyConnection, table: str) -> str:
    """Changes whenever rows were added to an append-only table, or the file was replaced."""
    rows = con.execute(
        f"SELECT count(*), max(recorded_at) FROM {table}"  # noqa: S608 - our own names
    ).fetchall()
    return f"{rows[0][0]} {rows[0][1]}"


def _is_new(con: DuckDBPyConnection, name: str, version: str) -> bool:
    con.execute("CREATE TABLE IF NOT EXISTS memory.main.made_from (name VARCHAR, version VARCHAR)")
    rows = con.execute("SELECT version FROM memory.main.made_from WHERE name = ?", [name]).fetchall()
    return not rows or rows[0][0] != version


def _remember(con: DuckDBPyConnection, name: str, version: str) -> None:
    con.execute("DELETE FROM memory.main.made_from WHERE name = ?", [name])
    con.execute("INSERT INTO memory.main.made_from VALUES (?, ?)", [name, version])
