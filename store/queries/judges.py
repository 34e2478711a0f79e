"""Questions about what judge models said of the pairs of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.queries.answers import dicts, with_times
from store.records import PairVerdict, SideName

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class JudgeReply:
    """The latest reply of a judge to a pair shown in one order; `verdict` None: it could not be read."""

    place: int
    judge_model_id: str
    judge_name: str
    template: str
    template_sha256: str
    shown_first: SideName
    verdict: PairVerdict | None
    error: str | None
    reply: str | None
    generation_id: str
    left_generation_id: str
    right_generation_id: str
    at: str


def judge_replies(con: DuckDBPyConnection, comparison_id: str) -> list[JudgeReply]:
    """What was said of the pairs of a comparison as they stand, by judge, template and place.

    Of several replies of one judge with one template to one order the latest counts.
    """
    found = dicts(
        con,
        """
        SELECT l.place, j.judge_model_id, coalesce(m.name, left(j.judge_model_id, 12)) AS judge_name,
            j.template, j.template_sha256, j.shown_first, j.verdict, j.error, g.text AS reply,
            j.generation_id, j.left_generation_id, j.right_generation_id, j.recorded_at
        FROM (
            SELECT * FROM judge_reply WHERE comparison_id = $1
            QUALIFY row_number() OVER (
                PARTITION BY judge_model_id, template_sha256, left_generation_id, right_generation_id,
                    shown_first
                ORDER BY recorded_at DESC, id DESC) = 1) j
        JOIN (SELECT * FROM compared WHERE comparison_id = $1 AND side = 'left') l
            ON l.generation_id = j.left_generation_id
        JOIN (SELECT * FROM compared WHERE comparison_id = $1 AND side = 'right') r
            ON r.generation_id = j.right_generation_id AND r.place = l.place
        LEFT JOIN model_now m ON m.id = j.judge_model_id
        LEFT JOIN generation g ON g.id = j.generation_id
        ORDER BY j.judge_model_id, j.template_sha256, l.place, j.shown_first
        """,
        [comparison_id],
    )
    return [JudgeReply(**with_times(row)) for row in found]


@dataclass(frozen=True, slots=True)
class AnsweredPair:
    """A pair that has both answers; `cluster` as in `compared`."""

    place: int
    cluster: str
    prompt: str
    left_generation_id: str
    left_text: str
    right_generation_id: str
    right_text: str


def answered_pairs(con: DuckDBPyConnection, comparison_id: str) -> list[AnsweredPair]:
    """The pairs of a comparison that have both answers, in the order of their places."""
    found = dicts(
        con,
        """
        WITH c AS (SELECT * FROM compared WHERE comparison_id = $1)
        SELECT l.place, l.cluster, p.prompt, l.generation_id AS left_generation_id, lg.text AS left_text,
            r.generation_id AS right_generation_id, rg.text AS right_text
        FROM c l JOIN c r ON r.place = l.place AND l.side = 'left' AND r.side = 'right'
        JOIN comparison_pair p ON p.comparison_id = $1 AND p.place = l.place
        JOIN generation lg ON lg.id = l.generation_id
        JOIN generation rg ON rg.id = r.generation_id
        ORDER BY l.place
        """,
        [comparison_id],
    )
    return [AnsweredPair(**row) for row in found]
