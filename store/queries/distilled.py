"""Questions about distillations: which there are, their answers with what they scored, and their reviews."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from store.queries.answers import dicts, with_times
from store.records import DistillationRecord, DistilledQuestion, ReviewRecord, SideRecord
from store.validate import TOTAL

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class DistillationRow:
    """A distillation in a list; `finished` counts answers of `planned`, `kept` those that are not cut short
    and reach the threshold by its instrument."""

    id: str
    name: str
    words: str
    battery: str
    instrument: str
    version: str
    threshold: float | None
    at: str
    planned: int
    finished: int
    kept: int


@dataclass(frozen=True, slots=True)
class DistilledAnswer:
    """A finished answer of a distillation. `score` is the latest total by the instrument asked about.

    `domain` is that of the probe as it was asked; None for a free prompt.
    """

    generation_id: str
    place: int
    cluster: str
    variant: str
    prompt: str
    seed: int
    text: str
    finish_reason: str
    n_tokens: int
    wall_ms: float
    at: str
    score: float | None
    probe_battery: str | None = None
    probe_id: str | None = None
    domain: str | None = None


_SCORED = f"""
    SELECT s.generation_id, arg_max_null(s.value, s.recorded_at) AS score FROM score s
    JOIN distilled a ON a.generation_id = s.generation_id
    JOIN distillation d ON d.id = a.distillation_id
    WHERE s.dimension = '{TOTAL}' AND s.instrument = coalesce($2, d.instrument)
        AND s.version = coalesce($3, d.version) AND ($1 IS NULL OR d.id = $1)
    GROUP BY s.generation_id
"""  # noqa: S608 - our own names


_ROWS = f"""
    WITH scored AS ({_SCORED}),
    tally AS (
        SELECT a.distillation_id AS id, count(*) AS finished,
            count(*) FILTER (a.finish_reason = 'stop' AND s.score IS NOT NULL
                AND (d.threshold IS NULL OR s.score >= d.threshold)) AS kept
        FROM distilled a JOIN distillation d ON d.id = a.distillation_id
        LEFT JOIN scored s ON s.generation_id = a.generation_id
        WHERE $1 IS NULL OR d.id = $1 GROUP BY a.distillation_id)
    SELECT d.id, d.name, d.words, d.battery, d.instrument, d.version, d.threshold, d.recorded_at,
        d.samples * (SELECT count(*) FROM distillation_question q WHERE q.distillation_id = d.id) AS planned,
        coalesce(t.finished, 0) AS finished, coalesce(t.kept, 0) AS kept
    FROM distillation d LEFT JOIN tally t ON t.id = d.id
    WHERE $1 IS NULL OR d.id = $1 ORDER BY d.recorded_at DESC, d.id DESC
"""  # noqa: S608 - our own text


def page_distillations(con: DuckDBPyConnection, offset: int, limit: int) -> list[DistillationRow]:
    """Distillations, the newest first."""
    found = dicts(con, f"{_ROWS} LIMIT $4 OFFSET $5", [None, None, None, limit, offset])
    return [DistillationRow(**with_times(row)) for row in found]


def distillation_row(con: DuckDBPyConnection, distillation_id: str) -> DistillationRow | None:
    """One distillation as it stands in a list; None when there is none of that id."""
    found = dicts(con, _ROWS, [distillation_id, None, None])
    return DistillationRow(**with_times(found[0])) if found else None


def count_distillations(con: DuckDBPyConnection) -> int:
    """How many distillations there are."""
    return int(con.execute("SELECT count(*) FROM distillation").fetchall()[0][0])


def find_distillations(con: DuckDBPyConnection, named: str) -> list[str]:
    """Ids of the distillations of this name, or whose id begins or ends so; the newest first."""
    rows = con.execute(
        "SELECT id FROM distillation WHERE name = $1 OR starts_with(id, $1) OR ends_with(id, $1) "
        "ORDER BY recorded_at DESC, id DESC",
        [named],
    ).fetchall()
    return [row[0] for row in rows]


def distillation(con: DuckDBPyConnection, distillation_id: str) -> DistillationRecord | None:
    """A distillation as it was planned; None when there is none of that id."""
    found = dicts(con, "SELECT * FROM distillation WHERE id = ?", [distillation_id])
    if not found:
        return None
    questions = dicts(
        con,
        "SELECT prompt, cluster, variant, probe_battery, probe_id, probe_sha256 FROM distillation_question "
        "WHERE distillation_id = ? ORDER BY place",
        [distillation_id],
    )
    row = with_times(found[0])
    side = {name: row.pop(name) for name in ("run_id", "words", "model_id", "condition_id", "adapter_sha256")}
    return DistillationRecord(
        **row, side=SideRecord(**side), questions=tuple(DistilledQuestion(**one) for one in questions)
    )


def distilled_already(con: DuckDBPyConnection, distillation_id: str) -> frozenset[tuple[str, int]]:
    """(prompt, seed) of every finished answer of a distillation."""
    rows = con.execute(
        "SELECT prompt, seed FROM distilled WHERE distillation_id = ?", [distillation_id]
    ).fetchall()
    return frozenset((prompt, seed) for prompt, seed in rows)


def distilled_answers(
    con: DuckDBPyConnection, distillation_id: str, instrument: str | None = None, version: str | None = None
) -> list[DistilledAnswer]:
    """Every finished answer by place and seed, scored by the distillation's instrument or the one named."""
    found = dicts(
        con,
        f"""
        WITH scored AS ({_SCORED})
        SELECT a.generation_id, q.place, q.cluster, q.variant, a.prompt, a.seed, g.text, a.finish_reason,
            g.n_tokens, g.wall_ms, g.recorded_at, s.score, q.probe_battery, q.probe_id, r.domain
        FROM distilled a JOIN generation g ON g.id = a.generation_id
        JOIN distillation_question q ON q.distillation_id = a.distillation_id
            AND q.prompt = a.prompt AND q.probe_sha256 IS NOT DISTINCT FROM g.probe_sha256
        LEFT JOIN probe_revision r ON r.sha256 = q.probe_sha256
        LEFT JOIN scored s ON s.generation_id = a.generation_id
        WHERE a.distillation_id = $1 ORDER BY q.place, a.seed
        """,  # noqa: S608 - our own text
        [distillation_id, instrument, version],
    )
    return [DistilledAnswer(**with_times(row)) for row in found]


def probe_fields(con: DuckDBPyConnection, sha256s: list[str]) -> dict[str, Mapping[str, Any]]:
    """The further fields (`answers`, `kind`, …) of the probe revisions with these hashes."""
    rows = con.execute(
        "SELECT sha256, any_value(extra) FROM probe WHERE list_contains(?, sha256) GROUP BY sha256", [sha256s]
    ).fetchall()
    return {sha256: json.loads(extra) for sha256, extra in rows}


def reviews(con: DuckDBPyConnection, review_id: str) -> list[ReviewRecord]:
    """Every key press of a review in the order in which they were made."""
    found = dicts(
        con,
        """
        SELECT id, review_id, generation_id, reviewer, action, recorded_at, text, note, about, reading_ms
        FROM review WHERE review_id = ? ORDER BY id
        """,
        [review_id],
    )
    return [ReviewRecord(**with_times(row)) for row in found]
