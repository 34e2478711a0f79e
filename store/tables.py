"""The answers of a comparison, or of an import, as one table in a file for other tools: CSV or Parquet.

A text that a spreadsheet would take for a formula gets an apostrophe before it in CSV, as OWASP advises;
Parquet keeps every text as it is.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from store.backup import ExportFormat
from store.errors import StoreError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from store.service import StoreService

FORMULA_START = r"^[\s\x00]*[=+\-@＝＋－＠]|^[\t\r\n\x00]"
_TABLE = "memory.main.answers_to_export"

_COMPARED = """
SELECT c.comparison_id, c.place, c.side, s.words AS side_words, c.cluster, c.probe_battery, c.probe_id,
    c.domain, c.source_probe, c.seed, g.id AS generation_id, g.model_id, m.name AS model_name,
    g.adapter_sha256, a.name AS adapter_name, g.condition_id, g.kernel_placement, k.kernel_name,
    g.prompt, g.text, g.finish_reason, g.prompt_tokens, g.n_tokens, g.mean_entropy_nats,
    g.median_entropy_nats, g.p90_entropy_nats, g.max_entropy_nats, g.backend, g.started_at
FROM compared c
JOIN comparison_side s ON s.comparison_id = c.comparison_id AND s.side = c.side
JOIN generation g ON g.id = c.generation_id
LEFT JOIN model_now m ON m.id = g.model_id
LEFT JOIN adapter_now a ON a.id = g.adapter_sha256
LEFT JOIN condition_now k ON k.id = g.condition_id
WHERE c.comparison_id = ?
"""
_IMPORTED = """
SELECT a.import_id, a.line, a.condition, a.probe_id, a.domain, a.id AS generation_id, f.model_name, a.prompt,
    a.text, a.said
FROM imported_answer a JOIN imported_file f ON f.id = a.import_id WHERE a.import_id = ?
"""


def export_answers(service: StoreService, owner_id: str, path: Path) -> int:
    """Write the answers of a comparison or an import to `path`, scores as columns; returns how many.

    An existing file is replaced in one step. Raises StoreError when there are none or they cannot be written.
    """
    kind = export_format(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = service.query(_copy, owner_id, aside, kind)
        aside.chmod(0o600)
        aside.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            aside.unlink()
    return rows


def _copy(con: DuckDBPyConnection, owner_id: str, path: Path, kind: ExportFormat) -> int:
    import duckdb

    found = con.execute("SELECT id FROM comparison WHERE id = ?", [owner_id]).fetchall()
    con.execute(f"CREATE OR REPLACE TABLE {_TABLE} AS {_COMPARED if found else _IMPORTED}", [owner_id])
    _add_scores(con)
    rows = int(con.execute(f"SELECT count(*) FROM {_TABLE}").fetchall()[0][0])  # noqa: S608 - our own names
    if rows == 0:
        raise StoreError(f"{owner_id} has no answers to write")
    order = "place, side" if found else "line, condition"
    options = "FORMAT parquet, COMPRESSION zstd" if kind == "parquet" else "FORMAT csv, HEADER"
    select = f"SELECT {_columns(con, safe=kind == 'csv')} FROM {_TABLE} ORDER BY {order}"  # noqa: S608 - quoted
    try:
        con.execute(f"COPY ({select}) TO {_quoted(str(path), chr(39))} ({options})")
    except duckdb.IOException as error:
        raise StoreError(f"{path.parent}: cannot be written: {str(error).splitlines()[0]}") from error
    finally:
        con.execute(f"DROP TABLE {_TABLE}")
    return rows


def _add_scores(con: DuckDBPyConnection) -> None:
    """A column for each dimension of each version of each instrument, with the latest values."""
    names = con.execute(
        f"""
        SELECT DISTINCT instrument, version, dimension FROM score
        WHERE generation_id IN (SELECT generation_id FROM {_TABLE}) ORDER BY ALL
        """  # noqa: S608 - our own names
    ).fetchall()
    for instrument, version, dimension in names:
        column = _quoted(f"{instrument} {version} {dimension}", '"')
        con.execute(f"ALTER TABLE {_TABLE} ADD COLUMN {column} DOUBLE")
        con.execute(
            f"""
            UPDATE {_TABLE} SET {column} = latest.value FROM (
                SELECT generation_id, arg_max_null(value, recorded_at) AS value FROM score
                WHERE instrument = ? AND version = ? AND dimension = ? GROUP BY generation_id) latest
            WHERE latest.generation_id = answers_to_export.generation_id
            """,  # noqa: S608 - quoted above
            [instrument, version, dimension],
        )


def _columns(con: DuckDBPyConnection, *, safe: bool) -> str:
    described = con.execute(f"DESCRIBE {_TABLE}").fetchall()
    return ", ".join(_column(name, kind, safe) for name, kind, *_ in described)


def _column(name: str, kind: str, safe: bool) -> str:
    column = _quoted(name, '"')
    if not safe:
        return column
    heading = _quoted(f"'{name}" if re.match(FORMULA_START, name) else name, '"')
    if kind != "VARCHAR":
        return f"{column} AS {heading}"
    is_formula = f"regexp_matches({column}, {_quoted(FORMULA_START, chr(39))})"
    return f"CASE WHEN {is_formula} THEN concat(chr(39), {column}) ELSE {column} END AS {heading}"


def _quoted(text: str, quote: str) -> str:
    return f"{quote}{text.replace(quote, quote * 2)}{quote}"


def export_format(path: Path) -> ExportFormat:
    """The form that a path's ending asks for. Raises StoreError for any other than .csv and .parquet."""
    if path.suffix == ".csv":
        return "csv"
    if path.suffix == ".parquet":
        return "parquet"
    raise StoreError(f"{path}: end the name in .csv or .parquet")
