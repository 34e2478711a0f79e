"""Questions about comparisons: which there are, what it takes to ask them again, their pairs page by page.

A delta is right less left, of the totals by the comparison's instrument. The pairs of the comparison last
asked about are kept as a small table of the in-memory database, so that 10,000 of them page in milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from store.queries.answers import condition, dicts, with_times
from store.queries.compared import ANSWERS_SQL, MODES_SQL
from store.queries.derived import is_new, remember, version
from store.records import ComparisonRecord, ConditionRecord, PlannedPair, SideRecord
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


def _refresh_pairs(con: DuckDBPyConnection, comparison_id: str) -> None:
    state = " ".join([comparison_id, *(version(con, table) for table in ("generation", "score_event"))])
    if not is_new(con, "pairs", state):
        return
    con.execute(
        f"""
        CREATE OR REPLACE TABLE {_PAIRS} AS
        WITH {ANSWERS_SQL},
        answer AS (
            SELECT a.*, g.text, t.value AS total, {MODES_SQL} AS modes
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
