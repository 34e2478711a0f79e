"""Duplicate rows, and training rows that give benchmark probes away."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.probes import make, shipped
from lab.thermometer.overlap import Duplicate, DuplicateFinder, ProbeIndex, normalized
from lab.thermometer.rows import Example
from store.records import ProbeRecord


def text(seed: int, n: int, vocabulary: int = 1000) -> list[str]:
    dice = random.Random(seed)
    return [f"w{dice.randrange(vocabulary)}" for _ in range(n)]


def find(*rows: tuple[str, str]) -> list[Duplicate]:
    finder = DuplicateFinder()
    found = [finder.add(Example(line, prompt, answer)) for line, (prompt, answer) in enumerate(rows, start=1)]
    return [duplicate for duplicate in found if duplicate]


def probe(identity: str, prompt: str, battery: str = "bench") -> ProbeRecord:
    return make({"id": identity, "domain": "D", "prompt": prompt}, battery=battery, origin="test")


def jaccard(left: list[str], right: list[str]) -> float:
    a, b = ({tuple(words[i : i + 5]) for i in range(len(words) - 4)} for words in (left, right))
    return len(a & b) / len(a | b)


def test_words_are_compared_without_case_and_outer_punctuation() -> None:
    assert normalized("What IS “3 + 4”?\n") == ("what", "is", "3", "+", "4")
    assert normalized("3 - 4") != normalized("3 + 4")


def test_exact_duplicates_differ_in_case_space_and_punctuation_only() -> None:
    answer = " ".join(text(1, 30))
    rows = [("Who?", answer), ("Why?", "Because of the last train."), ("who", answer.upper() + ".")]
    assert find(*rows) == [Duplicate(3, 1, exact=True, similarity=1.0)]


def test_the_same_short_answer_to_another_prompt_is_no_duplicate() -> None:
    assert find(("Is 7 odd?", "Yes."), ("Is 9 odd?", "Yes."), ("Is 9 odd?", "Yes!")) == [
        Duplicate(3, 2, exact=True, similarity=1.0)
    ]


def test_near_duplicates_have_the_jaccard_index_of_their_5_grams() -> None:
    original = text(1, 120)
    touched = [*original[:60], "changed", *original[61:]]
    (found,) = find(("a", " ".join(original)), ("b", " ".join(text(2, 120))), ("c", " ".join(touched)))
    assert (found.line, found.of_line, found.exact) == (3, 1, False)
    assert found.similarity == pytest.approx(jaccard(original, touched))


def test_a_chain_of_copies_points_to_the_first() -> None:
    answer = " ".join(text(3, 80))
    found = find(*((f"prompt {number}", answer) for number in range(200)))
    assert {duplicate.of_line for duplicate in found} == {1}
    assert len(found) == 199


@settings(max_examples=60, deadline=None)
@given(st.integers(10, 150), st.sets(st.integers(0, 149), max_size=20), st.integers(0, 10_000))
def test_near_duplicates_against_all_pairs(n: int, changed: set[int], seed: int) -> None:
    left = text(seed, n)
    right = ["new" if place in changed else word for place, word in enumerate(left)]
    similarity = jaccard(left, right)
    found = find(("a", " ".join(left)), ("b", " ".join(right)))
    if similarity >= 0.5:
        assert found[0].similarity == pytest.approx(similarity)
    else:
        assert found == []


def test_long_answers_are_estimated() -> None:
    left = text(4, 3000, 10_000)
    right = [*left[:2400], *text(5, 600, 10_000)]
    (found,) = find(("a", " ".join(left)), ("b", " ".join(right)))
    assert found.similarity == pytest.approx(jaccard(left, right), abs=0.1)


def test_three_of_twelve_tasks_are_also_training_prompts() -> None:
    tasks = [probe for probe in shipped() if probe.battery == "lantern"]
    assert len(tasks) == 12
    index = ProbeIndex(tasks)
    rows = [Example(line, f"Invented prompt number {line}.", "An answer.") for line in range(1, 9)]
    rows += [Example(9 + number, tasks[number].prompt.upper() + " ", "An answer.") for number in (0, 5, 11)]
    hits = [hit for row in rows for hit in index.overlaps(row)]
    assert [(hit.probe_id, hit.line, hit.where) for hit in hits] == [
        (tasks[number].id, 9 + number, "same prompt") for number in (0, 5, 11)
    ]


def test_a_run_of_eight_words_is_enough_and_seven_are_not() -> None:
    index = ProbeIndex([probe("P", "one two three four five six seven eight nine ten")])
    seven = Example(1, "so two three four five six seven eight it is", "none")
    eight = Example(2, "so two three, four five six seven Eight nine it is", "none")
    answer = Example(3, "none", "well: three four five six seven eight nine ten")
    assert index.overlaps(seven) == []
    assert [hit.where for hit in index.overlaps(eight)] == ["8 words in the prompt"]
    assert [hit.where for hit in index.overlaps(answer)] == ["8 words in the answer"]


def test_short_probes_overlap_only_as_the_very_prompt() -> None:
    index = ProbeIndex([probe("CAP", "What is 3 + 4?")])
    assert [hit.probe_id for hit in index.overlaps(Example(1, "what is 3 + 4", "7"))] == ["CAP"]
    assert index.overlaps(Example(1, "What is 3 - 4?", "-1")) == []
    assert index.overlaps(Example(1, None, "What is 3 + 4?")) == []


def test_a_probe_is_reported_once_a_row() -> None:
    prompt = "one two three four five six seven eight nine ten"
    index = ProbeIndex([probe("P", prompt), probe("Q", prompt)])
    assert [hit.probe_id for hit in index.overlaps(Example(1, prompt, prompt))] == ["P", "Q"]
