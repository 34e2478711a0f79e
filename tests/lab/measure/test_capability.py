from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.measure.capability import CapabilityInstrument, expectation, find_answer
from lab.measure.instrument import Reading
from lab.probes import shipped


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("7", True),
        ("It is 7.", True),
        ("7, of course", True),
        ("(7)", True),
        ("x=7", True),
        ("10-7", True),
        ("**7**", True),
        ("17", False),
        ("70", False),
        ("7.5", False),
        ("1,007", False),
        ("7,000", False),
        ("-7", False),
        ("−7", False),
        ("7th", False),
        ("3:7", False),
        ("7%", False),
    ],
)
def test_a_number_is_not_part_of_a_longer_one(text: str, right: bool) -> None:
    assert (find_answer(text, "word", ["7"]) is not None) is right


@pytest.mark.parametrize(
    ("text", "answer", "right"),
    [
        ("then", "hen", False),
        ("A HEN!", "hen", True),
        ("hens", "hen", False),
        ("quarter  to\nfour", "quarter to four", True),
        ("It will be 3:45 then", "3:45", True),
        ("It will be 13:45 then", "3:45", False),
        ("the KeyError.", "KeyError", True),
    ],
)
def test_whole_words(text: str, answer: str, right: bool) -> None:
    assert (find_answer(text, "word", [answer]) is not None) is right


def test_exact() -> None:
    assert find_answer(' "Enots." \n', "exact", ["enots"]) == (1, 9)
    assert find_answer("The answer is enots", "exact", ["enots"]) is None


def test_regex_ignores_case_and_finds_its_place() -> None:
    assert find_answer("Well, YES", "regex", [r"\byes\b"]) == (6, 9)
    assert find_answer("Well, yes", "regex", [r"^\W*yes\b"]) is None


def test_bad_expectations_are_named() -> None:
    with pytest.raises(LabError, match="match: expected exact, word or regex, not 'fuzzy'"):
        find_answer("a", "fuzzy", ["a"])
    with pytest.raises(LabError, match=r"answers: '\(' is no pattern"):
        find_answer("a", "regex", ["("])
    with pytest.raises(LabError, match="answers: expected a list"):
        expectation({"answers": "7"})
    assert expectation({"match": "word"}) is None


def test_instrument_reads_the_answer_only() -> None:
    probe = {"match": "word", "answers": ["7"]}
    by = CapabilityInstrument()
    assert by.score(Reading(text="<think>maybe 7</think>It is 8.", probe=probe)).total == 0.0
    right = by.score(Reading(text="<think>maybe 8</think>It is 7.", probe=probe))
    assert (right.total, right.dimensions["correct"].spans) == (1.0, ((28, 29),))
    assert by.score(Reading(text="7")).total is None


def test_every_shipped_probe_is_checkable_and_its_question_is_no_answer() -> None:
    probes = [probe for probe in shipped() if probe.battery == "capability"]
    assert len(probes) >= 60
    for probe in probes:
        expected = expectation(probe.extra)
        assert expected is not None, probe.id
        match, answers = expected
        assert find_answer("I do not know.", match, answers) is None, probe.id
        if match != "regex":
            assert all(find_answer(answer, match, answers) for answer in answers), probe.id
            assert find_answer("<unrelated>", match, answers) is None, probe.id
