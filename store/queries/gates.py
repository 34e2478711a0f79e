"""Gates, safety strips and experiments: what was judged, and what the judging stands on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from store.records import (
    ExperimentRecord,
    GateRecord,
    GateRow,
    Shift,
    StripRecord,
    StripRow,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class StoredGate:
    """A judged plan, with the names of the model and the adapter it was judged on."""

    record: GateRecord
    model_name: str | None
    adapter_name: str | None


@dataclass(frozen=True, slots=True)
class StoredStrip:
    """A safety strip, with the names of the model and the adapters."""

    record: StripRecord
    model_name: str | None
    adapter_name: str | None
    reference_name: str | None


@dataclass(frozen=True, slots=True)
class Experiment:
    """What an experiment says now, put together from its entries, oldest first."""

    id: str
    name: str | None
    hypothesis: str
    configuration: Mapping[str, object]
    measures: Mapping[str, float | None]
    verdict: str | None
    next_change: str | None
    run_ids: tuple[str, ...]
    gate_ids: tuple[str, ...]
    strip_ids: tuple[str, ...]
    entries: tuple[ExperimentRecord, ...]

    @property
    def at(self) -> str:
        """When it was begun."""
        return self.entries[0].at


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """A finished answer that a gate may rest on, by what it was asked as."""

    id: str
    adapter_id: str | None
    condition_id: str
    probe_sha256: str
    seed: int
    prompt: str
    text: str
    finish_reason: str
    n_tokens: int
    mean_entropy_nats: float | None


def gates(
    con: DuckDBPyConnection, *, run_id: str | None = None, plan: str | None = None, limit: int | None = None
) -> list[StoredGate]:
    """Judged plans, the newest first; of one run, or of one plan."""
    conditions, values = _where(run_id=run_id, plan=plan)
    return _gates(con, f"{conditions} ORDER BY g.id DESC {_limit(limit)}", values)


def gate(con: DuckDBPyConnection, gate_id: str) -> StoredGate | None:
    """One judged plan."""
    found = _gates(con, "WHERE g.id = ?", [gate_id])
    return found[0] if found else None


def sealed_looks(con: DuckDBPyConnection, plan: str, model_id: str) -> int:
    """How often the sealed probes of a plan have been opened on tunings of this model."""
    rows = con.execute(
        "SELECT count(*) FROM gate WHERE plan = ? AND model_id = ? AND sealed", [plan, model_id]
    ).fetchall()
    return int(rows[0][0])


def strips(
    con: DuckDBPyConnection,
    *,
    run_id: str | None = None,
    adapter_ids: Sequence[str] | None = None,
    limit: int | None = None,
) -> list[StoredStrip]:
    """Safety strips, the newest first; of one run, or of these adapters."""
    conditions, values = _where(run_id=run_id)
    if adapter_ids is not None:
        conditions += f" {'AND' if values else 'WHERE'} list_contains(?::VARCHAR[], g.adapter_id)"
        values.append(list(adapter_ids))
    return _strips(con, f"{conditions} ORDER BY g.id DESC {_limit(limit)}", values)


def strip(con: DuckDBPyConnection, strip_id: str) -> StoredStrip | None:
    """One safety strip."""
    found = _strips(con, "WHERE g.id = ?", [strip_id])
    return found[0] if found else None


def strip_trend(con: DuckDBPyConnection, run_id: str) -> list[StoredStrip]:
    """The newest strip of every checkpoint of a run, in the order of their steps."""
    return _strips(
        con,
        """WHERE g.run_id = ? AND g.step IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY g.step ORDER BY g.id DESC) = 1 ORDER BY g.step""",
        [run_id],
    )


def experiments(con: DuckDBPyConnection) -> list[Experiment]:
    """Every experiment as it stands now, the newest first."""
    return _experiments(con, "", [])[::-1]


def experiment(con: DuckDBPyConnection, experiment_id: str) -> Experiment | None:
    """One experiment as it stands now."""
    found = _experiments(con, "WHERE experiment_id = ?", [experiment_id])
    return found[0] if found else None


def find_ids(con: DuckDBPyConnection, kind: str, part: str) -> list[str]:
    """The ids of gates, strips or experiments that begin or end with `part`, the newest first."""
    if kind not in ("gate", "strip", "experiment"):
        raise ValueError(kind)
    name = "experiment_id" if kind == "experiment" else "id"
    rows = con.execute(
        f"SELECT DISTINCT {name} FROM {kind} WHERE starts_with({name}, $1) OR suffix({name}, $1) "  # noqa: S608
        f"ORDER BY {name} DESC",
        [part],
    ).fetchall()
    return [str(row[0]) for row in rows]


def gate_answers(
    con: DuckDBPyConnection,
    model_id: str,
    adapter_ids: Sequence[str | None],
    condition_ids: Sequence[str],
    seeds: Sequence[int],
) -> list[GateAnswer]:
    """Finished answers of a model, alone (None) or with one of these adapters, that were asked so.

    Of several answers to one and the same ask the first counts.
    """
    rows = con.execute(
        """
        SELECT id, adapter_sha256, condition_id, probe_sha256, seed, prompt, text, finish_reason, n_tokens,
            mean_entropy_nats
        FROM generation
        WHERE model_id = $model AND (list_contains($adapters::VARCHAR[], adapter_sha256)
                OR ($alone AND adapter_sha256 IS NULL))
            AND list_contains($conditions::VARCHAR[], condition_id)
            AND seed IN (SELECT unnest($seeds::BIGINT[]))
            AND probe_sha256 IS NOT NULL AND finish_reason <> 'cancelled' AND parent_id IS NULL
        QUALIFY row_number() OVER (
            PARTITION BY adapter_sha256, condition_id, probe_sha256, seed ORDER BY started_at, id) = 1
        """,
        {
            "model": model_id,
            "adapters": [adapter for adapter in adapter_ids if adapter is not None],
            "alone": None in adapter_ids,
            "conditions": list(condition_ids),
            "seeds": list(seeds),
        },
    ).fetchall()
    return [GateAnswer(*row) for row in rows]


def score_values(
    con: DuckDBPyConnection, generation_ids: Sequence[str], instrument: str, version: str
) -> dict[str, dict[str, float | None]]:
    """The latest values by generation and dimension that this version of an instrument gave; 'total' too."""
    rows = con.execute(
        """
        SELECT generation_id, dimension, arg_max_null(value, recorded_at) FROM score
        WHERE instrument = ? AND version = ? AND generation_id IN (SELECT unnest(?::VARCHAR[]))
        GROUP BY generation_id, dimension
        """,
        [instrument, version, list(generation_ids)],
    ).fetchall()
    found: dict[str, dict[str, float | None]] = {}
    for generation_id, dimension, value in rows:
        found.setdefault(generation_id, {})[dimension] = value
    return found


def _gates(con: DuckDBPyConnection, rest: str, values: Sequence[object]) -> list[StoredGate]:
    rows = con.execute(
        f"""
        SELECT g.id, plan, version, plan_sha256, model_id, adapter_id, run_id, step, verdict, generation_ids,
            sealed, strftime(g.recorded_at, '%Y-%m-%dT%H:%M:%S.%f'), m.name, a.name
        FROM gate g LEFT JOIN model_now m ON m.id = g.model_id LEFT JOIN adapter_now a ON a.id = g.adapter_id
        {rest}
        """,  # noqa: S608 - our own text
        list(values),
    ).fetchall()
    nested = _lists(con, "gate_row", "gate_id", [row[0] for row in rows], GateRow)
    return [
        StoredGate(
            GateRecord(
                **dict(zip(_GATE_COLUMNS, row[:9], strict=True)),
                rows=tuple(nested.get(row[0], ())),
                generation_ids=tuple(row[9]),
                sealed=row[10],
                at=row[11],
            ),
            row[12],
            row[13],
        )
        for row in rows
    ]


def _strips(con: DuckDBPyConnection, rest: str, values: Sequence[object]) -> list[StoredStrip]:
    rows = con.execute(
        f"""
        SELECT g.id, model_id, adapter_id, reference_id, run_id, step, state,
            strftime(g.recorded_at, '%Y-%m-%dT%H:%M:%S.%f'), settings, m.name, a.name, b.name
        FROM strip g LEFT JOIN model_now m ON m.id = g.model_id
        LEFT JOIN adapter_now a ON a.id = g.adapter_id LEFT JOIN adapter_now b ON b.id = g.reference_id
        {rest}
        """,  # noqa: S608 - our own text
        list(values),
    ).fetchall()
    ids = [row[0] for row in rows]
    monitors = _lists(con, "strip_row", "strip_id", ids, StripRow)
    shifts = _lists(con, "strip_shift", "strip_id", ids, Shift)
    return [
        StoredStrip(
            StripRecord(
                **dict(zip(_STRIP_COLUMNS, row[:7], strict=True)),
                rows=tuple(monitors.get(row[0], ())),
                shifts=tuple(shifts.get(row[0], ())),
                at=row[7],
                settings=json.loads(row[8]),
            ),
            *row[9:],
        )
        for row in rows
    ]


_GATE_COLUMNS = (
    *("id", "plan", "version", "plan_sha256", "model_id", "adapter_id", "run_id", "step", "verdict"),
)
_STRIP_COLUMNS = ("id", "model_id", "adapter_id", "reference_id", "run_id", "step", "state")


def _lists(
    con: DuckDBPyConnection, table: str, owner: str, ids: Sequence[str], made: type[Any]
) -> dict[str, list[Any]]:
    """The entries of records by their owner's id, in their order."""
    names = [field.name for field in fields(made)]
    columns = ", ".join(f'"{name}"' for name in names)
    rows = con.execute(
        f"SELECT {owner}, {columns} FROM {table} "  # noqa: S608 - our own names
        f"WHERE {owner} IN (SELECT unnest(?::VARCHAR[])) ORDER BY {owner}, place",
        [list(ids)],
    ).fetchall()
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(made(**dict(zip(names, row[1:], strict=True))))
    return found


def _experiments(con: DuckDBPyConnection, rest: str, values: Sequence[object]) -> list[Experiment]:
    rows = con.execute(
        f"""
        SELECT id, experiment_id, strftime(recorded_at, '%Y-%m-%dT%H:%M:%S.%f'), name, hypothesis,
            configuration, measures, verdict, next_change, run_ids, gate_ids, strip_ids
        FROM experiment {rest} ORDER BY experiment_id, id
        """,  # noqa: S608 - our own text
        list(values),
    ).fetchall()
    names = [field.name for field in fields(ExperimentRecord)]
    grouped: dict[str, list[ExperimentRecord]] = {}
    for row in rows:
        said = dict(zip(names, row, strict=True))
        said |= {name: json.loads(said[name]) for name in ("configuration", "measures")}
        said |= {name: tuple(said[name]) for name in ("run_ids", "gate_ids", "strip_ids")}
        grouped.setdefault(row[1], []).append(ExperimentRecord(**said))
    return [_together(entries) for entries in grouped.values()]


def _together(entries: Sequence[ExperimentRecord]) -> Experiment:
    def newest(name: str) -> Any:
        return next((said for one in reversed(entries) if (said := getattr(one, name))), None)

    def joined(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(id for one in entries for id in getattr(one, name)))

    return Experiment(
        id=entries[0].experiment_id,
        name=newest("name"),
        hypothesis=newest("hypothesis") or "",
        configuration={key: value for one in entries for key, value in one.configuration.items()},
        measures={key: value for one in entries for key, value in one.measures.items()},
        verdict=newest("verdict"),
        next_change=newest("next_change"),
        run_ids=joined("run_ids"),
        gate_ids=joined("gate_ids"),
        strip_ids=joined("strip_ids"),
        entries=tuple(entries),
    )


def _where(**wanted: str | None) -> tuple[str, list[Any]]:
    given = {name: value for name, value in wanted.items() if value is not None}
    if not given:
        return "", []
    return "WHERE " + " AND ".join(f"g.{name} = ?" for name in given), list(given.values())


def _limit(limit: int | None) -> str:
    return "" if limit is None else f"LIMIT {int(limit)}"
