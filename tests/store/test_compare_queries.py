"""Questions about comparisons: sides are runs, pairs are seeds, the first finished answer counts."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import store.queries as ask
from lab.measure.comparison import verdict_of
from store.queries import PairFilter
from store.records import ComparisonRecord, GenerationRecord, ScoreRecord
from store.service import StoreService
from tests.hostile import HOSTILE
from tests.store.facts import (
    adapter,
    at,
    comparison,
    condition,
    generation,
    kernel,
    model,
    probe,
    rating,
    score,
    sha,
    side,
)

EVERY = PairFilter()


def answer(number: int, side_name: str, **changes: Any) -> GenerationRecord:
    """The answer of a side to the pair of place `number`."""
    fields: dict[str, Any] = {
        "run_id": f"run-{side_name}",
        "seed": 100 + number,
        "text": f"{side_name} {number}",
    }
    return generation(number, **{**fields, **changes})


def total(of: GenerationRecord, value: float | None, **changes: Any) -> ScoreRecord:
    fields: dict[str, Any] = {"instrument": "lantern-v1", "dimensions": {"depth": 2.0, "gap": None}}
    return score(of.id, total=value, **{**fields, **changes})


def test_a_comparison_comes_back_as_it_was_planned(service: StoreService) -> None:
    planned = comparison(5)
    hostile = dataclasses.replace(
        comparison(1, name="\n".join(text for text in HOSTILE.values() if "\ud83d" not in text)),
        left=side("l", words="[bold]x[/] '; DROP TABLE comparison; --", run_id="a"),
        right=side("r", run_id="b"),
    )
    service.append(planned, hostile)
    assert service.query(ask.comparison, planned.id) == planned
    assert service.query(ask.comparison, hostile.id) == hostile
    assert service.query(ask.comparison, "none") is None
    assert service.query(ask.find_comparisons, planned.id[:30]) == [planned.id]
    assert set(service.query(ask.find_comparisons, "")) == {planned.id, hostile.id}
    assert service.query(ask.find_comparisons, "%") == []


def test_the_list_is_newest_first_and_counts_finished_pairs(service: StoreService) -> None:
    old, new = comparison(3, at=at(1)), comparison(2, at=at(2), left=side("x"), right=side("y"))
    service.append(old, new, answer(0, "left"), answer(0, "right"), answer(1, "left"))
    assert service.query(ask.count_comparisons) == 2
    rows = service.query(ask.page_comparisons, 0, 10)
    assert [(row.id, row.planned, row.finished) for row in rows] == [(new.id, 2, 0), (old.id, 3, 1)]
    assert (rows[0].left_words, rows[0].right_words, rows[0].at) == ("x", "y", at(2))
    assert [row.id for row in service.query(ask.page_comparisons, 1, 1)] == [old.id]


def test_cancelled_answers_do_not_count_and_of_two_the_first_does(service: StoreService) -> None:
    planned = comparison(2)
    cancelled = answer(0, "left", finish_reason="cancelled", started_at=at(1))
    first, second = answer(0, "left", started_at=at(2)), answer(0, "left", started_at=at(3))
    elsewhere = answer(1, "left", run_id="another run")
    service.append(planned, second, cancelled, first, elsewhere, answer(1, "right"))
    assert service.query(ask.answered, planned.id) == {(0, "left"), (1, "right")}
    stored = service.query(ask.compared_generation, planned.id, 0, "left")
    assert stored is not None
    assert stored.id == first.id
    assert service.query(ask.compared_generation, planned.id, 1, "left") is None


def finished(service: StoreService, deltas: list[float]) -> ComparisonRecord:
    """Left totals are 10, right ones differ by these deltas; the last pair is unanswered."""
    planned = comparison(len(deltas) + 1)
    probes = [
        probe(pair.probe_id or "", sha256=pair.probe_sha256, domain="Odd" if place % 2 else "Even")
        for place, pair in enumerate(planned.pairs)
    ]
    records: list[Any] = [planned, *probes]
    for place, delta in enumerate(deltas):
        left, right = answer(place, "left"), answer(place, "right")
        if delta == 0:
            right = dataclasses.replace(right, text=left.text)
        records += [left, right, total(left, 10.0), total(right, 10.0 + delta)]
    service.append(*records)
    return planned


def test_pairs_page_filter_and_sort(service: StoreService) -> None:
    deltas = [0.5, -3.0, 0.0, 2.25, -0.5000001, 0.6]
    planned = finished(service, deltas)
    rows = service.query(ask.page_pairs, planned.id, EVERY, 0, 100)
    assert [row.place for row in rows] == list(range(7))
    assert [row.delta for row in rows] == [*(pytest.approx(delta) for delta in deltas), None]
    assert (rows[3].left_total, rows[3].right_total, rows[3].domain) == (10.0, 12.25, "Odd")
    assert (rows[6].left_generation_id, rows[6].same_text, rows[6].domain) == (None, None, "Even")
    for verdict in ("improved", "regressed", "unchanged"):
        which = PairFilter(verdict=verdict)  # type: ignore[arg-type]
        expected = [place for place, delta in enumerate(deltas) if verdict_of(delta) == verdict]
        found = service.query(ask.page_pairs, planned.id, which, 0, 100)
        assert [row.place for row in found] == expected
        assert service.query(ask.count_pairs, planned.id, which) == len(expected)
    different = PairFilter(only_different=True)
    assert [row.place for row in service.query(ask.page_pairs, planned.id, different, 0, 9)] == [
        0,
        1,
        3,
        4,
        5,
    ]
    assert service.query(ask.pair_position, planned.id, different, 4) == 3
    assert service.query(ask.pair_position, planned.id, different, 2) is None
    worst_first = PairFilter(order="delta")
    ordered = [row.place for row in service.query(ask.page_pairs, planned.id, worst_first, 0, 9)]
    assert ordered == [1, 4, 2, 0, 5, 3, 6]
    assert [service.query(ask.pair_position, planned.id, worst_first, place) for place in ordered] == [
        *range(7)
    ]
    assert service.query(ask.count_pairs, planned.id, PairFilter(domains=("Odd",))) == 3
    assert service.query(ask.count_pairs, planned.id, PairFilter(text="QUESTION 3")) == 1
    assert service.query(ask.count_pairs, planned.id, PairFilter(text="p05")) == 1
    assert service.query(ask.count_pairs, planned.id, PairFilter(text="%")) == 0


def test_the_list_of_pairs_follows_what_is_added(service: StoreService) -> None:
    planned = finished(service, [1.0])
    assert service.query(ask.page_pairs, planned.id, EVERY, 1, 1)[0].left_generation_id is None
    late = answer(1, "left")
    service.append(late)
    assert service.query(ask.page_pairs, planned.id, EVERY, 1, 1)[0].left_generation_id == late.id
    service.append(total(late, 4.0))
    assert service.query(ask.page_pairs, planned.id, EVERY, 1, 1)[0].left_total == 4.0


def test_answers_bring_their_latest_scores_by_the_comparisons_instrument(service: StoreService) -> None:
    planned = comparison(1)
    left, right = answer(0, "left"), answer(0, "right", finish_reason="length")
    service.append(
        planned,
        probe("P01", sha256=planned.pairs[0].probe_sha256, source_probe="P00"),
        left,
        right,
        total(left, 1.0, at=at(1)),
        total(left, 3.0, at=at(2)),
        total(left, 9.0, version="2", at=at(3)),
        total(left, -19.0, instrument="lek-v2", dimensions={"compliance": 0.0}),
        score(right.id, instrument="capability", dimensions={}, total=1.0),
    )
    first, second = service.query(ask.compared_answers, planned.id)
    assert (first.place, first.side, first.generation_id) == (0, "left", left.id)
    assert first.scores == {"total": 3.0, "depth": 2.0, "gap": None}
    assert (first.cluster, first.probe_id, first.source_probe, first.correct) == ("P00", "P01", "P00", None)
    assert (second.side, second.scores, second.correct, second.finish_reason) == ("right", {}, 1.0, "length")
    (other, _) = service.query(ask.compared_answers, planned.id, "lek-v2", "1")
    assert other.scores == {"total": -19.0, "compliance": 0.0}


def test_failure_modes_are_those_of_this_pair(service: StoreService) -> None:
    planned = comparison(2)
    left, right = answer(0, "left"), answer(0, "right")

    def evasion(base: str) -> ScoreRecord:
        detail = {"base_generation_id": base}
        return score(right.id, instrument="topic-evasion", dimensions={}, total=1.0, detail=detail)

    def degeneration(of: GenerationRecord, degenerate: float, collapse: float) -> ScoreRecord:
        dimensions = {"degenerate": degenerate, "collapse": collapse}
        return score(of.id, instrument="degeneration", dimensions=dimensions, total=degenerate)

    service.append(planned, left, right, degeneration(left, 1.0, 1.0), degeneration(right, 1.0, 0.0))
    service.append(evasion("some other base"))
    modes = [row.modes for row in service.query(ask.compared_answers, planned.id)]
    assert modes == [("collapse",), ("token loops",)]
    service.append(evasion(left.id))
    row = service.query(ask.page_pairs, planned.id, EVERY, 0, 1)[0]
    assert (row.left_modes, row.right_modes) == (("collapse",), ("topic evasion", "token loops"))
    assert service.query(ask.unscored_pairs, planned.id) == []


def test_a_pair_without_its_last_score_is_unscored(service: StoreService) -> None:
    planned = comparison(3)
    left, right = answer(0, "left"), answer(0, "right")
    service.append(planned, left, right, answer(1, "left"), total(left, 1.0), total(right, 1.0))
    assert service.query(ask.unscored_pairs, planned.id) == [0]
    service.append(score(right.id, instrument="degeneration", dimensions={}, total=0.0))
    assert service.query(ask.unscored_pairs, planned.id) == []


def test_a_side_can_be_asked_again_from_the_store(service: StoreService) -> None:
    under = condition("lantern.txt", kernel_name="lantern.txt", kernel_sha256=sha("kernel"))
    planned = comparison(
        1, right=side("right", adapter_sha256=adapter().id, condition_id=under.id, model_id=model().id)
    )
    service.append(planned, model(), adapter(), kernel(), under)
    known = service.query(ask.stored_side, planned.right)
    assert (known.model_name, known.model_path) == (model().name, model().path)
    assert (known.adapter_name, known.adapter_path) == (adapter().name, adapter().path)
    assert (known.kernel_name, known.kernel_text, known.condition) == ("lantern.txt", kernel().text, under)
    unknown = service.query(ask.stored_side, side("left", model_id="?", condition_id="?"))
    assert unknown == ask.StoredSide(None, None, None, None, None, None, None)


def test_the_latest_rating_of_a_rater_counts_and_none_takes_it_back(service: StoreService) -> None:
    planned = comparison(1)
    left, right = answer(0, "left"), answer(0, "right")

    def rated(of: GenerationRecord, value: int | None, second: int, **changes: Any) -> Any:
        return rating(of.id, comparison_id=planned.id, value=value, at=at(second), **changes)

    service.append(planned, left, right, rated(left, 2, 1), rated(left, 5, 2), rated(left, 1, 3, rater="bo"))
    service.append(
        rated(right, 3, 1), rated(right, None, 2), rated(right, 4, 1, scale="empathy", shown="right")
    )
    rows = service.query(ask.ratings, planned.id)
    assert [(row.side, row.scale, row.rater, row.value, row.shown) for row in rows] == [
        ("left", "depth", "ada", 5, "left"),
        ("left", "depth", "bo", 1, "left"),
        ("right", "empathy", "ada", 4, "right"),
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"right": side("left")}, "right.run_id"),
        ({"pairs": ()}, "pairs"),
        ({"pairs": (*comparison(1).pairs, *comparison(1).pairs)}, "pairs"),
    ],
)
def test_comparisons_that_could_not_be_told_apart_are_refused(
    service: StoreService, changes: dict[str, Any], reason: str
) -> None:
    service.append(comparison(2, **changes))
    assert service.query(ask.count_comparisons) == 0
    (error,) = service.query(lambda con: con.execute("SELECT reason FROM ingest_error").fetchall())
    assert reason in error[0]


@pytest.mark.parametrize("value", [0, 6])
def test_ratings_off_the_scale_are_refused(service: StoreService, value: int) -> None:
    service.append(rating("g", value=value))
    (error,) = service.query(lambda con: con.execute("SELECT reason FROM ingest_error").fetchall())
    assert error[0] == "field value: expected 1 to 5, or null"
