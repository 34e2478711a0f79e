"""The queue of each strategy by hand, and what stands in SQL against the rater's own book-keeping."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.preference.put_up import pair_id
from lab.preference.verdicts import Standing
from store.ids import new_id
from store.queries.judgements import (
    Facet,
    QueueFilter,
    Strategy,
    count_pairs_listed,
    count_queue,
    page_pairs_listed,
    pair_facets,
    pairs_to_judge,
    queue_page,
    rater_log,
    raters,
)
from store.records import BY_HAND, JudgementRecord, PairRecord, Verdict
from store.service import StoreService
from tests.store import facts

ALL = QueueFilter()


def pair(name: str, second: int = 0, **changes: Any) -> PairRecord:
    made = PairRecord(
        id=pair_id(f"{name}1", f"{name}2"),
        first_id=f"{name}1",
        second_id=f"{name}2",
        source="sweep",
        stratum="",
        at=facts.at(second),
    )
    return dataclasses.replace(made, **changes)


def said(name: str, verdict: Verdict | None = "left", **changes: Any) -> JudgementRecord:
    fields: dict[str, Any] = {
        "id": new_id(),
        "pair_id": pair_id(f"{name}1", f"{name}2"),
        "rater": "ada",
        "pass_number": 0,
        "action": "verdict",
        "left_id": f"{name}1",
        "right_id": f"{name}2",
        "verdict": verdict,
        "at": facts.at(9),
    }
    return JudgementRecord(**{**fields, **changes})


def about(one: JudgementRecord, action: str) -> JudgementRecord:
    return dataclasses.replace(one, id=new_id(), action=action, verdict=None, about=one.id)  # type: ignore[arg-type]


def queue(
    service: StoreService, strategy: Strategy, rater: str = "ada", which: QueueFilter = ALL
) -> list[Any]:
    """The queue as (first letter of the pair, pass)."""
    found = service.query(queue_page, rater, strategy, which, 100)
    assert service.query(count_queue, rater, strategy, which) == len(found)
    return [(row.first_id[0], row.pass_number) for row in found]


def test_new_pairs_are_those_without_a_standing_verdict_the_newest_first(service: StoreService) -> None:
    verdict, taken_back, given_again = said("a"), said("b"), said("c")
    service.append(
        *(pair(name, 600 * n) for n, name in enumerate("abcde")),
        verdict,
        taken_back,
        about(taken_back, "undo"),
        given_again,
        about(given_again, "undo"),
        about(given_again, "redo"),
        said("d", rater="bob"),
    )
    assert queue(service, "new") == [("e", 0), ("d", 0), ("b", 0)]
    assert queue(service, "new", "bob") == [("e", 0), ("c", 0), ("b", 0), ("a", 0)]
    assert [row.first_id[0] for row in service.query(queue_page, "ada", "new", ALL, 2)] == ["e", "d"]


def test_pairs_of_one_minute_come_by_their_hashes(service: StoreService) -> None:
    made = [pair(name, n) for n, name in enumerate("abcdef")]
    service.append(*made)
    expected = [one.first_id[0] for one in sorted(made, key=lambda one: one.id)]
    assert [name for name, _ in queue(service, "new")] == expected


def test_a_pair_put_up_again_keeps_its_place_and_takes_what_is_newly_known(service: StoreService) -> None:
    service.append(pair("a", 0), pair("b", 600), pair("a", 1200, score_gap=0.5, stratum="low gap"))
    assert [name for name, _ in queue(service, "new")] == ["b", "a"]
    assert queue(service, "uncertain") == [("a", 0)]
    assert queue(service, "new", which=QueueFilter(strata=("low gap",))) == [("a", 0)]


def test_uncertain_ones_come_by_the_size_of_their_gap_whichever_side_it_favors(service: StoreService) -> None:
    gaps = {"a": -3.0, "b": 0.5, "c": None, "d": -0.25, "e": 2.0}
    service.append(*(pair(name, score_gap=gap) for name, gap in gaps.items()), said("e"))
    assert queue(service, "uncertain") == [("d", 0), ("b", 0), ("a", 0)]


def test_disagreements_are_of_answers_not_of_sides_and_end_when_one_judged_again(
    service: StoreService,
) -> None:
    swapped = {"left_id": "a2", "right_id": "a1"}
    service.append(
        *(pair(name, n) for n, name in enumerate("abcd")),
        said("a"),
        said("a", "right", rater="bob", **swapped),
        said("b"),
        said("b", "right", rater="bob"),
        said("c"),
        said("c", "skip", rater="bob"),
        said("d", rater="bob"),
        said("d", "tie", rater="cy"),
    )
    assert queue(service, "disagreements") == [("b", 1), ("d", 0)]
    service.append(said("b", pass_number=1))
    assert queue(service, "disagreements") == [("d", 0)]
    assert queue(service, "disagreements", "bob") == [("b", 1), ("d", 1)]
    assert queue(service, "disagreements", "dan") == [("b", 0), ("d", 0)]


def test_recheck_brings_flagged_and_skipped_ones_then_the_most_hasty(service: StoreService) -> None:
    short, long = {"text": "x" * 10}, {"text": "x" * 100}
    service.append(
        *(pair(name, n) for n, name in enumerate("abcdef")),
        *(
            facts.generation(id=f"{name}{n}", **(long if name == "b" else short))
            for name in "abc"
            for n in (1, 2)
        ),
        said("a", reading_ms=4000.0),
        said("b", reading_ms=8000.0),
        said("c", reading_ms=2000.0),
        said("d", "skip", reading_ms=90000.0),
        said("e", reading_ms=90000.0),
        dataclasses.replace(said("e"), id=new_id(), action="flag", verdict=None, flagged=True),
        said("f"),
        said("f", pass_number=1),
    )
    order = queue(service, "recheck")
    assert sorted(order[:2]) == [("d", 1), ("e", 1)] and order[2:] == [("b", 1), ("c", 1), ("a", 1)]


def test_filters_hold_for_queue_and_list(service: StoreService) -> None:
    service.append(
        pair("a", probe_battery="core", probe_id="P1"),
        pair("b", probe_battery="own"),
        pair("c", source="stored", stratum="after tuned"),
        facts.generation(id="a1", prompt="x" * 500),
        said("a", "tie"),
    )
    for which, names in (
        (QueueFilter(batteries=("core",)), []),
        (QueueFilter(batteries=("own", "core")), ["b"]),
        (QueueFilter(sources=("stored",), strata=("after tuned",)), ["c"]),
        (QueueFilter(sources=("stored",), batteries=("own",)), []),
        (QueueFilter(sources=("'; DROP TABLE pair; --",)), []),
    ):
        assert sorted(name for name, _ in queue(service, "new", which=which)) == names
    assert service.query(count_pairs_listed, ALL) == 3
    listed = {row.first_id: row for row in service.query(page_pairs_listed, "ada", ALL, 0, 10)}
    assert [(listed[name].passes, len(listed[name].prompt_start)) for name in ("a1", "b1")] == [
        (1, 160),
        (0, 0),
    ]
    assert service.query(page_pairs_listed, "ada", ALL, 3, 10) == []
    assert set(service.query(pair_facets)) == {
        Facet("battery", "core", 1),
        Facet("battery", "own", 1),
        Facet("source", "sweep", 2),
        Facet("source", "stored", 1),
        Facet("stratum", "after tuned", 1),
    }


def test_a_card_has_both_answers_and_whose_they_are(service: StoreService) -> None:
    model, adapter, under = facts.model(), facts.adapter(), facts.condition()
    one = facts.generation(
        id="a1", model_id=model.id, adapter_sha256=adapter.id, condition_id=under.id, prompt="Why?"
    )
    other = facts.generation(id="a2", model_id=BY_HAND, condition_id="nowhere-to-be-found", prompt="Why?")
    service.append(model, adapter, under, one, other, pair("a"), pair("b"))
    (card,) = service.query(pairs_to_judge, [pair_id("a1", "a2"), pair_id("b1", "b2"), "unknown"])
    assert (card.prompt, card.source) == ("Why?", "sweep")
    assert (card.first.generation_id, card.first.text) == ("a1", one.text)
    assert (card.first.model_name, card.first.adapter_name, card.first.condition_name) == (
        model.name,
        adapter.name,
        under.name,
    )
    assert (card.second.model_name, card.second.adapter_name) == (BY_HAND, None)
    assert card.second.condition_name == "nowhere-to-b"


def test_raters_and_their_logs(service: StoreService) -> None:
    mine = [said("a"), said("b"), dataclasses.replace(said("b"), action="reveal", verdict=None)]
    service.append(*mine, said("a", rater="bob"))
    assert service.query(raters) == [("ada", 2), ("bob", 1)]
    assert service.query(rater_log, "ada") == mine
    assert service.query(rater_log, "nobody") == []


PRESSES = st.lists(
    st.tuples(
        st.sampled_from(["verdict", "verdict", "undo", "redo"]), st.sampled_from("abc"), st.integers(0, 1)
    ),
    max_size=14,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PRESSES)
def test_what_stands_in_sql_is_what_stands_on_the_desk(service: StoreService, presses: list[Any]) -> None:
    rater = f"rater {next(_RATERS)}"
    standing, log = Standing(), []
    for action, name, pass_number in presses:
        if action == "verdict":
            record = said(name, rater=rater, pass_number=pass_number)
        else:
            found = standing.to_undo if action == "undo" else standing.to_redo
            if found is None:
                continue
            record = about(found, action)
        standing.add(record)
        log.append(record)
    service.append(*(pair(name) for name in "abc"), *log)
    judged = {pair_id for pair_id, _ in standing.verdicts}
    expected = {name for name in "abc" if pair_id(f"{name}1", f"{name}2") not in judged}
    assert {name for name, _ in queue(service, "new", rater)} == expected
    passes = {
        name: sum((pair_id(f"{name}1", f"{name}2"), n) in standing.verdicts for n in (0, 1)) for name in "abc"
    }
    listed = service.query(page_pairs_listed, rater, ALL, 0, 10)
    assert {row.first_id[0]: row.passes for row in listed} == passes


_RATERS = itertools.count()


def test_what_is_kept_is_on_disk_at_once_and_in_the_store_after_the_next_ingest(
    service: StoreService,
) -> None:
    verdict = said("a")
    service.keep(verdict)
    (journal,) = [p for p in service.home.journals.glob("*.jsonl") if verdict.id in p.read_text("utf-8")]
    assert journal.read_bytes().endswith(b"\n")
    assert service.query(rater_log, "ada") == []
    service.ingest()
    assert service.query(rater_log, "ada") == [verdict]
    service.append(said("b"))
    assert len(list(service.home.journals.glob("*.jsonl"))) == 1
    service.close()
    with pytest.raises(Exception, match="closed"):
        service.keep(said("c"))
