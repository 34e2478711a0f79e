"""Scores of a model's answers by adapter and kernel: the cells of a condition × model table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class ProbeScore:
    """The mean of a probe's scores in one cell; `kernel` None is the model without one."""

    adapter_id: str | None
    kernel: str | None
    cluster: str
    domain: str | None
    mean: float
    answers: int


def probe_scores(
    con: DuckDBPyConnection,
    model_id: str,
    adapter_ids: Sequence[str],
    battery: str,
    instrument: str,
    version: str,
) -> list[ProbeScore]:
    """The answers of a model, alone and with each of these adapters, to a battery, a row a probe and kernel.

    Of an answer the latest total counts; rephrasings count under their source; cancelled ones are left out.
    """
    rows = con.execute(
        """
        WITH totals AS (
            SELECT generation_id, arg_max_null(value, recorded_at) AS total FROM score
            WHERE dimension = 'total' AND instrument = $instrument AND version = $version
            GROUP BY generation_id)
        SELECT g.adapter_sha256, c.kernel_name, coalesce(r.source_probe, g.probe_id) AS cluster,
            any_value(r.domain), avg(t.total), count(*)
        FROM generation g
        JOIN totals t ON t.generation_id = g.id
        LEFT JOIN condition_now c ON c.id = g.condition_id
        LEFT JOIN probe_revision r ON r.sha256 = g.probe_sha256
        WHERE g.model_id = $model AND g.probe_battery = $battery AND g.finish_reason <> 'cancelled'
            AND t.total IS NOT NULL AND g.parent_id IS NULL
            AND (g.adapter_sha256 IS NULL OR list_contains($adapters::VARCHAR[], g.adapter_sha256))
        GROUP BY ALL ORDER BY ALL
        """,
        {
            "model": model_id,
            "adapters": list(adapter_ids),
            "battery": battery,
            "instrument": instrument,
            "version": version,
        },
    ).fetchall()
    return [ProbeScore(*row) for row in rows]
