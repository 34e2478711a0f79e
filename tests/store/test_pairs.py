"""Pairs and judgements come through the journal into their tables; what makes no sense is set aside."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from store.check import check as check_store
from store.ids import new_id
from store.queries import pairs as ask
from store.records import JudgementRecord, MetricRecord, PairRecord, PlannedAnswer, SweepRecord
from store.service import StoreService
from store.validate import check
from tests.store import facts

PAIR = PairRecord(
    id=facts.sha("a b"),
    first_id="a",
    second_id="b",
    source="sweep",
    stratum="gap",
    at=facts.at(1),
    score_gap=-2.5,
)
VERDICT = JudgementRecord(
    id="j1",
    pair_id=PAIR.id,
    rater="ada",
    pass_number=0,
    action="verdict",
    left_id="b",
    right_id="a",
    verdict="left",
    reading_ms=1234.5,
    at=facts.at(2),
)

SWEEP = SweepRecord(
    id="sweep",
    words="wick + tuned",
    model_id=facts.sha("wick"),
    adapter_sha256=facts.sha("tuned"),
    answers=(
        PlannedAnswer(prompt="a [/b]", seed=4, condition_id="cold", probe_battery="core", probe_id="P"),
        PlannedAnswer(prompt="b", seed=5, condition_id="hot"),
    ),
    battery="core, first 2",
    instrument="lantern-v1",
    version="1",
    at=facts.at(1),
)


def test_a_sweep_comes_back_with_the_answers_it_has(service: StoreService) -> None:
    first, again = new_id(), new_id()
    service.append(
        SWEEP,
        facts.generation(4, id=first, run_id="sweep", started_at=facts.at(4)),
        facts.generation(4, id=again, run_id="sweep", started_at=facts.at(5)),
        facts.generation(5, run_id="sweep", finish_reason="cancelled"),
        facts.generation(5, run_id="other"),
    )
    assert service.query(ask.sweep, "sweep") == SWEEP and service.query(ask.sweep, "swee") is None
    assert service.query(ask.find_sweeps, "swe") == ["sweep"] and not service.query(ask.find_sweeps, "x")
    assert service.query(ask.swept, "sweep") == {4: first}


def test_every_kind_of_fact_is_counted_by_the_check(service: StoreService) -> None:
    metric = MetricRecord(run_id="r", step=1, source="train", values={"a": 1.0, "b": 2.0}, at=facts.at(1))
    service.append(SWEEP, PAIR, VERDICT, metric, facts.generation(), facts.score("g"), facts.comparison())
    assert check_store(service).problems == ()


def test_they_are_queryable_as_they_were_said(service: StoreService) -> None:
    undo = dataclasses.replace(VERDICT, id="j2", action="undo", verdict=None, about="j1", at=facts.at(3))
    note = dataclasses.replace(
        VERDICT, id="j3", action="note", verdict=None, note="[/b] \x1b[31m", at=facts.at(4)
    )
    for record in (PAIR, VERDICT, undo, note, VERDICT):
        service.append(record)
    service.ingest()
    pairs = service.query(lambda con: con.execute("SELECT id, score_gap, similarity FROM pair").fetchall())
    assert pairs == [(PAIR.id, -2.5, None)]
    rows = service.query(
        lambda con: con.execute(
            "SELECT id, action, verdict, about, note, blind FROM judgement ORDER BY id"
        ).fetchall()
    )
    assert rows == [
        ("j1", "verdict", "left", None, None, True),
        ("j2", "undo", None, "j1", None, True),
        ("j3", "note", None, None, "[/b] \x1b[31m", True),
    ]


@pytest.mark.parametrize(
    ("record", "changes", "word"),
    [
        (VERDICT, {"verdict": None}, "verdict"),
        (VERDICT, {"action": "undo"}, "about"),
        (VERDICT, {"action": "note"}, "note"),
        (VERDICT, {"action": "flag"}, "flagged"),
        (VERDICT, {"pass_number": -1}, "pass_number"),
        (PAIR, {"second_id": "a"}, "second_id"),
        (SWEEP, {"answers": ()}, "answers"),
        (SWEEP, {"answers": (SWEEP.answers[0], SWEEP.answers[0])}, "answers"),
    ],
)
def test_what_makes_no_sense_is_named(record: Any, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=f"field {word}"):
        check(dataclasses.replace(record, **changes))
