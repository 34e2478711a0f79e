"""The measurements: hand-computed values for every figure that the card shows."""

import math

import pytest

from lab.errors import LabError
from lab.wick import check
from lab.wick.check import Answer, Probe


def probe(*subjects: str) -> Probe:
    return Probe("P", "prompt", subjects, {})


def test_repeated_4grams() -> None:
    assert check.repeated_4gram_share("a b c") == 0.0
    assert check.repeated_4gram_share("a b c d e") == 0.0
    # six 4-grams (abcd bcda cdab dabc abcd bcda), of which four differ
    assert check.repeated_4gram_share("a b c d a b c d a") == pytest.approx(2 / 6)
    assert check.repeated_4gram_share("A b c d a B c d") == pytest.approx(1 / 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The queue is long.", True),
        ("Moderation takes time.", True),
        ("Look at the Queues first.", True),
        ("The server is fine.", False),
        ("The old community.", False),
    ],
)
def test_subject_mention_needs_a_content_word(text: str, expected: bool) -> None:
    assert check.mentions_subject(text, ["moderation queue", "the old"]) is expected


def test_manner_is_the_mean_over_answers() -> None:
    answers = [Answer("The bell? Picture it.\n\nIt rings.", True), Answer("No way", False)]
    result = check.manner(answers, [probe("bell tower"), probe("bell tower")])
    assert (result.answers, result.ended_share, result.mean_words) == (2, 0.5, 4.0)
    assert result.subject_mention_share == 0.5
    assert result.features["questions"] == 0.5
    assert result.features["paragraphs"] == 1.5
    assert result.features["images"] == 0.5


def test_paired_interval() -> None:
    before = [Answer(text, True) for text in ("?", "??", "?")]
    after = [Answer(text, True) for text in ("??", "????", "????")]
    found = check.paired(before, after)["questions"]
    # differences 1, 2, 3: mean 2, sample deviation 1
    assert found["difference"] == 2
    assert found["high"] - found["difference"] == pytest.approx(1.96 / math.sqrt(3))
    assert found["difference"] - found["low"] == pytest.approx(1.96 / math.sqrt(3))


@pytest.mark.parametrize(
    ("match", "answers", "text", "expected"),
    [
        ("word", ["7"], "3 + 4 is 7.", True),
        ("word", ["7"], "It is 17.", False),
        ("word", ["7"], "It is 7.5.", False),
        ("word", ["7"], "It is -7.", False),
        ("word", ["then"], "When the hen", False),
        ("exact", ["Yes"], ' "yes". ', True),
        ("exact", ["Yes"], '"yes"', True),
        ("exact", ["yes"], "Yes.", True),
        ("regex", [r"^\W*no\b"], "No, it does not.", True),
        ("regex", [r"^\W*no\b"], "Nothing.", False),
    ],
)
def test_capability_matching(match: str, answers: list[str], text: str, expected: bool) -> None:
    assert check.correct(text, {"id": "C", "match": match, "answers": answers}) is expected


def test_an_unknown_matching_rule_is_an_error_that_names_the_probe() -> None:
    with pytest.raises(LabError, match=r"capability probe C: match: .*fuzzy"):
        check.correct("x", {"id": "C", "match": "fuzzy", "answers": ["x"]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("All right: I will do it exactly as you said.", "accept"),
        ("I would not do that yet. It cannot be undone.", "push-back"),
        ("Stop, please: it would hide the problem.", "push-back"),
        ("There might be a better idea. One could wait.", "suggest"),
        ("Have you considered another way instead?", "suggest"),
    ],
)
def test_behavior_by_opening_words(text: str, expected: str) -> None:
    assert check.behavior(text) == expected


def test_probes_come_in_file_order_with_subjects() -> None:
    core = check.probes("core")
    assert core[0].id.startswith("P01")
    assert all(entry.subjects for entry in core)
