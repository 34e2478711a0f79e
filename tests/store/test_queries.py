"""The questions of screens and commands, against answers counted by hand or by slow plain Python."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest

import store.queries as ask
from store.backup import rebuild
from store.ids import new_id
from store.journal import Journal
from store.queries import BatteryCount, DomainCount, ProbeFilter
from store.records import ProbeRecord, SettingRecord
from store.service import StoreService
from tests.store.facts import at, condition, generation, model, probe, score, sha


@pytest.fixture
def library(service: StoreService) -> list[ProbeRecord]:
    """Sixty probes in no order, some revised, some retired."""
    dice = random.Random(4)
    probes = [
        probe(
            f"P{number:02d}_{dice.choice('abc')}",
            battery=dice.choice(["core", "creative", "Über"]),
            domain=dice.choice(["Law", "Hypnos", "Un-Cloud"]),
            prompt=f"{dice.choice(['The clinic', 'Ein Gerücht', '100% of_all [/x]'])} number {number}",
            at=at(number),
        )
        for number in range(60)
    ]
    dice.shuffle(probes)
    revised = [dataclasses.replace(p, prompt=p.prompt + " again", at=at(100)) for p in probes[:10]]
    retired = [dataclasses.replace(p, retired=True, at=at(200)) for p in probes[5:15]]
    service.append(*probes, *revised, *retired)
    return [*revised[:5], *probes[15:]]


def expected(library: list[ProbeRecord], which: ProbeFilter) -> list[tuple[str, str, str]]:
    def matches(p: ProbeRecord) -> bool:
        wanted = which.text.lower()
        return (
            (wanted in p.prompt.lower() or wanted in p.id.lower() or wanted in p.domain.lower())
            and (not which.batteries or p.battery in which.batteries)
            and (not which.domains or p.domain in which.domains)
        )

    return sorted((p.battery, p.id, p.prompt) for p in library if matches(p))


@pytest.mark.parametrize(
    "which",
    [
        ProbeFilter(),
        ProbeFilter(text="AGAIN"),
        ProbeFilter(text="gerücht"),
        ProbeFilter(text="p1"),
        ProbeFilter(text="hypn"),
        ProbeFilter(text="%"),
        ProbeFilter(text="_"),
        ProbeFilter(text="'; DROP TABLE probe; --"),
        ProbeFilter(batteries=("core", "Über")),
        ProbeFilter(domains=("Law",)),
        ProbeFilter(text="clinic", batteries=("creative",), domains=("Law", "Hypnos")),
        ProbeFilter(batteries=("none",)),
    ],
)
def test_filters_pages_and_positions_agree(
    service: StoreService, library: list[ProbeRecord], which: ProbeFilter
) -> None:
    wanted = expected(library, which)
    assert service.query(ask.count_probes, which) == len(wanted)
    pages = [service.query(ask.page_probes, which, offset, 7) for offset in range(0, len(wanted) + 7, 7)]
    assert [(row.battery, row.id, row.prompt) for page in pages for row in page] == wanted
    for position, (battery, identity, _) in enumerate(wanted):
        assert service.query(ask.probe_position, which, battery, identity) == position
    assert service.query(ask.probe_position, which, "core", "missing") is None


def test_a_list_follows_what_happens(service: StoreService) -> None:
    every = ProbeFilter()
    service.append(probe("P2"))
    assert service.query(ask.count_probes, every) == 1
    service.append(probe("P1"))
    assert [row.id for row in service.query(ask.page_probes, every, 0, 9)] == ["P1", "P2"]
    assert [row.n_answers for row in service.query(ask.page_probes, every, 0, 9)] == [0, 0]
    service.append(generation(5, probe_id="P2"), generation(3, probe_id="P2"))
    rows = service.query(ask.page_probes, every, 0, 9)
    assert [(row.n_answers, row.last_at) for row in rows] == [(0, None), (2, at(5))]
    service.append(probe("P1", retired=True, at=at(1)))
    assert [row.id for row in service.query(ask.page_probes, every, 0, 9)] == ["P2"]
    assert service.query(ask.probe, "core", "P1") is None
    service.append(probe("P1", at=at(2), prompt="back"))
    back = service.query(ask.probe, "core", "P1")
    assert back is not None
    assert back.prompt == "back"


def test_a_list_follows_another_process(service: StoreService) -> None:
    service.append(probe("P1"))
    assert service.query(ask.count_probes, ProbeFilter()) == 1
    other = StoreService(service.home, "other")
    other.append(probe("P2"), generation(1, probe_id="P1"))
    other.close()
    rows = service.query(ask.page_probes, ProbeFilter(), 0, 9)
    assert [(row.id, row.n_answers) for row in rows] == [("P1", 1), ("P2", 0)]


def test_a_list_survives_the_replacement_of_the_file(service: StoreService) -> None:
    """Same number of rows, same times, other row numbers: as after a rebuild by another process."""
    first, second = Journal.open(service.home, "a"), Journal.open(service.home, "b")
    second.append(probe("P1", prompt="one"))
    service.ingest()
    first.append(probe("P2", prompt="two"))
    service.ingest()
    wanted = [("P1", "one"), ("P2", "two")]

    def listed() -> list[tuple[str, str]]:
        return [(row.id, row.prompt) for row in service.query(ask.page_probes, ProbeFilter(), 0, 9)]

    assert listed() == wanted
    other = StoreService(service.home)
    rebuild(other)
    other.close()
    assert listed() == wanted
    first.close()
    second.close()


def test_answers_by_name_for_free_sql(service: StoreService) -> None:
    answer = generation(mean_entropy_nats=1.5)
    service.append(model(), condition(), answer, score(answer.id))
    sql = "SELECT model_name, condition_name, mean_entropy_nats, word_entropy_nats, words FROM answer"
    assert service.query(lambda con: con.execute(sql).fetchall()) == [("wick", "baseline", 1.5, 4.25, 80.0)]


def test_every_field_of_a_probe(service: StoreService) -> None:
    record = probe(
        "P9",
        subjects=("clinic server", "records"),
        source_probe="P1",
        rephrase_type="urgency",
        extra={"a": [1, {"b": None}], "c": 0.5},
    )
    service.append(record)
    row = service.query(ask.probe, "core", "P9")
    assert row is not None
    for field in dataclasses.fields(ProbeRecord):
        if field.name not in ("at", "retired"):
            assert getattr(row, field.name) == getattr(record, field.name), field.name


def test_batteries_and_domains(service: StoreService, library: list[ProbeRecord]) -> None:
    def count(values: list[str]) -> list[tuple[str, int]]:
        return [(value, values.count(value)) for value in sorted(set(values))]

    assert service.query(ask.batteries) == [BatteryCount(*c) for c in count([p.battery for p in library])]
    assert service.query(ask.domains) == [DomainCount(*c) for c in count([p.domain for p in library])]
    some = [p.domain for p in library if p.battery in ("core", "Über")]
    assert service.query(ask.domains, ("core", "Über")) == [DomainCount(*c) for c in count(some)]


def test_history_is_newest_first_with_the_latest_word_entropy(service: StoreService) -> None:
    answers = [
        generation(second, probe_id="P1", text="word " * 100, mean_entropy_nats=float(second))
        for second in (3, 1, 2)
    ]
    service.append(model(), condition(), *answers, generation(9, probe_id="P2"))
    service.append(
        score(
            answers[0].id,
            at=at(2),
            dimensions={"word_entropy_nats": 5.0, "words": 300.0},
            detail={"zone": "B"},
        ),
        score(
            answers[0].id,
            at=at(1),
            dimensions={"word_entropy_nats": 4.0, "words": 200.0},
            detail={"zone": "A"},
        ),
        score(answers[0].id, instrument="rubric", at=at(3), dimensions={"words": 1.0}, detail={"zone": "C"}),
        score(answers[1].id, dimensions={"word_entropy_nats": 3.0, "words": 40.0}, detail={"zone": None}),
    )
    rows = service.query(ask.probe_history, "core", "P1", 10)
    assert [row.started_at for row in rows] == [at(3), at(2), at(1)]
    assert [row.mean_entropy_nats for row in rows] == [3.0, 2.0, 1.0]
    assert [(row.word_entropy_nats, row.words, row.zone) for row in rows] == [
        (5.0, 300, "B"),
        (None, None, None),
        (3.0, 40, None),
    ]
    assert rows[0].text_start == ("word " * 100)[:240]
    assert (rows[0].model_name, rows[0].condition_name) == ("wick", "baseline")
    assert [row.started_at for row in service.query(ask.probe_history, "core", "P1", 2)] == [at(3), at(2)]
    assert service.query(ask.probe_history, "core", "P0", 2) == []


def test_names_fall_back_to_the_start_of_the_id(service: StoreService) -> None:
    service.append(generation(model_id="m" * 64, condition_id="c" * 64))
    (row,) = service.query(ask.recent_generations, 5)
    assert (row.model_name, row.condition_name) == ("m" * 12, "c" * 12)


def test_a_renamed_model_goes_by_its_newest_name(service: StoreService) -> None:
    service.append(model(name="old", id="m", at=at(1)), model(name="new", id="m", at=at(2)))
    service.append(generation(model_id="m"))
    (row,) = service.query(ask.recent_generations, 5)
    assert row.model_name == "new"


def test_the_summary_is_per_model_and_condition(service: StoreService) -> None:
    kernel_condition = condition("lantern", kernel_name="lantern")
    service.append(model(), condition(), kernel_condition)
    plain = [generation(s, mean_entropy_nats=v) for s, v in ((2, 2.0), (1, 1.0), (3, None))]
    under = [generation(9, mean_entropy_nats=0.5, condition_id=kernel_condition.id)]
    service.append(*plain, *under)
    service.append(
        score(plain[0].id, dimensions={"word_entropy_nats": 4.0, "words": 100.0}),
        score(plain[1].id, dimensions={"word_entropy_nats": 5.0, "words": 300.0}),
    )
    probe_id = plain[0].probe_id
    assert probe_id is not None
    cells = service.query(ask.history_summary, "core", probe_id)
    assert [dataclasses.astuple(cell) for cell in cells] == [
        ("wick", "baseline", 3, 1.5, 4.5, 200.0, (1.0, 2.0)),
        ("wick", "lantern", 1, 0.5, None, None, (0.5,)),
    ]


def test_runs_and_recent_answers(service: StoreService) -> None:
    run = new_id()
    mine = [generation(second, run_id=run, seed=second) for second in (5, 4, 6)]
    service.append(*mine, generation(7))
    assert [row.seed for row in service.query(ask.run_rows, run)] == [4, 5, 6]
    assert [row.seed for row in service.query(ask.recent_generations, 2)] == [7, 6]


def test_one_answer_with_all_that_is_known_of_it(service: StoreService) -> None:
    answer = generation()
    first, second = score(answer.id, at=at(1), total=1.0), score(answer.id, at=at(2), instrument="rubric")
    service.append(model(), condition(), answer, second, first, score("other"))
    stored = service.query(ask.generation, answer.id)
    assert stored is not None
    assert stored.model_name == "wick"
    assert stored.condition == condition()
    assert stored.scores == (first, second)
    assert service.query(ask.generation, "none") is None


def test_an_answer_without_a_trace(service: StoreService) -> None:
    answer = generation(trace=None, condition_id=sha("unknown"))
    service.append(answer)
    stored = service.query(ask.generation, answer.id)
    assert stored is not None
    assert stored.generation == answer
    assert stored.condition is None


def test_settings_are_what_was_said_last(service: StoreService) -> None:
    assert service.query(ask.seeds_version) is None
    service.append(SettingRecord(key="seeds_version", value="2", at=at(2)))
    service.append(SettingRecord(key="seeds_version", value="1", at=at(1)))
    assert service.query(ask.seeds_version) == "2"


def test_counts(service: StoreService) -> None:
    service.append(probe("P1"), probe("P1", at=at(5)), probe("P2"), probe("P2", retired=True, at=at(5)))
    counts = service.query(ask.counts)
    assert counts["probe"] == 1
    assert counts["generation"] == 0


@pytest.mark.slow
def test_a_hundred_thousand_probes_page_by_page(service: StoreService) -> None:
    """Every page against a plain Python sort: the row numbers behind the list must not slip."""
    dice = random.Random(1)
    names = [(dice.choice("abcdefg"), f"P{number:06d}") for number in range(100_000)]
    dice.shuffle(names)
    service.append(*(probe(identity, battery=battery, at=at(7)) for battery, identity in names))
    wanted = sorted(names)
    found: list[tuple[Any, ...]] = []
    for offset in range(0, 100_000, 5000):
        page = service.query(ask.page_probes, ProbeFilter(), offset, 5000)
        found += [(row.battery, row.id) for row in page]
    assert found == wanted


def test_numbers_in_ids_order_as_numbers(service: StoreService) -> None:
    ids = ["P09_X", "P10_X", "P99_X", "P100_A", "P100_B", "P1000", "R2", "R10", "none", "x" + "9" * 40]
    service.append(*(probe(name, battery="core") for name in reversed(ids)))
    rows = service.query(ask.page_probes, ProbeFilter(), 0, 20)
    assert [row.id for row in rows] == ids
