"""Questions about the store as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.schema import TABLES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SEEDS_VERSION = "seeds_version"


def counts(con: DuckDBPyConnection) -> dict[str, int]:
    """Rows of each table; "probe" counts the probes that are there now, not their revisions."""
    rows = {
        table: con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]  # noqa: S608 - our own names
        for table in TABLES
    }
    rows["probe"] = con.execute("SELECT count(*) FROM probe_now WHERE NOT retired").fetchall()[0][0]
    return rows


def setting(con: DuckDBPyConnection, key: str) -> str | None:
    """The latest value of a setting. To change it, append a SettingRecord."""
    rows = con.execute("SELECT value FROM setting_now WHERE key = ?", [key]).fetchall()
    return rows[0][0] if rows else None


def seeds_version(con: DuckDBPyConnection) -> str | None:
    """The version of the shipped seeds that the store holds; None before they were first brought in."""
    return setting(con, SEEDS_VERSION)
