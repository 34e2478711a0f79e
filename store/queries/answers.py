"""Questions about answers: a probe's history, a run's table, one answer with all that is known of it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from store.records import ConditionRecord, GenerationRecord, ScoreRecord, Trace
from store.validate import TOTAL

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

START_CHARACTERS = 240


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One answer in a list. Word entropy and its zone are those of the latest score; None before it came.

    `text_start` and `prompt_start` are the first 240 characters.
    """

    generation_id: str
    model_name: str
    condition_name: str
    started_at: str
    n_tokens: int
    mean_entropy_nats: float | None
    word_entropy_nats: float | None
    words: int | None
    zone: str | None
    finish_reason: str
    tokens_per_second: float
    text_start: str
    probe_battery: str | None
    probe_id: str | None
    prompt_start: str
    kernel_name: str | None
    seed: int


@dataclass(frozen=True, slots=True)
class HistoryCell:
    """A probe under one model and condition; `series` is the mean H_t of its answers in time order."""

    model_name: str
    condition_name: str
    n: int
    mean_entropy_nats: float | None
    mean_word_entropy_nats: float | None
    mean_words: float | None
    series: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StoredGeneration:
    """An answer as stored, its trace back in nats, with what it was made under and what was said of it."""

    generation: GenerationRecord
    model_name: str
    condition: ConditionRecord | None
    scores: tuple[ScoreRecord, ...]


def probe_history(con: DuckDBPyConnection, battery: str, probe_id: str, limit: int) -> list[AnswerRow]:
    """The answers to a probe, any revision of it, newest first."""
    return _answers(
        con,
        "WHERE probe_battery = ? AND probe_id = ? ORDER BY started_at DESC, id DESC LIMIT ?",
        [battery, probe_id, limit],
        "DESC",
    )


def recent_generations(con: DuckDBPyConnection, limit: int) -> list[AnswerRow]:
    """The newest answers, newest first."""
    return _answers(con, "ORDER BY started_at DESC, id DESC LIMIT ?", [limit], "DESC")


def run_rows(con: DuckDBPyConnection, run_id: str) -> list[AnswerRow]:
    """The answers of a run in the order in which they were started."""
    return _answers(con, "WHERE run_id = ?", [run_id], "ASC")


def history_summary(con: DuckDBPyConnection, battery: str, probe_id: str) -> list[HistoryCell]:
    """A probe's answers per model and condition, by name. Means leave out answers without a value."""
    rows = con.execute(
        f"""
        WITH g AS (SELECT * FROM generation WHERE probe_battery = ? AND probe_id = ?), {_WORDS}
        SELECT {_MODEL_NAME} AS model_name, {_CONDITION_NAME} AS condition_name, count(*),
            avg(mean_entropy_nats), avg(w.nats), avg(w.words),
            coalesce(list(mean_entropy_nats ORDER BY started_at, g.id)
                FILTER (mean_entropy_nats IS NOT NULL), [])
        FROM g {_NAMES}
        LEFT JOIN w ON w.generation_id = g.id
        GROUP BY ALL ORDER BY model_name, condition_name
        """,  # noqa: S608 - our own names
        [battery, probe_id],
    ).fetchall()
    return [HistoryCell(*(*row[:6], tuple(row[6]))) for row in rows]


def generation(con: DuckDBPyConnection, generation_id: str) -> StoredGeneration | None:
    """One answer with its trace, condition and scores; None when there is none of that id."""
    found = dicts(con, "SELECT * FROM generation WHERE id = ?", [generation_id])
    if not found:
        return None
    fields = with_times(found[0])
    names = con.execute("SELECT name FROM model_now WHERE id = ?", [fields["model_id"]]).fetchall()
    return StoredGeneration(
        generation=GenerationRecord(**fields, trace=_trace(con, generation_id)),
        model_name=names[0][0] if names else fields["model_id"][:12],
        condition=condition(con, fields["condition_id"]),
        scores=_scores(con, generation_id),
    )


def condition(con: DuckDBPyConnection, condition_id: str) -> ConditionRecord | None:
    """A condition by its id, under its latest name."""
    found = dicts(
        con,
        "SELECT * EXCLUDE (ledger_key) FROM condition WHERE id = ? ORDER BY recorded_at DESC LIMIT 1",
        [condition_id],
    )
    return ConditionRecord(**with_times(found[0])) if found else None


_NAMES = """
LEFT JOIN model_now m ON m.id = g.model_id
LEFT JOIN condition_now c ON c.id = g.condition_id
"""
_WORDS = """
w AS (
    SELECT generation_id,
        arg_max_null(value, recorded_at) FILTER (dimension = 'word_entropy_nats') AS nats,
        arg_max_null(value, recorded_at) FILTER (dimension = 'words') AS words
    FROM score WHERE instrument = 'word-entropy' AND generation_id IN (SELECT id FROM g)
    GROUP BY generation_id)
"""
_MODEL_NAME = "coalesce(m.name, left(g.model_id, 12))"
_CONDITION_NAME = "coalesce(c.name, left(g.condition_id, 12))"


def _answers(
    con: DuckDBPyConnection, which: str, parameters: list[object], direction: str
) -> list[AnswerRow]:
    rows = con.execute(
        f"""
        WITH g AS (SELECT * FROM generation {which}),
        latest AS (
            SELECT generation_id, arg_max(detail, recorded_at) AS detail FROM score_event
            WHERE instrument = 'word-entropy' AND generation_id IN (SELECT id FROM g)
            GROUP BY generation_id),
        {_WORDS}
        SELECT g.id, {_MODEL_NAME}, {_CONDITION_NAME}, g.started_at, g.n_tokens, g.mean_entropy_nats,
            w.nats, w.words::BIGINT, latest.detail, g.finish_reason, g.tokens_per_second,
            left(g.text, {START_CHARACTERS}), g.probe_battery, g.probe_id,
            left(g.prompt, {START_CHARACTERS}), c.kernel_name, g.seed
        FROM g {_NAMES}
        LEFT JOIN w ON w.generation_id = g.id
        LEFT JOIN latest ON latest.generation_id = g.id
        ORDER BY g.started_at {direction}, g.id {direction}
        """,  # noqa: S608 - our own names
        parameters,
    ).fetchall()
    return [AnswerRow(*(*row[:3], _iso(row[3]), *row[4:8], _zone(row[8]), *row[9:])) for row in rows]


def _zone(detail: str | None) -> str | None:
    zone = json.loads(detail).get("zone") if detail else None
    return zone if isinstance(zone, str) else None


def _trace(con: DuckDBPyConnection, generation_id: str) -> Trace | None:
    found = dicts(con, "SELECT * FROM generation_trace WHERE generation_id = ?", [generation_id])
    if not found:
        return None
    row = found[0]
    return Trace(
        token_ids=tuple(row["token_ids"]),
        ends=tuple(row["ends"]),
        entropy_nats=_scaled(row["entropy_mnats"], 1000),
        sampling_entropy_nats=_scaled(row["sampling_entropy_mnats"], 1000),
        surprisal_nats=_scaled(row["surprisal_mnats"], 1000),
        p_top1=_scaled(row["p_top1_e4"], 10000),
        margin=_scaled(row["margin_e4"], 10000),
        rank=tuple(row["rank"]),
        k=row["k"],
        alternative_ids=tuple(row["alternative_ids"]),
        alternative_p=tuple(math.exp(-mnats / 1000) for mnats in row["alternative_surprisal_mnats"]),
    )


def _scaled(values: Sequence[int], factor: int) -> tuple[float, ...]:
    return tuple(value / factor for value in values)


def _scores(con: DuckDBPyConnection, generation_id: str) -> tuple[ScoreRecord, ...]:
    """In the order in which they were made, revisions included."""
    events = dicts(
        con, "SELECT * FROM score_event WHERE generation_id = ? ORDER BY recorded_at, id", [generation_id]
    )
    values = con.execute(
        "SELECT event_id, dimension, value FROM score WHERE generation_id = ?", [generation_id]
    ).fetchall()
    records = []
    for event in events:
        dimensions = {name: value for event_id, name, value in values if event_id == event["id"]}
        total = dimensions.pop(TOTAL, None)
        fields = with_times(event) | {"detail": json.loads(event["detail"])}
        records.append(ScoreRecord(**fields, dimensions=dimensions, total=total))
    return tuple(records)


def dicts(con: DuckDBPyConnection, sql: str, parameters: list[Any] | dict[str, Any]) -> list[dict[str, Any]]:
    """Rows by the names of their columns."""
    cursor = con.execute(sql, parameters)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def with_times(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the fields of a record: times as text, `recorded_at` under its name `at`."""
    fields = {name: _iso(value) if isinstance(value, datetime) else value for name, value in row.items()}
    fields["at"] = fields.pop("recorded_at")
    return fields


def _iso(value: datetime) -> str:
    return value.isoformat(timespec="microseconds")
