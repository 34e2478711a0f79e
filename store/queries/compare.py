"""Questions about comparisons: which there are, their pairs page by page, and all that a summary is made of.

A delta is right less left, of the totals by the comparison's instrument. The pairs of the comparison last
asked about are kept as a small table of the in-memory database, so that 10,000 of them page in milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from store.queries.answers import condition, dicts, generation, with_times
from store.queries.derived import is_new, remember, version
from store.records import (
    ComparisonRecord,
    ConditionRecord,
    GenerationRecord,
    PlannedPair,
    SideName,
    SideRecord,
)
from store.validate import TOTAL

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

START_CHARACTERS = 240
CHANGE_THRESHOLD = 0.5
_ROUNDING = 1e-9

Verdict = Literal["improved", "regressed", "unchanged"]


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """A comparison in a list; `finished` counts the pairs that have both answers, of `planned`."""

    id: str
    name: str
    left_words: str
    right_words: str
    battery: str
    instrument: str
    version: str
    at: str
    planned: int
    finished: int


@dataclass(frozen=True, slots=True)
class StoredSide:
    """What it takes to ask a side again. Names and paths are the latest; None where nothing is known."""

    model_name: str | None
    model_path: str | None
    adapter_name: str | None
    adapter_path: str | None
    kernel_name: str | None
    kernel_text: str | None
    condition: ConditionRecord | None


@dataclass(frozen=True, slots=True)
class PairFilter:
    """Which pairs: `text` within prompt or probe id, letter case aside; domains (none named: all).

    They come in the order of their places, or by delta, the worst first.
    """

    text: str = ""
    only_different: bool = False
    verdict: Verdict | None = None
    domains: tuple[str, ...] = ()
    order: Literal["place", "delta"] = "place"


@dataclass(frozen=True, slots=True)
class PairRow:
    """A pair in a list. What is not there yet is None; `same_text` is None until both answers are there.

    Modes are failure modes: "token loops", "collapse", and for the right answer "topic evasion", judged
    against this left answer.
    """

    place: int
    seed: int
    probe_battery: str | None
    probe_id: str | None
    domain: str | None
    source_probe: str | None
    prompt_start: str
    left_generation_id: str | None
    right_generation_id: str | None
    left_total: float | None
    right_total: float | None
    delta: float | None
    same_text: bool | None
    left_modes: tuple[str, ...]
    right_modes: tuple[str, ...]


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


def count_comparisons(con: DuckDBPyConnection) -> int:
    """How many comparisons there are."""
    return int(con.execute("SELECT count(*) FROM comparison").fetchall()[0][0])


def page_comparisons(con: DuckDBPyConnection, offset: int, limit: int) -> list[ComparisonRow]:
    """Comparisons, newest first."""
    found = dicts(
        con,
        """
        WITH page AS (
            SELECT * FROM comparison ORDER BY recorded_at DESC, id DESC LIMIT ? OFFSET ?),
        answered AS (
            SELECT comparison_id, place FROM compared
            WHERE comparison_id IN (SELECT id FROM page)
            GROUP BY comparison_id, place HAVING count(*) = 2)
        SELECT page.id, page.name, l.words AS left_words, r.words AS right_words, page.battery,
            page.instrument, page.version, page.recorded_at,
            (SELECT count(*) FROM comparison_pair p WHERE p.comparison_id = page.id) AS planned,
            (SELECT count(*) FROM answered a WHERE a.comparison_id = page.id) AS finished
        FROM page
        JOIN comparison_side l ON l.comparison_id = page.id AND l.side = 'left'
        JOIN comparison_side r ON r.comparison_id = page.id AND r.side = 'right'
        ORDER BY page.recorded_at DESC, page.id DESC
        """,
        [limit, offset],
    )
    return [ComparisonRow(**with_times(row)) for row in found]


def find_comparisons(con: DuckDBPyConnection, start: str) -> list[str]:
    """Ids of the comparisons whose id begins like this, newest first."""
    rows = con.execute(
        "SELECT id FROM comparison WHERE starts_with(id, ?) ORDER BY recorded_at DESC, id DESC", [start]
    ).fetchall()
    return [row[0] for row in rows]


def comparison(con: DuckDBPyConnection, comparison_id: str) -> ComparisonRecord | None:
    """A comparison as it was planned; None when there is none of that id."""
    found = dicts(con, "SELECT * FROM comparison WHERE id = ?", [comparison_id])
    if not found:
        return None
    sides = {
        row[0]: SideRecord(
            run_id=row[1], words=row[2], model_id=row[3], condition_id=row[4], adapter_sha256=row[5]
        )
        for row in con.execute(
            "SELECT side, run_id, words, model_id, condition_id, adapter_sha256 FROM comparison_side "
            "WHERE comparison_id = ?",
            [comparison_id],
        ).fetchall()
    }
    pairs = dicts(
        con,
        "SELECT * EXCLUDE (comparison_id, place) FROM comparison_pair WHERE comparison_id = ? ORDER BY place",
        [comparison_id],
    )
    return ComparisonRecord(
        **with_times(found[0]),
        left=sides["left"],
        right=sides["right"],
        pairs=tuple(PlannedPair(**pair) for pair in pairs),
    )


def stored_side(con: DuckDBPyConnection, side: SideRecord) -> StoredSide:
    """What is known of a side's model, adapter, kernel and condition."""
    under = condition(con, side.condition_id)
    model_name, model_path = _name_and_path(con, "model_now", side.model_id)
    adapter_name, adapter_path = _name_and_path(con, "adapter_now", side.adapter_sha256)
    return StoredSide(
        model_name=model_name,
        model_path=model_path,
        adapter_name=adapter_name,
        adapter_path=adapter_path,
        kernel_name=under.kernel_name if under else None,
        kernel_text=kernel_text(con, under.kernel_sha256) if under and under.kernel_sha256 else None,
        condition=under,
    )


def _name_and_path(
    con: DuckDBPyConnection, view: str, content_id: str | None
) -> tuple[str | None, str | None]:
    rows = con.execute(f"SELECT name, path FROM {view} WHERE id = ?", [content_id]).fetchall()  # noqa: S608
    return rows[0] if rows else (None, None)


def kernel_text(con: DuckDBPyConnection, sha256: str) -> str | None:
    """The text of a kernel by its hash."""
    rows = con.execute("SELECT text FROM kernel WHERE sha256 = ? LIMIT 1", [sha256]).fetchall()
    return rows[0][0] if rows else None


def answered(con: DuckDBPyConnection, comparison_id: str) -> frozenset[tuple[int, SideName]]:
    """Which places have a finished answer on which side."""
    rows = con.execute("SELECT place, side FROM compared WHERE comparison_id = ?", [comparison_id]).fetchall()
    return frozenset((place, side) for place, side in rows)


def count_pairs(con: DuckDBPyConnection, comparison_id: str, which: PairFilter) -> int:
    """How many pairs match."""
    _refresh_pairs(con, comparison_id)
    rows = con.execute(f"SELECT count(*) FROM {_PAIRS} WHERE {_MATCHES}", _parameters(which))  # noqa: S608
    return int(rows.fetchall()[0][0])


def page_pairs(
    con: DuckDBPyConnection, comparison_id: str, which: PairFilter, offset: int, limit: int
) -> list[PairRow]:
    """The matching pairs `offset` to `offset + limit` in their order."""
    _refresh_pairs(con, comparison_id)
    found = dicts(
        con,
        f"SELECT * FROM {_PAIRS} WHERE {_MATCHES} ORDER BY {_ORDERS[which.order]} LIMIT $5 OFFSET $6",  # noqa: S608 - our own names
        [*_parameters(which), limit, offset],
    )
    return [
        PairRow(**{**row, "left_modes": tuple(row["left_modes"]), "right_modes": tuple(row["right_modes"])})
        for row in found
    ]


def pair_position(con: DuckDBPyConnection, comparison_id: str, which: PairFilter, place: int) -> int | None:
    """Where the pair of this place stands among the matches, counted from 0; None when it is not one."""
    _refresh_pairs(con, comparison_id)
    rows = con.execute(
        f"""
        SELECT position FROM (
            SELECT place, row_number() OVER (ORDER BY {_ORDERS[which.order]}) - 1 AS position
            FROM {_PAIRS} WHERE {_MATCHES})
        WHERE place = $5
        """,  # noqa: S608 - our own names
        [*_parameters(which), place],
    ).fetchall()
    return int(rows[0][0]) if rows else None


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
        WITH {_ANSWERS},
        dimensions AS (
            SELECT generation_id, map_from_entries(list({{'k': dimension, 'v': value}})) AS scores
            FROM latest GROUP BY generation_id)
        SELECT a.place, a.side, a.seed, a.generation_id, a.probe_battery, a.probe_id, a.domain,
            a.source_probe, a.cluster, d.scores, {_MODES} AS modes, f.correct, g.mean_entropy_nats,
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


_ORDERS = {"place": "place", "delta": "delta NULLS LAST, place"}
_PAIRS = "memory.main.compared_pair"
_MATCHES = f"""
    ($1 = '' OR contains(lower(prompt_start), lower($1))
        OR contains(lower(coalesce(probe_id, '')), lower($1)))
    AND (NOT $2 OR NOT same_text)
    AND ($3 IS NULL OR $3 = CASE WHEN delta > {CHANGE_THRESHOLD + _ROUNDING} THEN 'improved'
        WHEN delta < {-CHANGE_THRESHOLD - _ROUNDING} THEN 'regressed'
        WHEN delta IS NOT NULL THEN 'unchanged' END)
    AND (len($4::VARCHAR[]) = 0 OR list_contains($4::VARCHAR[], domain))
"""

_ANSWERS = f"""
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
_MODES = """
    list_filter([
        CASE WHEN f.evades THEN 'topic evasion' END,
        CASE WHEN f.degenerate AND NOT f.collapsed THEN 'token loops' END,
        CASE WHEN f.collapsed THEN 'collapse' END], lambda mode: mode IS NOT NULL)
"""


def _refresh_pairs(con: DuckDBPyConnection, comparison_id: str) -> None:
    state = " ".join([comparison_id, *(version(con, table) for table in ("generation", "score_event"))])
    if not is_new(con, "pairs", state):
        return
    con.execute(
        f"""
        CREATE OR REPLACE TABLE {_PAIRS} AS
        WITH {_ANSWERS},
        answer AS (
            SELECT a.*, g.text, t.value AS total, {_MODES} AS modes
            FROM a JOIN generation g ON g.id = a.generation_id
            LEFT JOIN latest t ON t.generation_id = a.generation_id AND t.dimension = '{TOTAL}'
            LEFT JOIN flags f ON f.generation_id = a.generation_id)
        SELECT p.place, p.seed, p.probe_battery, p.probe_id, v.domain, v.source_probe,
            left(p.prompt, {START_CHARACTERS}) AS prompt_start, l.generation_id AS left_generation_id,
            r.generation_id AS right_generation_id, l.total AS left_total, r.total AS right_total,
            r.total - l.total AS delta, l.text = r.text AS same_text, coalesce(l.modes, []) AS left_modes,
            coalesce(r.modes, []) AS right_modes
        FROM comparison_pair p
        LEFT JOIN probe_revision v ON v.sha256 = p.probe_sha256
        LEFT JOIN answer l ON l.place = p.place AND l.side = 'left'
        LEFT JOIN answer r ON r.place = p.place AND r.side = 'right'
        WHERE p.comparison_id = $1 ORDER BY p.place
        """,  # noqa: S608 - our own text
        [comparison_id, None, None],
    )
    remember(con, "pairs", state)


def _parameters(which: PairFilter) -> list[Any]:
    return [which.text, which.only_different, which.verdict, list(which.domains)]
