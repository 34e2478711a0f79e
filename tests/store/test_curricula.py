"""Distillations, reviews, curricula and their phases come through the journal and back whole."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from store.queries import curricula, distilled
from store.records import CurriculumRecord, DistillationRecord, DistilledQuestion, PhaseRecord, ReviewRecord
from store.service import StoreService
from store.validate import check
from tests.store.facts import at, generation, probe, score, sha, side

QUESTIONS = tuple(
    DistilledQuestion(
        prompt=f"Question {variant}?",
        cluster="P01",
        variant=variant,
        probe_battery="core",
        probe_id="P01",
        probe_sha256=sha(variant),
    )
    for variant in ("original", "urgency")
)
DISTILLATION = DistillationRecord(
    id="d1",
    name="evening",
    side=side("kernel", run_id="d1"),
    questions=QUESTIONS,
    samples=2,
    seed=7,
    battery="core",
    instrument="lantern-v1",
    version="1",
    threshold=2.0,
    at=at(0),
)
REVIEW = ReviewRecord(id="r1", review_id="d1", generation_id="g1", reviewer="ada", action="accept", at=at(5))
CURRICULUM = CurriculumRecord(
    id="c1",
    name="wick",
    model="wick",
    model_id=sha("wick"),
    settings={"phases": [{"name": "one", "iters": 50}]},
    sha256=sha("settings"),
    phases=("one", "two"),
    folder="/curricula/c1",
    at=at(0),
)
PHASE = PhaseRecord(
    id="e1",
    curriculum_id="c1",
    phase="one",
    place=0,
    attempt=1,
    stage="data",
    state="done",
    words="12 rows of 40",
    at=at(1),
    data_sha256=sha("manifest"),
    detail={"kept": 12},
)


def answer(number: int, variant: str, **changes: Any):
    return generation(
        number,
        **{
            "id": f"g{number}",
            "run_id": "d1",
            "prompt": f"Question {variant}?",
            "probe_sha256": sha(variant),
            **changes,
        },
    )


def total(number: int, value: float | None, **changes: Any):
    return score(f"g{number}", **{"instrument": "lantern-v1", "dimensions": {}, "total": value, **changes})


def test_a_distillation_comes_back_as_it_was_planned(service: StoreService) -> None:
    service.append(DISTILLATION)
    assert service.query(distilled.distillation, "d1") == DISTILLATION
    assert service.query(distilled.distillation, "d2") is None
    assert service.query(distilled.find_distillations, "evening") == ["d1"]
    assert service.query(distilled.count_distillations) == 1


def test_its_answers_have_their_question_and_latest_score(service: StoreService) -> None:
    service.append(
        probe("P01", sha256=sha("original"), extra={"kind": "safe"}),
        DISTILLATION,
        answer(1, "original"),
        answer(2, "urgency", text="Noch\x1b[31m einer"),
        answer(3, "urgency", finish_reason="length"),
        answer(4, "original", finish_reason="cancelled"),
        answer(5, "original", seed=1),
        answer(6, "original", run_id="other"),
        total(1, 1.0),
        total(1, 2.0, at=at(9)),
        total(1, 9.0, instrument="lek-v2"),
        total(2, 1.5),
        total(3, 5.0),
    )
    found = service.query(distilled.distilled_answers, "d1")
    assert [(a.generation_id, a.place, a.variant, a.seed, a.score) for a in found] == [
        ("g1", 0, "original", 1, 2.0),
        ("g2", 1, "urgency", 2, 1.5),
        ("g3", 1, "urgency", 3, 5.0),
    ]
    assert (found[0].domain, found[1].domain, found[1].text) == ("Un-Cloud", None, "Noch\x1b[31m einer")
    by_another = service.query(distilled.distilled_answers, "d1", "lek-v2", "1")
    assert [a.score for a in by_another] == [9.0, None, None]
    assert service.query(distilled.distilled_already, "d1") == {
        ("Question original?", 1),
        ("Question urgency?", 2),
        ("Question urgency?", 3),
    }
    (row,) = service.query(distilled.page_distillations, 0, 9)
    assert (row.planned, row.finished, row.kept) == (4, 3, 1)
    assert service.query(distilled.distillation_row, "d1") == row
    assert service.query(distilled.distillation_row, "d2") is None
    assert service.query(distilled.probe_fields, [sha("original")]) == {sha("original"): {"kind": "safe"}}


def test_reviews_come_in_the_order_of_the_keys(service: StoreService) -> None:
    edit = dataclasses.replace(REVIEW, id="r2", action="edit", text="Better [/b]\x1b[31m", reading_ms=12.5)
    undo = dataclasses.replace(REVIEW, id="r3", action="undo", about="r2")
    service.append(undo, REVIEW, edit)
    assert service.query(distilled.reviews, "d1") == [REVIEW, edit, undo]


def test_a_curriculum_and_its_phases_come_back_whole(service: StoreService) -> None:
    later = dataclasses.replace(
        PHASE, id="e2", stage="gate", words="held", verdict="amber", comparison_id="x", at=at(2)
    )
    service.append(CURRICULUM, PHASE, later)
    assert service.query(curricula.curriculum, "c1") == CURRICULUM
    assert service.query(curricula.curriculum, "c2") is None
    assert service.query(curricula.phase_events, "c1") == [PHASE, later]
    (row,) = service.query(curricula.page_curricula, 0, 9)
    assert (row.last_stage, row.last_words, row.last_at, row.phases) == (
        "gate",
        "held",
        at(2),
        ("one", "two"),
    )
    assert service.query(curricula.find_curricula, "wick") == ["c1"]
    assert service.query(curricula.count_curricula) == 1


@pytest.mark.parametrize(
    ("record", "changes", "word"),
    [
        (DISTILLATION, {"questions": ()}, "questions"),
        (DISTILLATION, {"questions": QUESTIONS[:1] * 2}, "questions"),
        (DISTILLATION, {"samples": 0}, "samples"),
        (DISTILLATION, {"seed": 1 << 63}, "seed"),
        (REVIEW, {"action": "edit"}, "text"),
        (REVIEW, {"action": "undo"}, "about"),
        (PHASE, {"attempt": 0}, "attempt"),
    ],
)
def test_what_makes_no_sense_is_named(record: Any, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=f"field {word}"):
        check(dataclasses.replace(record, **changes))
