"""Questions about judging pairs: a rater's log, the queue of a strategy, and the cards themselves.

A queue is asked for a page at a time, so that no key ever waits for a look at all pairs. What stands after
undo and redo is worked out here as `lab.preference.verdicts` does it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from store.queries.answers import dicts, with_times
from store.records import JudgementRecord

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

START_CHARACTERS = 160

Strategy = Literal["new", "uncertain", "disagreements", "recheck"]


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which pairs: of these batteries, sources and strata; of a kind none named means all."""

    batteries: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueuedPair:
    """A pair in the queue of a rater, and which showing of it to this rater comes next, from 0."""

    pair_id: str
    first_id: str
    second_id: str
    pass_number: int


@dataclass(frozen=True, slots=True)
class PairAnswer:
    """One answer of a pair, with whose it is. `model_name` falls back to the start of the id."""

    generation_id: str
    text: str
    model_id: str
    model_name: str
    adapter_name: str | None
    condition_name: str
    probe_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What was said in a conversation, and by whom: "system", "user" or "assistant"."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class PairToJudge:
    """A pair with all that its card shows; `earlier` is what was said before the prompt."""

    pair_id: str
    source: str
    stratum: str
    prompt: str
    probe_battery: str | None
    probe_id: str | None
    first: PairAnswer
    second: PairAnswer
    earlier: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedPair:
    """A pair in the list of all; `passes` is how often a rater judged it."""

    pair_id: str
    first_id: str
    second_id: str
    source: str
    stratum: str
    probe_battery: str | None
    probe_id: str | None
    prompt_start: str
    passes: int


@dataclass(frozen=True, slots=True)
class Facet:
    """How many pairs there are of a battery, a source or a stratum."""

    kind: Literal["battery", "source", "stratum"]
    value: str
    n: int


def rater_log(con: DuckDBPyConnection, rater: str) -> list[JudgementRecord]:
    """Every key press of a rater, in their order."""
    found = dicts(con, "SELECT * FROM judgement WHERE rater = ? ORDER BY id", [rater])
    return [JudgementRecord(**with_times(row)) for row in found]


def raters(con: DuckDBPyConnection) -> list[tuple[str, int]]:
    """Who has judged, and how many verdicts each gave, the busiest first."""
    rows = con.execute(
        "SELECT rater, count(*) FILTER (action = 'verdict') AS n FROM judgement "
        "GROUP BY rater ORDER BY n DESC, rater"
    ).fetchall()
    return [(rater, n) for rater, n in rows]


def count_queue(con: DuckDBPyConnection, rater: str, strategy: Strategy, which: QueueFilter) -> int:
    """How many pairs a strategy has for a rater now."""
    sql, parameters = _queue(rater, strategy, which)
    rows = con.execute(f"{sql} SELECT count(*) FROM queued", parameters).fetchall()  # noqa: S608 - our names
    return int(rows[0][0])


def queue_page(
    con: DuckDBPyConnection, rater: str, strategy: Strategy, which: QueueFilter, limit: int
) -> list[QueuedPair]:
    """The first pairs of a rater's queue. What was judged is not in it, so the first are always the next.

    No order depends on which answer is whose: pairs of one minute come by their ids, which are hashes.
    """
    sql, parameters = _queue(rater, strategy, which)
    rows = con.execute(
        f"{sql} SELECT id, first_id, second_id, passes FROM queued "  # noqa: S608 - our own names
        f"ORDER BY {_ORDERS[strategy]} LIMIT {limit:d}",
        parameters,
    ).fetchall()
    return [QueuedPair(*row) for row in rows]


def pairs_to_judge(con: DuckDBPyConnection, pair_ids: Sequence[str]) -> list[PairToJudge]:
    """The cards of these pairs, in no particular order; a pair whose answers are not stored is left out."""
    found = dicts(
        con,
        f"""
        WITH p AS ({_PAIRS} WHERE list_contains($ids, id) GROUP BY id),
        g AS (
            SELECT * FROM pair_answer WHERE id IN (SELECT unnest([first_id, second_id]) FROM p))
        SELECT p.id AS pair_id, p.source, p.stratum, f.prompt, p.probe_battery, p.probe_id,
            f.said_of_probe -> 'messages' AS messages,
            {", ".join(_answer_columns(side) for side in ("f", "s"))}
        FROM p JOIN g f ON f.id = p.first_id JOIN g s ON s.id = p.second_id
        {" ".join(_answer_names(side) for side in ("f", "s"))}
        """,  # noqa: S608 - our own names
        {"ids": list(pair_ids)},
    )
    return [_to_judge(row) for row in found]


def count_pairs_listed(con: DuckDBPyConnection, which: QueueFilter) -> int:
    """How many pairs the filter leaves."""
    condition, parameters = _filter(which)
    rows = con.execute(
        f"SELECT count(*) FROM ({_PAIRS} GROUP BY id) WHERE {condition}",  # noqa: S608 - our own names
        parameters,
    ).fetchall()
    return int(rows[0][0])


def page_pairs_listed(
    con: DuckDBPyConnection, rater: str, which: QueueFilter, offset: int, limit: int
) -> list[ListedPair]:
    """All pairs, judged or not, the newest first."""
    condition, parameters = _filter(which)
    rows = con.execute(
        f"""
        WITH {_standing("rater = $rater")},
        page AS (
            SELECT * FROM ({_PAIRS} GROUP BY id) WHERE {condition}
            ORDER BY {_NEWEST} LIMIT {limit:d} OFFSET {offset:d})
        SELECT page.id, first_id, second_id, source, stratum, page.probe_battery, page.probe_id,
            left(g.prompt, {START_CHARACTERS}),
            (SELECT count(*) FROM standing s WHERE s.pair_id = page.id) AS passes
        FROM page LEFT JOIN pair_answer g ON g.id = page.first_id
        ORDER BY {_NEWEST.replace("id", "page.id")}
        """,  # noqa: S608 - our own names
        {**parameters, "rater": rater},
    ).fetchall()
    return [ListedPair(*(*row[:7], row[7] or "", row[8])) for row in rows]


def pair_facets(con: DuckDBPyConnection) -> list[Facet]:
    """What pairs can be filtered by, each kind by its size."""
    rows = con.execute(
        f"""
        WITH p AS ({_PAIRS} GROUP BY id),
        said AS (
            SELECT 'battery' AS kind, probe_battery AS value FROM p WHERE probe_battery IS NOT NULL
            UNION ALL SELECT 'source', source FROM p
            UNION ALL SELECT 'stratum', stratum FROM p WHERE stratum <> '')
        SELECT kind, value, count(*) AS n FROM said GROUP BY kind, value ORDER BY kind, n DESC, value
        """  # noqa: S608 - our own names
    ).fetchall()
    return [Facet(*row) for row in rows]


# Of pairs put up twice the first counts for the order, so that it never jumps, and the latest for the rest.
_PAIRS = """
SELECT id, any_value(first_id) AS first_id, any_value(second_id) AS second_id,
    min(recorded_at) AS put_up_at, arg_max(source, recorded_at) AS source,
    arg_max(stratum, recorded_at) AS stratum, arg_max(probe_battery, recorded_at) AS probe_battery,
    arg_max(probe_id, recorded_at) AS probe_id, arg_max(score_gap, recorded_at) AS score_gap
FROM pair
"""
_NEWEST = "date_trunc('minute', put_up_at) DESC, id"
_ORDERS: dict[Strategy, str] = {
    "new": _NEWEST,
    "uncertain": "abs(score_gap) NULLS LAST, id",
    "disagreements": "put_up_at, id",
    "recheck": "put_aside DESC, pace_ms NULLS LAST, id",
}


def _standing(whose: str) -> str:
    """CTEs of what stands: the verdict that counts of every (rater, pair, pass)."""
    return f"""
    said AS (SELECT * FROM judgement WHERE {whose}),
    turned AS (
        SELECT about, arg_max(action, id) AS action, max(id) AS at_id FROM said
        WHERE action IN ('undo', 'redo') GROUP BY about),
    given AS (
        SELECT v.*, coalesce(t.at_id, v.id) AS given_id FROM said v LEFT JOIN turned t ON t.about = v.id
        WHERE v.action = 'verdict' AND coalesce(t.action, 'redo') = 'redo'),
    standing AS (
        SELECT rater, pair_id, pass_number, arg_max(verdict, given_id) AS verdict,
            arg_max(CASE verdict WHEN 'left' THEN left_id WHEN 'right' THEN right_id ELSE verdict END,
                given_id) AS meaning,
            arg_max(reading_ms, given_id) AS reading_ms, max(given_id) AS given_id
        FROM given GROUP BY rater, pair_id, pass_number)
    """  # noqa: S608 - our own names


def _queue(rater: str, strategy: Strategy, which: QueueFilter) -> tuple[str, dict[str, object]]:
    """The CTE `queued` of a strategy with its parameters."""
    condition, parameters = _filter(which)
    pairs = f"p AS (SELECT * FROM ({_PAIRS} GROUP BY id) WHERE {condition})"  # noqa: S608 - our own names
    parameters = {**parameters, "rater": rater}
    if strategy in ("new", "uncertain"):
        unknown = "AND score_gap IS NOT NULL" if strategy == "uncertain" else ""
        return (
            f"""
            WITH {_standing("rater = $rater")}, {pairs},
            queued AS (
                SELECT *, 0 AS passes FROM p
                WHERE id NOT IN (SELECT pair_id FROM standing) {unknown})
            """,  # noqa: S608 - our own names
            parameters,
        )
    if strategy == "disagreements":
        return (
            f"""
            WITH {_standing("true")}, {pairs},
            latest AS (
                SELECT pair_id, rater, arg_max(meaning, pass_number) AS meaning,
                    max(pass_number) + 1 AS passes, max(given_id) AS given_id
                FROM standing WHERE verdict <> 'skip' GROUP BY pair_id, rater),
            split AS (
                SELECT pair_id, coalesce(max(passes) FILTER (rater = $rater), 0) AS passes
                FROM latest GROUP BY pair_id
                HAVING count(DISTINCT meaning) > 1
                    AND coalesce(max(given_id) FILTER (rater = $rater), '')
                        < max(given_id) FILTER (rater <> $rater)),
            queued AS (SELECT p.*, split.passes FROM p JOIN split ON split.pair_id = p.id)
            """,  # noqa: S608 - our own names
            parameters,
        )
    return (
        f"""
        WITH {_standing("rater = $rater")}, {pairs},
        flags AS (
            SELECT pair_id, arg_max(flagged, id) AS flagged FROM said WHERE action = 'flag' GROUP BY pair_id),
        once AS (
            SELECT pair_id, max(pass_number) + 1 AS passes, any_value(verdict) AS verdict,
                any_value(reading_ms) AS reading_ms
            FROM standing GROUP BY pair_id HAVING max(pass_number) = 0),
        queued AS (
            SELECT p.*, once.passes,
                coalesce(flags.flagged, false) OR once.verdict = 'skip' AS put_aside,
                once.reading_ms / (length(f.text) + length(s.text) + 1) AS pace_ms
            FROM p JOIN once ON once.pair_id = p.id
            LEFT JOIN flags ON flags.pair_id = p.id
            LEFT JOIN pair_answer f ON f.id = p.first_id LEFT JOIN pair_answer s ON s.id = p.second_id)
        """,  # noqa: S608 - our own names
        parameters,
    )


def _filter(which: QueueFilter) -> tuple[str, dict[str, object]]:
    columns = {"probe_battery": which.batteries, "source": which.sources, "stratum": which.strata}
    named = {column: list(values) for column, values in columns.items() if values}
    conditions = [f"list_contains(${column}, {column})" for column in named]
    return " AND ".join(conditions) or "true", dict(named)


def _answer_columns(side: str) -> str:
    model, adapter, condition = f"{side}_m", f"{side}_a", f"{side}_c"
    return f"""
        {side}.id AS {side}_id, {side}.text AS {side}_text,
        coalesce({side}.model_id, 'imported') AS {side}_model_id,
        coalesce({model}.name, {side}.said ->> 'model', left({side}.model_id, 12), 'imported')
            AS {side}_model_name,
        coalesce({adapter}.name, left({side}.adapter_sha256, 12)) AS {side}_adapter_name,
        coalesce({condition}.name, left({side}.condition_id, 12), 'imported') AS {side}_condition_name,
        {side}.probe_sha256 AS {side}_probe_sha256
    """


def _answer_names(side: str) -> str:
    return f"""
        LEFT JOIN model_now {side}_m ON {side}_m.id = {side}.model_id
        LEFT JOIN adapter_now {side}_a ON {side}_a.id = {side}.adapter_sha256
        LEFT JOIN condition_now {side}_c ON {side}_c.id = {side}.condition_id
    """


_ANSWER = ("id", "text", "model_id", "model_name", "adapter_name", "condition_name", "probe_sha256")


def _to_judge(row: dict[str, object]) -> PairToJudge:
    answers = [
        PairAnswer(
            *(
                row.pop(f"{side}_{name}")  # type: ignore[arg-type]
                for name in _ANSWER
            )
        )
        for side in ("f", "s")
    ]
    earlier = _earlier(row.pop("messages"))
    return PairToJudge(**row, first=answers[0], second=answers[1], earlier=earlier)  # type: ignore[arg-type]


def _earlier(messages: object) -> tuple[Turn, ...]:
    """The turns before the last of an imported conversation, which is JSON text; none of anything else."""
    given = json.loads(messages) if isinstance(messages, str) else None
    if not isinstance(given, list):
        return ()
    turns = [(turn.get("role"), turn.get("content")) for turn in given if isinstance(turn, dict)]
    said = [Turn(role, text) for role, text in turns if isinstance(role, str) and isinstance(text, str)]
    return tuple(said[:-1])
