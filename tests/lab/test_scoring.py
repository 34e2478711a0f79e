"""Scoring rows and the store: what is read, what is kept, and that a stopped run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.measure.instrument import Reading, text_sha256
from lab.measure.rubric import RubricInstrument, parse
from lab.scoring import DEFAULT_INSTRUMENT, ScoredRow, instrument, names, reading_of, score_rows, score_store
from lab.textfiles import BadRow
from store import queries
from store.home import Home
from store.queries.scoring import count_unscored, page_unscored
from store.records import ScoreRecord
from store.service import StoreService
from tests.hostile import HOSTILE, huge
from tests.store import facts


@pytest.fixture
def service(tmp_path: Path) -> Iterator[StoreService]:
    opened = StoreService(Home.resolve(tmp_path / "home"), "test")
    yield opened
    opened.close()


def rubric(version: str, term: str = "clinic") -> RubricInstrument:
    text = f'name: mine\nversion: "{version}"\ndimensions:\n  d: {{weight: 2, terms: [{term}]}}\n'
    return RubricInstrument(parse(text, "mine.yaml"))


def scores_of(service: StoreService, generation_id: str, name: str) -> list[ScoreRecord]:
    stored = service.query(queries.generation, generation_id)
    assert stored is not None
    return [score for score in stored.scores if score.instrument == name]


def test_the_shipped_instruments() -> None:
    assert names()[0] == DEFAULT_INSTRUMENT == "lantern-v1"
    assert set(names()) == {
        *(
            "lantern-v1",
            "lek-v1",
            "lek-v2",
            "degeneration",
            "topic-evasion",
            "capability",
            "refusal",
            "safety",
        )
    }
    for name in names():
        by = instrument(name)
        assert (by.name, len(by.sha256)) == (name, 64)
        assert by.version and by.description and by.known_faults


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_texts(name: str, text: str) -> None:
    reading = Reading(
        text=text, prompt=text, base_text=text, probe={"answers": ["x"], "match": "word", "kind": "safe"}
    )
    found = instrument(name).score(reading)
    assert found.total is not None or name == "topic-evasion"
    for part in found.dimensions.values():
        assert all(0 <= start < end <= len(text) for start, end in part.spans)


@pytest.mark.parametrize(
    ("row", "text", "prompt"),
    [
        ({"response": "A"}, "A", None),
        ({"text": "A", "prompt": "Q"}, "A", "Q"),
        ({"response": "A", "text": "B"}, "A", None),
        (
            {
                "messages": [
                    {"role": "system", "content": "S"},
                    {"role": "user", "content": "Q"},
                    {"role": "assistant", "content": "A"},
                    {"role": "user", "content": "R"},
                    {"role": "assistant", "content": "B"},
                ]
            },
            "B",
            "R",
        ),
    ],
)
def test_where_the_answer_is_found(row: object, text: str, prompt: str | None) -> None:
    reading = reading_of(row)
    assert (reading.text, reading.prompt) == (text, prompt)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ([], "expected fields"),
        ({}, "expected a field response, text or messages"),
        ({"response": None}, "response: expected text, not null"),
        ({"text": 3}, "text: expected text, not int"),
        ({"messages": "hi"}, "messages: expected a list"),
        ({"messages": [{"role": "assistant"}]}, r"messages\[0\]: expected role and content as text"),
        ({"messages": [{"role": "user", "content": "Q"}]}, "no message of the role assistant"),
        ({"text": "A", "prompt": ["Q"]}, "prompt: expected text, not list"),
    ],
)
def test_bad_rows_name_the_field(row: object, fault: str) -> None:
    with pytest.raises(LabError, match=fault):
        reading_of(row)


def test_rows_keep_their_order_and_bad_ones_their_place() -> None:
    rows = [
        (1, {"id": "a", "text": "clinic"}),
        (2, BadRow(2, "not JSON")),
        (5, {"text": 1}),
        (7, {"text": "x"}),
    ]
    found = list(score_rows(rows, rubric("1")))
    assert [(row.id, row.score.total) for row in found if isinstance(row, ScoredRow)] == [("a", 2), (7, 0)]
    assert [str(row) for row in found if isinstance(row, BadRow)] == [
        "line 2: not JSON",
        "line 5: text: expected text, not int",
    ]


def test_a_row_finds_the_shipped_probe_of_its_id() -> None:
    row = {"id": "CAP01_ARITHMETIC_SUM_SMALL", "response": "That is seven."}
    (found,) = score_rows([(1, row)], instrument("capability"))
    assert isinstance(found, ScoredRow) and found.score.total == 1.0


def test_the_hash_is_of_the_text_that_was_read() -> None:
    raw = "<think>x</think>An answer of some length."
    assert instrument("lek-v2").score(Reading(text=raw)).text_sha256 == text_sha256(raw)
    assert instrument("lantern-v1").score(Reading(text=raw)).text_sha256 == text_sha256(
        "An answer of some length."
    )


def test_the_store_is_scored_once_for_each_version(service: StoreService) -> None:
    first, second = facts.generation(1, text="clinic clinic"), facts.generation(2, text="none")
    service.append(facts.model(), facts.condition(), first, second)
    seen: list[tuple[int, int]] = []
    assert score_store(service, rubric("1"), lambda done, total: seen.append((done, total))) == 2
    assert seen == [(0, 2), (2, 2)]
    assert score_store(service, rubric("1")) == 0
    third = facts.generation(3, text="a clinic")
    service.append(third)
    assert score_store(service, rubric("1")) == 1
    assert score_store(service, rubric("2", "none")) == 3
    kept = scores_of(service, first.id, "mine")
    assert [(score.version, score.total, dict(score.dimensions)) for score in kept] == [
        ("1", 4.0, {"d": 2.0}),
        ("2", 0.0, {"d": 0.0}),
    ]
    assert kept[0].detail == {"contributions": {"d": 4.0}, "definition_sha256": rubric("1").sha256}
    assert kept[0].text_sha256 == text_sha256("clinic clinic")


def test_a_stopped_run_goes_on(service: StoreService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.scoring.STORE_BATCH", 3)
    service.append(facts.model(), facts.condition(), *(facts.generation(n, trace=None) for n in range(10)))
    stops = iter([False, False, True])
    assert score_store(service, rubric("1"), should_stop=lambda: next(stops)) == 6
    assert service.query(count_unscored, "mine", "1") == 4
    assert score_store(service, rubric("1")) == 4
    assert service.query(count_unscored, "mine", "1") == 0


def test_what_cannot_be_judged_stays_open(service: StoreService) -> None:
    probe = facts.probe("CAP_X", extra={"match": "word", "answers": ["7"]})
    asked = facts.generation(1, text="It is 7.", probe_id="CAP_X", probe_sha256=probe.sha256)
    service.append(facts.model(), facts.condition(), probe, asked, facts.generation(2))
    assert score_store(service, instrument("capability")) == 1
    assert [score.total for score in scores_of(service, asked.id, "capability")] == [1.0]
    assert service.query(count_unscored, "capability", "1") == 1


def test_a_tuned_answer_is_held_against_the_base_answer_of_its_seed(service: StoreService) -> None:
    probe = facts.probe()
    same = {"probe_id": probe.id, "probe_sha256": probe.sha256}
    base = [facts.generation(seed, text=f"base {seed}", **same) for seed in (1, 2, 3)]
    other = facts.generation(2, text="other condition", condition_id=facts.sha("kernel"), **same)
    tuned = [facts.generation(2, text="tuned", adapter_sha256="a", **same)]
    tuned += [facts.generation(9, text="tuned", adapter_sha256="a", **same)]
    service.append(facts.model(), facts.condition(), probe, *base, other, *tuned)
    found = {answer.generation_id: answer for answer in service.query(page_unscored, "x", "1", "", 99)}
    assert [found[answer.id].base_text for answer in tuned] == ["base 2", "base 3"]
    assert [found[answer.id].base_text for answer in base] == [None, None, None]


BAITS = {
    "words": huge(),
    "one word": "a" * 10_000_000,
    "gap openers": "both while from consider " * 400_000,
    "signs": "#*_>|." * 1_600_000,
    "digits": "1.1,1" * 2_000_000,
    "marks": "<think><|" * 1_100_000,
    "quotes": '"' * 10_000_000,
    "blank lines": "\n \n" * 3_300_000,
    "sentences": "I am. " * 1_600_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lantern-v1", "lek-v1", "lek-v2"])
@pytest.mark.parametrize("bait", BAITS)
def test_ten_megabytes_of_bait_are_read_in_linear_time(name: str, bait: str) -> None:
    """Quadratic work would take hours; there is no bound on the seconds."""
    text = BAITS[bait]
    reading = Reading(
        text=text, prompt="What is it about?", base_text="about", probe={"answers": ["x"], "kind": "safe"}
    )
    assert instrument(name).score(reading).dimensions
