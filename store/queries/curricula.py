"""Questions about curricula: which there are, what was planned, and what happened to their phases."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.queries.answers import dicts, with_times
from store.records import CurriculumRecord, PhaseRecord

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class CurriculumRow:
    """A curriculum in a list, with the last thing that happened to it; None before anything did."""

    id: str
    name: str
    model: str
    phases: tuple[str, ...]
    folder: str
    at: str
    last_phase: str | None
    last_stage: str | None
    last_state: str | None
    last_words: str | None
    last_at: str | None


def page_curricula(con: DuckDBPyConnection, offset: int, limit: int) -> list[CurriculumRow]:
    """Curricula, the newest first."""
    found = dicts(
        con,
        """
        SELECT c.id, c.name, c.model, c.phases, c.folder, c.recorded_at, e.last_phase, e.last_stage,
            e.last_state, e.last_words, strftime(e.last_at, '%Y-%m-%dT%H:%M:%S.%f') AS last_at
        FROM curriculum c LEFT JOIN (
            SELECT curriculum_id, arg_max(phase, id) AS last_phase, arg_max(stage, id) AS last_stage,
                arg_max(state, id) AS last_state, arg_max(words, id) AS last_words,
                max(recorded_at) AS last_at
            FROM phase_event GROUP BY curriculum_id) e ON e.curriculum_id = c.id
        ORDER BY c.recorded_at DESC, c.id DESC LIMIT ? OFFSET ?
        """,
        [limit, offset],
    )
    return [CurriculumRow(**{**with_times(row), "phases": tuple(row["phases"])}) for row in found]


def count_curricula(con: DuckDBPyConnection) -> int:
    """How many curricula there are."""
    return int(con.execute("SELECT count(*) FROM curriculum").fetchall()[0][0])


def find_curricula(con: DuckDBPyConnection, named: str) -> list[str]:
    """Ids of the curricula of this name, or whose id begins or ends so; the newest first."""
    rows = con.execute(
        "SELECT id FROM curriculum WHERE name = $1 OR starts_with(id, $1) OR ends_with(id, $1) "
        "ORDER BY recorded_at DESC, id DESC",
        [named],
    ).fetchall()
    return [row[0] for row in rows]


def curriculum(con: DuckDBPyConnection, curriculum_id: str) -> CurriculumRecord | None:
    """A curriculum as it was planned; None when there is none of that id."""
    found = dicts(con, "SELECT * FROM curriculum WHERE id = ?", [curriculum_id])
    if not found:
        return None
    row = with_times(found[0])
    return CurriculumRecord(
        **{**row, "settings": json.loads(row["settings"]), "phases": tuple(row["phases"])}
    )


def phase_events(con: DuckDBPyConnection, curriculum_id: str) -> list[PhaseRecord]:
    """What happened to the phases of a curriculum, in the order in which it did."""
    found = dicts(
        con,
        """
        SELECT id, curriculum_id, phase, place, attempt, stage, state, words, recorded_at, distillation_id,
            data_sha256, run_id, adapter_id, comparison_id, verdict, detail
        FROM phase_event WHERE curriculum_id = ? ORDER BY id
        """,
        [curriculum_id],
    )
    return [PhaseRecord(**{**with_times(row), "detail": json.loads(row["detail"])}) for row in found]
