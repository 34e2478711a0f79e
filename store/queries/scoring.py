"""Which stored answers an instrument has yet to read, with what it may need to know of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class UnscoredAnswer:
    """An answer that has no score by this version of an instrument yet.

    `base_text` is the newest answer of the same model without an adapter to the same probe and revision under
    the same condition, of the same seed if there is one; None for an answer of the base model itself.
    """

    generation_id: str
    text: str
    prompt: str
    finish_reason: str
    n_tokens: int
    probe: Mapping[str, object]
    base_text: str | None


_UNSCORED = """
    NOT EXISTS (
        SELECT 1 FROM score_event e
        WHERE e.generation_id = g.id AND e.instrument = ? AND e.version = ?)
"""


def count_unscored(con: DuckDBPyConnection, instrument: str, version: str) -> int:
    """How many answers this version of an instrument has not read."""
    found = con.execute(
        f"SELECT count(*) FROM generation g WHERE {_UNSCORED}",  # noqa: S608 - our own text
        [instrument, version],
    ).fetchone()
    return int(found[0]) if found else 0


def page_unscored(
    con: DuckDBPyConnection, instrument: str, version: str, after: str, limit: int
) -> list[UnscoredAnswer]:
    """The next answers by id behind `after` ("" for the first) that this version has not read."""
    rows = con.execute(
        f"""
        WITH page AS (
            SELECT * FROM generation g WHERE g.id > ? AND {_UNSCORED} ORDER BY g.id LIMIT ?),
        base AS (
            SELECT p.id, arg_max(b.text, (b.seed = p.seed, b.started_at, b.id)) AS text
            FROM page p JOIN generation b
                ON b.probe_battery = p.probe_battery AND b.probe_id = p.probe_id
                AND b.probe_sha256 = p.probe_sha256 AND b.model_id = p.model_id
                AND b.condition_id = p.condition_id
            WHERE p.adapter_sha256 IS NOT NULL AND b.adapter_sha256 IS NULL
            GROUP BY p.id),
        revision AS (
            SELECT sha256, any_value(extra) AS extra FROM probe
            WHERE sha256 IN (SELECT probe_sha256 FROM page) GROUP BY sha256)
        SELECT page.id, page.text, page.prompt, page.finish_reason, page.n_tokens, revision.extra, base.text
        FROM page
        LEFT JOIN base ON base.id = page.id
        LEFT JOIN revision ON revision.sha256 = page.probe_sha256
        ORDER BY page.id
        """,  # noqa: S608 - our own text
        [after, instrument, version, limit],
    ).fetchall()
    return [UnscoredAnswer(*(*row[:5], json.loads(row[5]) if row[5] else {}, row[6])) for row in rows]
