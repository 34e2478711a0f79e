"""Questions about the answers of a comparison: those that count, their scores, and what people rate them.

Of several finished answers of a place and side the first counts (view `compared`); of several scores by one
instrument and version the latest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from store.queries.answers import dicts, generation, with_times
from store.records import GenerationRecord, SideName
from store.validate import TOTAL

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class ComparedAnswer:
    """One answer of a comparison, with its latest scores.

    `cluster` is the probe whose rephrasing this is, or itself, or a free prompt's text. `scores` are those of
    the comparison's instrument by dimension, "total" among them; empty before it is scored. `correct` is 1 or
    0 where the probe has a checkable answer.
    """

    place: int
    side: SideName
    cluster: str
    scores: Mapping[str, float | None]
    modes: tuple[str, ...] = ()
    correct: float | None = None
    probe_battery: str | None = None
    probe_id: str | None = None
    domain: str | None = None
    source_probe: str | None = None
    generation_id: str | None = None
    seed: int | None = None
    mean_entropy_nats: float | None = None
    n_tokens: int | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class RatingRow:
    """The latest rating of an answer on a scale by one rater."""

    generation_id: str
    place: int | None
    side: SideName | None
    scale: str
    value: int
    rater: str
    blind: bool
    shown: SideName
    at: str


ANSWERS_SQL = f"""
    c AS (
        SELECT coalesce($2, instrument) AS instrument, coalesce($3, version) AS version
        FROM comparison WHERE id = $1),
    a AS (SELECT * FROM compared WHERE comparison_id = $1),
    latest AS (
        SELECT s.generation_id, s.dimension, arg_max_null(s.value, s.recorded_at) AS value
        FROM score s, c
        WHERE s.instrument = c.instrument AND s.version = c.version
            AND s.generation_id IN (SELECT generation_id FROM a)
        GROUP BY s.generation_id, s.dimension),
    base AS (
        SELECT r.generation_id, l.generation_id AS base_id FROM a r JOIN a l
            ON l.place = r.place AND l.side = 'left' AND r.side = 'right'),
    flags AS (
        SELECT s.generation_id,
            arg_max_null(value, s.recorded_at) FILTER (s.instrument = 'degeneration'
                AND dimension = 'degenerate') = 1 AS degenerate,
            arg_max_null(value, s.recorded_at) FILTER (s.instrument = 'degeneration'
                AND dimension = 'collapse') = 1 AS collapsed,
            arg_max_null(value, s.recorded_at) FILTER (s.instrument = 'topic-evasion'
                AND dimension = '{TOTAL}' AND e.detail ->> 'base_generation_id' = base.base_id) = 1 AS evades,
            arg_max_null(value, s.recorded_at) FILTER (s.instrument = 'capability'
                AND dimension = '{TOTAL}') AS correct
        FROM score s JOIN score_event e ON e.id = s.event_id
        LEFT JOIN base ON base.generation_id = s.generation_id
        WHERE s.instrument IN ('degeneration', 'topic-evasion', 'capability')
            AND s.generation_id IN (SELECT generation_id FROM a)
        GROUP BY s.generation_id)
"""  # noqa: S608 - our own names
"""Common table expressions of a comparison ($1), by its own instrument unless $2 and $3 name another: `a` its
answers, `latest` their scores by dimension, `flags` what their failure modes are made of."""
MODES_SQL = """
    list_filter([
        CASE WHEN f.evades THEN 'topic evasion' END,
        CASE WHEN f.degenerate AND NOT f.collapsed THEN 'token loops' END,
        CASE WHEN f.collapsed THEN 'collapse' END], lambda mode: mode IS NOT NULL)
"""
"""The failure modes of an answer by its `flags` f."""


def answered(con: DuckDBPyConnection, comparison_id: str) -> frozenset[tuple[int, SideName]]:
    """Which places have a finished answer on which side."""
    rows = con.execute("SELECT place, side FROM compared WHERE comparison_id = ?", [comparison_id]).fetchall()
    return frozenset((place, side) for place, side in rows)


def compared_answers(
    con: DuckDBPyConnection,
    comparison_id: str,
    instrument: str | None = None,
    instrument_version: str | None = None,
) -> list[ComparedAnswer]:
    """Every finished answer of a comparison by place, left before right.

    Its scores are those of the comparison's own instrument and version unless others are named.
    """
    found = dicts(
        con,
        f"""
        WITH {ANSWERS_SQL},
        dimensions AS (
            SELECT generation_id, map_from_entries(list({{'k': dimension, 'v': value}})) AS scores
            FROM latest GROUP BY generation_id)
        SELECT a.place, a.side, a.seed, a.generation_id, a.probe_battery, a.probe_id, a.domain,
            a.source_probe, a.cluster, d.scores, {MODES_SQL} AS modes, f.correct, g.mean_entropy_nats,
            g.n_tokens, g.finish_reason
        FROM a JOIN generation g ON g.id = a.generation_id
        LEFT JOIN dimensions d ON d.generation_id = a.generation_id
        LEFT JOIN flags f ON f.generation_id = a.generation_id
        ORDER BY a.place, a.side
        """,  # noqa: S608 - our own text
        [comparison_id, instrument, instrument_version],
    )
    return [
        ComparedAnswer(**{**row, "scores": row["scores"] or {}, "modes": tuple(row["modes"])})
        for row in found
    ]


def unscored_pairs(con: DuckDBPyConnection, comparison_id: str) -> list[int]:
    """Places with both answers whose scores were never written: the right one's degeneration comes last."""
    rows = con.execute(
        """
        SELECT place FROM compared WHERE comparison_id = ? GROUP BY place
        HAVING count(*) = 2 AND NOT bool_or(side = 'right' AND generation_id IN (
            SELECT generation_id FROM score_event WHERE instrument = 'degeneration'))
        ORDER BY place
        """,
        [comparison_id],
    ).fetchall()
    return [row[0] for row in rows]


def pair_probes(con: DuckDBPyConnection, comparison_id: str) -> dict[int, Mapping[str, Any]]:
    """By place, the further fields of the probe asked there (`answers`, `kind`, …), where it has any."""
    rows = con.execute(
        """
        SELECT p.place, any_value(r.extra) FROM comparison_pair p JOIN probe r ON r.sha256 = p.probe_sha256
        WHERE p.comparison_id = ? GROUP BY p.place
        """,
        [comparison_id],
    ).fetchall()
    return {place: json.loads(extra) for place, extra in rows}


def compared_generation(
    con: DuckDBPyConnection, comparison_id: str, place: int, side: SideName
) -> GenerationRecord | None:
    """The answer of a place and side with its trace; None before it is there."""
    rows = con.execute(
        "SELECT generation_id FROM compared WHERE comparison_id = ? AND place = ? AND side = ?",
        [comparison_id, place, side],
    ).fetchall()
    stored = generation(con, rows[0][0]) if rows else None
    return stored.generation if stored else None


def ratings(con: DuckDBPyConnection, comparison_id: str) -> list[RatingRow]:
    """The ratings of a comparison that count, by place and scale; those taken back are left out."""
    found = dicts(
        con,
        """
        SELECT r.generation_id, c.place, c.side, r.scale, r.value, r.rater, r.blind, r.shown, r.recorded_at
        FROM (
            SELECT * FROM rating WHERE comparison_id = $1
            QUALIFY row_number() OVER (
                PARTITION BY generation_id, scale, rater ORDER BY recorded_at DESC, id DESC) = 1) r
        LEFT JOIN (SELECT * FROM compared WHERE comparison_id = $1) c ON c.generation_id = r.generation_id
        WHERE r.value IS NOT NULL ORDER BY c.place, c.side, r.scale, r.rater
        """,
        [comparison_id],
    )
    return [RatingRow(**with_times(row)) for row in found]
