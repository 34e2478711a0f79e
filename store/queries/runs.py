"""Training runs: what was planned, how it went, what was kept.

Live views follow the journals instead (see `lab.train.watch`); these questions are for what is past.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run with where it stands: its last step, last event, newest loss and best held-out loss."""

    id: str
    name: str
    model_id: str
    model_name: str | None
    objective: str
    fine_tune_type: str
    planned_steps: int
    folder: str
    at: str
    step: int
    loss_nats: float | None
    best_valid_loss_nats: float | None
    last_event: str | None
    last_words: str | None
    last_at: str


@dataclass(frozen=True, slots=True)
class RunName:
    """What a run is found by."""

    id: str
    name: str
    model_name: str | None
    objective: str


@dataclass(frozen=True, slots=True)
class StoredRun:
    """Everything that was written down of a run at its start."""

    id: str
    name: str
    model_id: str
    objective: str
    fine_tune_type: str
    settings: Mapping[str, object]
    data_sha256: str
    train_examples: int
    valid_examples: int
    trainable_parameters: int
    planned_steps: int
    folder: str
    at: str
    parent_id: str | None


@dataclass(frozen=True, slots=True)
class RunCost:
    """What a run was told and what an update of it took: the median in ms, None where it made none."""

    name: str
    settings: Mapping[str, object]
    train_examples: int
    step_ms: float | None


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One bucket of steps of a series: the last step in it, and mean, least and greatest value."""

    step: int
    mean: float
    least: float
    greatest: float


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A checkpoint with the number of updates it holds."""

    id: str
    step: int
    folder: str
    adapter_id: str
    reason: str
    at: str
    valid_loss_nats: float | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event of a run."""

    step: int
    name: str
    level: str
    words: str
    at: str
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SampleRow:
    """An answer that a run gave while it was trained."""

    step: int
    monitor: str
    generation_id: str
    probe_battery: str | None
    probe_id: str | None
    text: str
    mean_entropy_nats: float | None


_AT = "strftime({}, '%Y-%m-%dT%H:%M:%S.%f')"

_RUNS = f"""
    SELECT r.id, r.name, r.model_id, m.name, r.objective, r.fine_tune_type, r.planned_steps, r.folder,
        {_AT.format("r.recorded_at")}, coalesce(t.step, 0), t.loss, t.best, e.name, e.words,
        {_AT.format("greatest(r.recorded_at, t.last_at, e.last_at)")}
    FROM run r
    LEFT JOIN model_now m ON m.id = r.model_id
    LEFT JOIN (
        SELECT run_id, max(step) FILTER (source = 'train') AS step, max(recorded_at) AS last_at,
            arg_max(value, step) FILTER (source = 'train' AND name = 'loss_nats') AS loss,
            min(value) FILTER (source = 'valid' AND name = 'loss_nats') AS best
        FROM run_metric GROUP BY run_id) t ON t.run_id = r.id
    LEFT JOIN (
        SELECT run_id, arg_max(name, (recorded_at, id)) AS name, arg_max(words, (recorded_at, id)) AS words,
            max(recorded_at) AS last_at
        FROM run_event GROUP BY run_id) e ON e.run_id = r.id
"""  # noqa: S608 - our own text


def count_runs(con: DuckDBPyConnection) -> int:
    """How many runs there are."""
    return int(con.execute("SELECT count(*) FROM run").fetchall()[0][0])


def page_runs(con: DuckDBPyConnection, offset: int, limit: int) -> list[RunRow]:
    """Runs, the newest first."""
    rows = con.execute(
        f"{_RUNS} ORDER BY r.recorded_at DESC, r.id DESC LIMIT ? OFFSET ?",
        [limit, offset],
    ).fetchall()
    return [RunRow(*row) for row in rows]


def run_names(con: DuckDBPyConnection) -> list[RunName]:
    """Every run by its names, the newest first."""
    rows = con.execute(
        """
        SELECT r.id, r.name, m.name, r.objective FROM run r LEFT JOIN model_now m ON m.id = r.model_id
        ORDER BY r.recorded_at DESC, r.id DESC
        """
    ).fetchall()
    return [RunName(*row) for row in rows]


def runs_by_id(con: DuckDBPyConnection, run_ids: Sequence[str]) -> list[RunRow]:
    """The runs with these ids, in no order; ids that are not stored are left out."""
    rows = con.execute(f"{_RUNS} WHERE list_contains(?, r.id)", [list(run_ids)]).fetchall()
    return [RunRow(*row) for row in rows]


def run_trends(con: DuckDBPyConnection, run_ids: Sequence[str], buckets: int) -> dict[str, list[float]]:
    """The training loss of each run as the means of at most `buckets` equal stretches of its steps."""
    rows = con.execute(
        """
        WITH points AS (
            SELECT run_id, step, value, min(step) OVER run AS first, max(step) OVER run AS last
            FROM run_metric
            WHERE list_contains(?, run_id) AND source = 'train' AND name = 'loss_nats' AND value IS NOT NULL
            WINDOW run AS (PARTITION BY run_id)),
        placed AS (
            SELECT run_id, value,
                (step - first) * least(?, last - first + 1) // (last - first + 1) AS bucket
            FROM points)
        SELECT run_id, avg(value) FROM placed GROUP BY run_id, bucket ORDER BY run_id, bucket
        """,
        [list(run_ids), buckets],
    ).fetchall()
    trends: dict[str, list[float]] = {}
    for run_id, value in rows:
        trends.setdefault(run_id, []).append(value)
    return trends


def find_runs(con: DuckDBPyConnection, named: str) -> list[RunRow]:
    """Runs of this name, or whose id begins or ends so; the newest first. Ids of one day begin alike."""
    rows = con.execute(
        f"{_RUNS} WHERE r.name = ? OR starts_with(r.id, ?) OR ends_with(r.id, ?) "
        "ORDER BY r.recorded_at DESC, r.id DESC",
        [named, named, named],
    ).fetchall()
    return [RunRow(*row) for row in rows]


def run(con: DuckDBPyConnection, run_id: str) -> StoredRun | None:
    """What was written down of a run, or None."""
    row = con.execute(
        f"""
        SELECT id, name, model_id, objective, fine_tune_type, settings, data_sha256, train_examples,
            valid_examples, trainable_parameters, planned_steps, folder,
            {_AT.format("recorded_at")}, parent_id
        FROM run WHERE id = ?
        """,  # noqa: S608 - our own text
        [run_id],
    ).fetchone()
    return None if row is None else StoredRun(*(*row[:5], json.loads(row[5]), *row[6:]))


def run_costs(con: DuckDBPyConnection, limit: int) -> list[RunCost]:
    """The newest runs with what their updates took, the newest first."""
    rows = con.execute(
        """
        WITH newest AS (
            SELECT id, name, settings, train_examples, recorded_at FROM run
            ORDER BY recorded_at DESC, id DESC LIMIT ?)
        SELECT n.name, n.settings, n.train_examples, median(t.value)
        FROM newest n LEFT JOIN run_metric t
            ON t.run_id = n.id AND t.source = 'train' AND t.name = 'step_ms'
        GROUP BY n.id, n.name, n.settings, n.train_examples, n.recorded_at
        ORDER BY n.recorded_at DESC, n.id DESC
        """,
        [limit],
    ).fetchall()
    return [RunCost(name, json.loads(settings), examples, ms) for name, settings, examples, ms in rows]


def metric_names(con: DuckDBPyConnection, run_id: str) -> list[tuple[str, str]]:
    """(source, name) of every series of a run, in alphabetical order."""
    rows = con.execute(
        "SELECT DISTINCT source, name FROM run_metric WHERE run_id = ? ORDER BY ALL", [run_id]
    ).fetchall()
    return [(source, name) for source, name in rows]


def metric_series(
    con: DuckDBPyConnection, run_id: str, source: str, name: str, buckets: int = 300
) -> list[SeriesPoint]:
    """A series for a chart, in at most `buckets` equal stretches of steps; missing values are left out."""
    rows = con.execute(
        """
        WITH points AS (
            SELECT step, value FROM run_metric
            WHERE run_id = ? AND source = ? AND name = ? AND value IS NOT NULL),
        reach AS (SELECT min(step) AS first, max(step) - min(step) + 1 AS span FROM points)
        SELECT max(step), avg(value), min(value), max(value) FROM points, reach
        GROUP BY (step - first) * least(?, span) // span ORDER BY 1
        """,
        [run_id, source, name, buckets],
    ).fetchall()
    return [SeriesPoint(*row) for row in rows]


def metric_words(con: DuckDBPyConnection, run_id: str, source: str, name: str) -> list[tuple[int, str]]:
    """(step, text) of every change of a word such as a controller's state."""
    rows = con.execute(
        """
        SELECT step, text FROM run_word WHERE run_id = ? AND source = ? AND name = ?
        QUALIFY text IS DISTINCT FROM lag(text) OVER (ORDER BY step) ORDER BY step
        """,
        [run_id, source, name],
    ).fetchall()
    return [(step, text) for step, text in rows]


def run_checkpoints(con: DuckDBPyConnection, run_id: str) -> list[CheckpointRow]:
    """The checkpoints of a run in the order of their steps."""
    rows = con.execute(
        f"""
        SELECT id, step, folder, adapter_id, reason, {_AT.format("recorded_at")}, valid_loss_nats
        FROM run_checkpoint WHERE run_id = ? ORDER BY step, recorded_at, id
        """,  # noqa: S608 - our own text
        [run_id],
    ).fetchall()
    return [CheckpointRow(*row) for row in rows]


def run_events(con: DuckDBPyConnection, run_id: str) -> list[EventRow]:
    """The events of a run in the order in which they happened."""
    rows = con.execute(
        f"""
        SELECT step, name, level, words, {_AT.format("recorded_at")}, detail
        FROM run_event WHERE run_id = ? ORDER BY recorded_at, id
        """,  # noqa: S608 - our own text
        [run_id],
    ).fetchall()
    return [EventRow(*(*row[:5], json.loads(row[5]))) for row in rows]


def run_samples(con: DuckDBPyConnection, run_id: str) -> list[SampleRow]:
    """The answers a run gave on its way, by step."""
    rows = con.execute(
        """
        SELECT s.step, s.monitor, g.id, g.probe_battery, g.probe_id, g.text, g.mean_entropy_nats
        FROM run_sample s JOIN generation g ON g.id = s.generation_id
        WHERE s.run_id = ? ORDER BY s.step, g.probe_battery, g.probe_id, g.id
        """,
        [run_id],
    ).fetchall()
    return [SampleRow(*row) for row in rows]
