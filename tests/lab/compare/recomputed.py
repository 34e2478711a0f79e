"""A comparison's numbers once more, by plain SQL over the base tables, and tests by brute force.

Shares nothing with the lab's own queries, views and statistics.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from store.service import StoreService

# One row an answer that counts, with the place, the cluster and the domain of its probe.
ANSWERS = """
    SELECT s.side, p.place, g.id, g.text, coalesce(pr.source_probe, p.probe_id, p.prompt) AS cluster,
        coalesce(pr.domain, 'free prompt') AS domain, g.mean_entropy_nats, g.n_tokens, g.finish_reason
    FROM comparison_side s, comparison_pair p, generation g
    LEFT JOIN (SELECT DISTINCT sha256, domain, source_probe FROM probe) pr ON pr.sha256 = g.probe_sha256
    WHERE s.comparison_id = $id AND p.comparison_id = $id AND g.run_id = s.run_id AND g.seed = p.seed
        AND g.finish_reason != 'cancelled'
"""
# One row a cluster: the mean of both sides' values by a dimension of the comparison's instrument.
DELTAS = f"""
    WITH answers AS ({ANSWERS}),
    scored AS (
        SELECT a.*, sc.dimension, sc.value FROM answers a
        JOIN score sc ON sc.generation_id = a.id JOIN comparison c ON c.id = $id
        WHERE sc.instrument = c.instrument AND sc.version = c.version AND sc.value IS NOT NULL)
    SELECT l.dimension, l.cluster, min(l.domain) AS domain, avg(l.value) AS base, avg(r.value) AS tuned,
        avg(r.value) - avg(l.value) AS delta
    FROM scored l JOIN scored r ON r.place = l.place AND r.dimension = l.dimension
    WHERE l.side = 'left' AND r.side = 'right'
    GROUP BY l.dimension, l.cluster
"""
VERDICTS = """
    count(*) AS n, avg(base) AS base, avg(tuned) AS tuned, avg(delta) AS delta,
    count(*) FILTER (delta > 0.5 + 1e-9) AS improved, count(*) FILTER (delta < -0.5 - 1e-9) AS regressed,
    count(*) FILTER (abs(delta) <= 0.5 + 1e-9) AS unchanged
"""
Z = 1.959963984540054


@dataclass
class Recomputed:
    """Rows of plain SQL as dicts."""

    store: StoreService
    id: str

    def rows(self, sql: str) -> list[dict[str, Any]]:
        def ask(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
            cursor = con.execute(sql, {"id": self.id} if "$id" in sql else None)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        return self.store.query(ask)

    def overall(self) -> dict[str, Any]:
        (row,) = self.rows(f"WITH d AS ({DELTAS}) SELECT {VERDICTS} FROM d WHERE dimension = 'total'")
        return row

    def domains(self) -> dict[str, dict[str, Any]]:
        sql = (
            f"WITH d AS ({DELTAS}) SELECT domain, {VERDICTS} FROM d WHERE dimension = 'total' GROUP BY domain"
        )
        return {row.pop("domain"): row for row in self.rows(sql)}

    def dimensions(self) -> dict[str, dict[str, Any]]:
        sql = (
            f"WITH d AS ({DELTAS}) SELECT dimension, {VERDICTS} FROM d WHERE dimension != 'total' GROUP BY 1"
        )
        return {row.pop("dimension"): row for row in self.rows(sql)}

    def probes(self) -> dict[str, dict[str, Any]]:
        sql = f"WITH d AS ({DELTAS}) SELECT * EXCLUDE dimension FROM d WHERE dimension = 'total'"
        return {row.pop("cluster"): row for row in self.rows(sql)}

    def figures(self) -> dict[str, dict[str, Any]]:
        values = {
            "mean_entropy_nats": "mean_entropy_nats",
            "tokens": "n_tokens::DOUBLE",
            "cut_off": "(finish_reason = 'length')::INT::DOUBLE",
        }
        return {
            name: self.rows(
                f"""
                WITH answers AS ({ANSWERS}), d AS (
                    SELECT cluster, avg({value}) FILTER (side = 'left') AS base,
                        avg({value}) FILTER (side = 'right') AS tuned, tuned - base AS delta
                    FROM answers GROUP BY cluster)
                SELECT {VERDICTS} FROM d
                """
            )[0]
            for name, value in values.items()
        }

    def win_rate(self) -> dict[str, Any]:
        """W, T and L, (W + ½T)/N with Wilson's interval, and the same of the decided pairs."""

        def wilson(share: str, n: str, name: str) -> str:
            center = f"({share} + {Z}*{Z}/(2*{n})) / (1 + {Z}*{Z}/{n})"
            half = f"{Z}/(1 + {Z}*{Z}/{n}) * sqrt({share}*(1-{share})/{n} + {Z}*{Z}/(4*{n}*{n}))"
            return (
                f"{share} AS {name}, greatest({center} - {half}, 0) AS {name}_lower, "
                f"least({center} + {half}, 1) AS {name}_upper"
            )

        (row,) = self.rows(
            f"""
            WITH d AS ({DELTAS}), v AS (SELECT {VERDICTS} FROM d WHERE dimension = 'total')
            SELECT improved, unchanged, regressed,
                {wilson("((improved + unchanged / 2) / n)", "n", "with_ties")},
                {wilson("(improved / (improved + regressed))", "(improved + regressed)", "decisive")}
            FROM v
            """
        )
        return row

    def failure_modes(self) -> dict[str, tuple[int, int]]:
        """Answers that show each mode, left and right, by what their scores say."""
        sql = f"""
            WITH answers AS ({ANSWERS}),
            d AS (
                SELECT a.side, max(value) FILTER (dimension = 'degenerate') AS degenerate,
                    max(value) FILTER (dimension = 'collapse') AS collapse
                FROM answers a JOIN score ON generation_id = a.id AND instrument = 'degeneration'
                GROUP BY a.id, a.side),
            e AS (
                SELECT a.side FROM answers a JOIN score ON generation_id = a.id
                WHERE instrument = 'topic-evasion' AND dimension = 'total' AND value = 1)
            SELECT 'collapse' AS mode, count(*) FILTER (side = 'left' AND collapse = 1) AS l,
                count(*) FILTER (side = 'right' AND collapse = 1) AS r FROM d
            UNION ALL SELECT 'token loops',
                count(*) FILTER (side = 'left' AND degenerate = 1 AND collapse = 0),
                count(*) FILTER (side = 'right' AND degenerate = 1 AND collapse = 0) FROM d
            UNION ALL SELECT 'topic evasion', count(*) FILTER (side = 'left'),
                count(*) FILTER (side = 'right') FROM e
        """
        return {row["mode"]: (row["l"], row["r"]) for row in self.rows(sql) if row["l"] or row["r"]}

    def capability(self) -> dict[str, Any]:
        """Right answers on either side, and the pairs that differ."""
        (row,) = self.rows(
            f"""
            WITH answers AS ({ANSWERS}), c AS (
                SELECT a.place, max(value) FILTER (side = 'left') AS l,
                    max(value) FILTER (side = 'right') AS r
                FROM answers a JOIN score ON generation_id = a.id
                WHERE instrument = 'capability' AND dimension = 'total' GROUP BY a.place)
            SELECT count(*) AS n, avg(l) AS base, avg(r) AS tuned, count(*) FILTER (r > l) AS gained,
                count(*) FILTER (l > r) AS lost FROM c
            """
        )
        return row


def exact_p(deltas: list[float]) -> float:
    """Two-sided sign-flip p by every pattern of signs: twice the smaller tail of the sum."""
    observed = sum(deltas)
    sums = [
        sum(sign * delta for sign, delta in zip(signs, deltas, strict=True))
        for signs in itertools.product((1, -1), repeat=len(deltas))
    ]
    slack = 1e-9 * sum(map(abs, deltas))
    above = sum(one >= observed - slack for one in sums)
    below = sum(one <= observed + slack for one in sums)
    return min(1.0, 2 * min(above, below) / len(sums))


def holm(p_values: list[float]) -> list[float]:
    """Holm's adjusted p values, as the paper has it: a running maximum over the ordered p."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted
