"""What a report on a comparison shows beside its scores: texts, what answered, entropy along the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.queries.answers import dicts, with_times
from store.records import AdapterRecord, ModelRecord, SideName

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class AnswerText:
    """The words of one answer of a comparison; H_w is that of its latest word-entropy score."""

    place: int
    side: SideName
    prompt: str
    text: str
    word_entropy_nats: float | None
    words: int | None
    backend: str
    started_at: str
    wall_ms: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Mean H_t of one side's answers over the tokens [first, first + width).

    `answers` reach into it; `standard_error_nats` is that of their means, None for fewer than two.
    """

    side: SideName
    first: int
    width: int
    mean_nats: float
    standard_error_nats: float | None
    answers: int


def answer_texts(con: DuckDBPyConnection, comparison_id: str) -> list[AnswerText]:
    """Every finished answer of a comparison by place, left before right."""
    found = dicts(
        con,
        """
        WITH c AS (SELECT * FROM compared WHERE comparison_id = $1),
        w AS (
            SELECT generation_id,
                arg_max_null(value, recorded_at) FILTER (dimension = 'word_entropy_nats') AS nats,
                arg_max_null(value, recorded_at) FILTER (dimension = 'words') AS words
            FROM score
            WHERE instrument = 'word-entropy' AND generation_id IN (SELECT generation_id FROM c)
            GROUP BY generation_id)
        SELECT c.place, c.side, g.prompt, g.text, w.nats AS word_entropy_nats, w.words::BIGINT AS words,
            g.backend, g.started_at, g.wall_ms
        FROM c JOIN generation g ON g.id = c.generation_id
        LEFT JOIN w ON w.generation_id = c.generation_id
        ORDER BY c.place, c.side
        """,
        [comparison_id],
    )
    return [
        AnswerText(**{**row, "started_at": row["started_at"].isoformat(timespec="microseconds")})
        for row in found
    ]


def entropy_curve(con: DuckDBPyConnection, comparison_id: str, width: int) -> list[CurvePoint]:
    """Mean H_t along the answers of both sides, in steps of `width` tokens, each answer weighing the same."""
    found = dicts(
        con,
        """
        WITH token AS (
            SELECT c.side, c.generation_id, generate_subscripts(t.entropy_mnats, 1) - 1 AS position,
                unnest(t.entropy_mnats) AS mnats
            FROM compared c JOIN generation_trace t ON t.generation_id = c.generation_id
            WHERE c.comparison_id = $1),
        step AS (
            SELECT side, generation_id, position // $2 * $2 AS first, avg(mnats) / 1000 AS nats
            FROM token GROUP BY ALL)
        SELECT side, first, $2 AS width, avg(nats) AS mean_nats,
            CASE WHEN count(*) > 1 THEN stddev_samp(nats) / sqrt(count(*)) END AS standard_error_nats,
            count(*) AS answers
        FROM step GROUP BY side, first ORDER BY side, first
        """,
        [comparison_id, width],
    )
    return [CurvePoint(**row) for row in found]


def model_record(con: DuckDBPyConnection, model_id: str) -> ModelRecord | None:
    """A model as it was last loaded; None when it is not known."""
    found = dicts(
        con,
        "SELECT * EXCLUDE (ledger_key) FROM model WHERE id = ? ORDER BY recorded_at DESC LIMIT 1",
        [model_id],
    )
    return ModelRecord(**with_times(found[0])) if found else None


def adapter_record(con: DuckDBPyConnection, adapter_id: str) -> AdapterRecord | None:
    """An adapter as it was last found; None when it is not known."""
    found = dicts(
        con,
        "SELECT * EXCLUDE (ledger_key) FROM adapter WHERE id = ? ORDER BY recorded_at DESC LIMIT 1",
        [adapter_id],
    )
    return AdapterRecord(**with_times(found[0])) if found else None
