"""Questions about pairs: sweeps and their answers, what pairs can be chosen from, and what was judged.

A pair's answers are generations or imported answers (view `pair_answer`). Of a pair put up twice the latest
counts, and of several scores by one instrument and version the latest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from store.queries.answers import dicts, with_times
from store.records import JudgementRecord, KernelPlacement, PairRecord, PlannedAnswer, SweepRecord
from store.validate import TOTAL

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class PairableAnswer:
    """An answer that pairs can be chosen from, with what an instrument may need to know of it.

    `total` is the latest by the instrument that was asked about, None before it has read the answer. `probe`
    holds the probe's own fields.
    """

    id: str
    prompt: str
    text: str
    finish_reason: str | None
    n_tokens: int | None
    probe_battery: str | None
    probe_id: str | None
    probe: Mapping[str, object]
    total: float | None


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """One answer of a pair, whose it is, and its totals by instrument and version.

    `cluster` is the probe whose rephrasing was asked, or the probe, or the prompt. An imported answer has
    what its file says in `said` and `said_of_probe`, and its model's name there in `model_id`.
    """

    id: str
    prompt: str
    text: str
    model_id: str | None
    model_name: str | None
    adapter_sha256: str | None
    adapter_name: str | None
    kernel_sha256: str | None
    kernel_name: str | None
    kernel_text: str | None
    kernel_placement: KernelPlacement
    temperature: float | None
    cluster: str
    imported: bool
    said: Mapping[str, Any]
    said_of_probe: Mapping[str, Any]
    totals: Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """A pair that somebody has judged, with both of its answers."""

    pair: PairRecord
    first: JudgedAnswer
    second: JudgedAnswer

    def other(self, answer_id: str) -> JudgedAnswer:
        """The answer that is not this one."""
        return self.second if answer_id == self.first.id else self.first

    def answer(self, answer_id: str) -> JudgedAnswer:
        """The answer of this id."""
        return self.first if answer_id == self.first.id else self.second


@dataclass(frozen=True, slots=True)
class KnownPair:
    """A pair that is stored, its texts by answer, and who has judged it."""

    pair: PairRecord
    texts: Mapping[str, str]
    raters: frozenset[str]


def sweep(con: DuckDBPyConnection, sweep_id: str) -> SweepRecord | None:
    """A sweep by its id."""
    found = dicts(con, "SELECT * FROM sweep WHERE id = ? LIMIT 1", [sweep_id])
    if not found:
        return None
    answers = dicts(
        con,
        "SELECT * EXCLUDE (sweep_id, place) FROM sweep_answer WHERE sweep_id = ? ORDER BY place",
        [sweep_id],
    )
    return SweepRecord(**with_times(found[0]), answers=tuple(PlannedAnswer(**one) for one in answers))


def find_sweeps(con: DuckDBPyConnection, start: str) -> list[str]:
    """Ids of the sweeps whose id begins like this, newest first."""
    rows = con.execute(
        "SELECT id FROM sweep WHERE starts_with(id, ?) ORDER BY recorded_at DESC, id DESC", [start]
    ).fetchall()
    return [row[0] for row in rows]


def sweep_progress(con: DuckDBPyConnection, since_id: str) -> tuple[int, int]:
    """Of the newest sweep begun after this id was made: answers there are, and planned; 0, 0 for none."""
    rows = con.execute(
        """
        WITH s AS (SELECT max(id) AS id FROM sweep WHERE id > ?)
        SELECT (SELECT count(DISTINCT seed) FROM generation, s WHERE run_id = s.id),
            (SELECT count(*) FROM sweep_answer, s WHERE sweep_id = s.id)
        """,
        [since_id],
    ).fetchall()
    return rows[0][0], rows[0][1]


def swept(con: DuckDBPyConnection, sweep_id: str) -> Mapping[int, str]:
    """The answers that a sweep has: seed to generation id. Of two finished ones the first counts."""
    rows = con.execute(
        "SELECT seed, arg_min(id, (started_at, id)) FROM generation "
        "WHERE run_id = ? AND finish_reason <> 'cancelled' GROUP BY seed ORDER BY seed",
        [sweep_id],
    ).fetchall()
    return dict(rows)


def answers_to(con: DuckDBPyConnection, probe_sha256s: Sequence[str], most_each: int) -> list[str]:
    """The newest finished answers to these revisions of probes, at most so many to each."""
    rows = con.execute(
        """
        SELECT id FROM generation
        WHERE list_contains(?::VARCHAR[], probe_sha256) AND finish_reason <> 'cancelled'
        QUALIFY row_number() OVER (PARTITION BY probe_sha256 ORDER BY started_at DESC, id DESC) <= ?
        ORDER BY id
        """,
        [list(probe_sha256s), most_each],
    ).fetchall()
    return [row[0] for row in rows]


def pairable(
    con: DuckDBPyConnection, answer_ids: Sequence[str], instrument: str, version: str
) -> list[PairableAnswer]:
    """These answers in the order of their ids; those that are not stored are left out."""
    found = dicts(
        con,
        f"""
        WITH a AS (SELECT * FROM pair_answer WHERE id IN (SELECT unnest(?::VARCHAR[]))),
        latest AS (
            SELECT generation_id, arg_max(value, recorded_at) AS total FROM score
            WHERE instrument = ? AND version = ? AND dimension = '{TOTAL}'
                AND generation_id IN (SELECT id FROM a)
            GROUP BY generation_id),
        revision AS (
            SELECT sha256, any_value(extra) AS extra FROM probe
            WHERE sha256 IN (SELECT probe_sha256 FROM a) GROUP BY sha256)
        SELECT a.id, a.prompt, a.text, a.finish_reason, a.n_tokens, a.probe_battery, a.probe_id,
            coalesce(revision.extra, '{{}}') AS probe, latest.total
        FROM a LEFT JOIN latest ON latest.generation_id = a.id
        LEFT JOIN revision ON revision.sha256 = a.probe_sha256
        ORDER BY a.id
        """,  # noqa: S608 - our own names
        [list(answer_ids), instrument, version],
    )
    return [PairableAnswer(**{**row, "probe": json.loads(row["probe"])}) for row in found]


def probe_fields(con: DuckDBPyConnection, probe_sha256s: Sequence[str]) -> dict[str, dict[str, object]]:
    """The own fields of these revisions of probes, those without any left out."""
    rows = con.execute(
        "SELECT sha256, any_value(extra) FROM probe WHERE list_contains(?::VARCHAR[], sha256) "
        "GROUP BY sha256",
        [list(probe_sha256s)],
    ).fetchall()
    return {sha256: fields for sha256, extra in rows if (fields := json.loads(extra))}


def known_pairs(con: DuckDBPyConnection) -> frozenset[str]:
    """Ids of all pairs ever put up."""
    return frozenset(row[0] for row in con.execute("SELECT DISTINCT id FROM pair").fetchall())


def pairs_called(con: DuckDBPyConnection, names: Sequence[str]) -> dict[str, KnownPair]:
    """Stored pairs by id or by the id that they had in the file they came from; the latest of a name."""
    found = dicts(
        con,
        """
        WITH named AS (SELECT unnest(?::VARCHAR[]) AS name),
        a AS (
            SELECT id, text, said_of_probe ->> 'pair_id' AS original FROM pair_answer
            WHERE imported AND said_of_probe ->> 'pair_id' IN (SELECT name FROM named)),
        wanted AS (
            SELECT p.*, p.id AS name FROM pair p WHERE p.id IN (SELECT name FROM named)
            UNION ALL BY NAME
            SELECT p.*, a.original AS name FROM pair p JOIN a ON a.id = p.first_id),
        raters AS (
            SELECT pair_id, list(DISTINCT rater) AS raters FROM judgement
            WHERE pair_id IN (SELECT id FROM wanted) GROUP BY pair_id)
        SELECT w.*, f.text AS first_text, s.text AS second_text, coalesce(r.raters, []) AS raters
        FROM wanted w
        JOIN pair_answer f ON f.id = w.first_id JOIN pair_answer s ON s.id = w.second_id
        LEFT JOIN raters r ON r.pair_id = w.id
        ORDER BY w.recorded_at
        """,
        [list(dict.fromkeys(names))],
    )
    known: dict[str, KnownPair] = {}
    for row in found:
        name, raters = row.pop("name"), frozenset(row.pop("raters"))
        first, second = row.pop("first_text"), row.pop("second_text")
        record = PairRecord(**with_times(row))
        known[name] = KnownPair(record, {record.first_id: first, record.second_id: second}, raters)
    return known


def judgement_log(con: DuckDBPyConnection) -> list[JudgementRecord]:
    """Every key press of every rater, in their order."""
    found = dicts(con, "SELECT * FROM judgement ORDER BY id", [])
    return [JudgementRecord(**with_times(row)) for row in found]


def judged_pairs(con: DuckDBPyConnection) -> list[JudgedPair]:
    """Every pair that was ever judged and whose answers are stored, in the order of ids."""
    pairs = [
        PairRecord(**with_times(row))
        for row in dicts(
            con,
            """
            SELECT * FROM pair WHERE id IN (SELECT pair_id FROM judgement WHERE action = 'verdict')
            QUALIFY row_number() OVER (PARTITION BY id ORDER BY recorded_at DESC) = 1 ORDER BY id
            """,
            [],
        )
    ]
    answers = _judged_answers(con, sorted({name for one in pairs for name in (one.first_id, one.second_id)}))
    return [
        JudgedPair(one, answers[one.first_id], answers[one.second_id])
        for one in pairs
        if one.first_id in answers and one.second_id in answers
    ]


def _judged_answers(con: DuckDBPyConnection, answer_ids: Sequence[str]) -> dict[str, JudgedAnswer]:
    totals: dict[str, dict[tuple[str, str], float]] = {}
    for answer_id, instrument, version, total in con.execute(
        f"""
        SELECT generation_id, instrument, version, arg_max(value, recorded_at) FROM score
        WHERE dimension = '{TOTAL}' AND generation_id IN (SELECT unnest(?::VARCHAR[]))
        GROUP BY ALL ORDER BY ALL
        """,  # noqa: S608 - our own names
        [list(answer_ids)],
    ).fetchall():
        if total is not None:
            totals.setdefault(answer_id, {})[(instrument, version)] = total
    found = dicts(
        con,
        """
        WITH a AS (SELECT * FROM pair_answer WHERE id IN (SELECT unnest(?::VARCHAR[]))),
        under AS (
            SELECT id, any_value(kernel_sha256) AS kernel_sha256, any_value(temperature) AS temperature
            FROM condition WHERE id IN (SELECT condition_id FROM a) GROUP BY id),
        kernels AS (SELECT sha256, any_value(text) AS text FROM kernel GROUP BY sha256)
        SELECT a.id, a.prompt, a.text, a.model_id, m.name AS model_name, a.adapter_sha256,
            coalesce(d.name, left(a.adapter_sha256, 12)) AS adapter_name, under.kernel_sha256,
            c.kernel_name, k.text AS kernel_text, a.kernel_placement, under.temperature,
            coalesce(r.source_probe, a.probe_id, a.prompt) AS cluster, a.imported, a.said, a.said_of_probe
        FROM a
        LEFT JOIN model_now m ON m.id = a.model_id
        LEFT JOIN adapter_now d ON d.id = a.adapter_sha256
        LEFT JOIN condition_now c ON c.id = a.condition_id
        LEFT JOIN under ON under.id = a.condition_id
        LEFT JOIN kernels k ON k.sha256 = under.kernel_sha256
        LEFT JOIN probe_revision r ON r.sha256 = a.probe_sha256
        """,
        [list(answer_ids)],
    )
    return {
        row["id"]: JudgedAnswer(
            **{
                **row,
                "said": json.loads(row["said"] or "{}"),
                "said_of_probe": json.loads(row["said_of_probe"] or "{}"),
                "totals": totals.get(row["id"], {}),
            }
        )
        for row in found
    }
