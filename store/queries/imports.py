"""Questions about answers made elsewhere: which files were read, and their answers with their scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.queries.answers import dicts, with_times
from store.records import ImportedAnswerRecord, ImportedFileRecord

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A file of answers in a list, with its conditions in the order in which they first appear."""

    id: str
    form: str
    sources: tuple[str, ...]
    model_name: str | None
    at: str
    conditions: tuple[str, ...]
    probes: int
    answers: int


@dataclass(frozen=True, slots=True)
class ImportedAnswer:
    """An answer with its latest scores: instrument and version to dimensions, "total" among them."""

    record: ImportedAnswerRecord
    scores: Mapping[tuple[str, str], Mapping[str, float | None]]


def imports(con: DuckDBPyConnection) -> list[ImportRow]:
    """The files of answers that were read, newest first."""
    found = dicts(
        con,
        """
        SELECT f.* EXCLUDE (sha256, said), coalesce(a.conditions, []) AS conditions,
            coalesce(a.probes, 0) AS probes, coalesce(a.answers, 0) AS answers
        FROM imported_file f
        LEFT JOIN (
            SELECT import_id, list(condition ORDER BY line, id) AS conditions,
                sum(probes)::BIGINT AS probes, sum(answers)::BIGINT AS answers
            FROM (
                SELECT import_id, condition, min(line) AS line, min(id) AS id, count(*) AS answers,
                    0 AS probes
                FROM imported_answer GROUP BY import_id, condition
                UNION ALL
                SELECT import_id, NULL, NULL, NULL, 0, count(DISTINCT probe_id)
                FROM imported_answer GROUP BY import_id)
            GROUP BY import_id) a ON a.import_id = f.id
        ORDER BY f.recorded_at DESC, f.id DESC
        """,
        [],
    )
    return [
        ImportRow(
            **with_times(
                {
                    **row,
                    "sources": tuple(row["sources"]),
                    "conditions": tuple(name for name in row["conditions"] if name is not None),
                }
            )
        )
        for row in found
    ]


def find_imports(con: DuckDBPyConnection, start: str) -> list[str]:
    """Ids of the imports whose id begins like this, newest first."""
    rows = con.execute(
        "SELECT id FROM imported_file WHERE starts_with(id, ?) ORDER BY recorded_at DESC, id DESC", [start]
    ).fetchall()
    return [row[0] for row in rows]


def imported_file(con: DuckDBPyConnection, import_id: str) -> ImportedFileRecord | None:
    """A file of answers; None when there is none of that id."""
    found = dicts(con, "SELECT * FROM imported_file WHERE id = ?", [import_id])
    if not found:
        return None
    row = {**found[0], "sources": tuple(found[0]["sources"]), "said": json.loads(found[0]["said"])}
    return ImportedFileRecord(**with_times(row))


def import_of(con: DuckDBPyConnection, sha256: str) -> str | None:
    """The id of the import of files with these contents; None when there is none."""
    rows = con.execute(
        "SELECT id FROM imported_file WHERE sha256 = ? ORDER BY recorded_at LIMIT 1", [sha256]
    ).fetchall()
    return rows[0][0] if rows else None


def imported_answers(con: DuckDBPyConnection, import_id: str) -> list[ImportedAnswer]:
    """The answers of a file in its order."""
    found = dicts(con, "SELECT * FROM imported_answer WHERE import_id = ? ORDER BY line, id", [import_id])
    scores: dict[str, dict[tuple[str, str], dict[str, float | None]]] = {}
    for answer_id, instrument, version, dimension, value in con.execute(
        """
        SELECT generation_id, instrument, version, dimension, arg_max_null(value, recorded_at)
        FROM score WHERE generation_id IN (SELECT id FROM imported_answer WHERE import_id = ?)
        GROUP BY ALL ORDER BY ALL
        """,
        [import_id],
    ).fetchall():
        scores.setdefault(answer_id, {}).setdefault((instrument, version), {})[dimension] = value
    return [
        ImportedAnswer(
            ImportedAnswerRecord(
                **with_times(
                    {
                        **row,
                        "said": json.loads(row["said"]),
                        "said_of_probe": json.loads(row["said_of_probe"]),
                    }
                )
            ),
            scores.get(row["id"], {}),
        )
        for row in found
    ]
