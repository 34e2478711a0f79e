"""Questions about adapters: which there are, and which training made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class AdapterRow:
    """An adapter, the checkpoint that it is (None: it was made elsewhere), and how many answers it gave."""

    id: str
    name: str
    path: str
    base_model_id: str | None
    base_name: str | None
    fine_tune_type: str
    rank: int | None
    scale: float | None
    num_layers: int | None
    parameters: int
    at: str
    run_id: str | None
    run_name: str | None
    step: int | None
    reason: str | None
    valid_loss_nats: float | None
    n_answers: int


def page_adapters(con: DuckDBPyConnection, offset: int, limit: int) -> list[AdapterRow]:
    """Adapters, the newest first; of a checkpoint that was written for several reasons the last counts."""
    rows = con.execute(
        """
        WITH newest AS (
            SELECT * FROM adapter QUALIFY row_number() OVER (PARTITION BY id ORDER BY recorded_at DESC) = 1),
        made AS (
            SELECT adapter_id, run_id, step, reason, valid_loss_nats FROM run_checkpoint
            QUALIFY row_number() OVER (PARTITION BY adapter_id ORDER BY recorded_at DESC, id DESC) = 1),
        asked AS (
            SELECT adapter_sha256, count(*) AS n FROM generation
            WHERE adapter_sha256 IS NOT NULL GROUP BY adapter_sha256)
        SELECT a.id, a.name, a.path, a.base_model_id, m.name, a.fine_tune_type, a.rank, a.scale,
            a.num_layers, a.parameters, strftime(a.recorded_at, '%Y-%m-%dT%H:%M:%S.%f'), c.run_id, r.name,
            c.step, c.reason, c.valid_loss_nats, coalesce(q.n, 0)
        FROM newest a
        LEFT JOIN model_now m ON m.id = a.base_model_id
        LEFT JOIN made c ON c.adapter_id = a.id
        LEFT JOIN run r ON r.id = c.run_id
        LEFT JOIN asked q ON q.adapter_sha256 = a.id
        ORDER BY a.recorded_at DESC, a.id DESC LIMIT ? OFFSET ?
        """,
        [limit, offset],
    ).fetchall()
    return [AdapterRow(*row) for row in rows]
