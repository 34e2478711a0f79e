"""Instruments of a user's own: what a rubric file can say, and what a bad one gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.measure.instrument import Reading, Score
from lab.measure.rubric import parse, score
from lab.scoring import instrument, names
from lab.seeds import SEEDS

HEAD = 'name: mine\nversion: "3"\n'


def run(dimension: str, text: str) -> Score:
    return score(parse(f"{HEAD}dimensions:\n  d: {dimension}\n", "mine.yaml"), Reading(text=text))


@pytest.mark.parametrize(
    ("dimension", "text", "value", "contribution"),
    [
        ("{weight: 2, cap: 3, terms: [ab]}", "ab Ab abs", 2, 3),
        ("{weight: 1, terms: [ab], case: sensitive}", "ab Ab abs", 1, 1),
        ("{weight: 1, terms: [ab], boundary: none}", "ab Ab abs cab", 4, 4),
        ("{weight: 1, terms: [ab], boundary: before}", "ab Ab abs cab", 3, 3),
        ("{weight: 1, terms: [ab*]}", "abs cab AB absent", 3, 3),
        ("{weight: 1, terms: [no longer, no]}", "No longer. No. Nothing", 2, 2),
        ("{weight: 1, terms: ['from ~1,5~ to']}", "from a to b, from London to b, from\nx to", 1, 1),
        ("{weight: 1, terms: [a b], spaces: any}", "a b a\n  b ab", 2, 2),
        ("{weight: 1, terms: [a b]}", "a b a\n  b ab", 1, 1),
        ("{weight: 1, terms: [hi], at: start}", " hi hi", 0, 0),
        ("{weight: 1, terms: [hi], at: first word}", " hi hi", 1, 1),
        ("{weight: 1, terms: ['ça', été]}", "Ça et ÉTÉ.", 2, 2),
        ("{weight: 1, terms: [hit], count: once}", "hit hit", 1, 1),
        ("{weight: 1, terms: [hit], count: sentences}", "hit hit. no. hit", 2, 2),
        ("{weight: 1, terms: [hit], limit: 2}", "hit hit hit", 2, 2),
        ("{weight: 1, plus: 1, signs: [question_mark]}", "?? ?", 4, 4),
        (
            "{weight: -3, measure: words, steps: [{below: 2, value: 1}, {below: 4, value: 0.5}]}",
            "a b",
            0.5,
            -1.5,
        ),
        ("{weight: 1, measure: words, when: {measure: lines, above: 1}}", "a b", 0, 0),
        ("{weight: 4, measure: words, scale: {from: 0, to: 8}}", "a b", 0.25, 1),
        ("{weight: 4, measure: words, scale: {from: 8, to: 4}}", "a b c d e", 0.75, 3),
        ("{weight: 1, parts: [{terms: [a], points: 2, limit: 3}, {signs: [bar]}]}", "a a | b", 4, 4),
        ("{weight: 1, terms: [yes], in: prose}", "# yes\n\n| yes |\n\nOnly here it is a yes in prose.", 1, 1),
        ("{weight: 1, words_per_hit: 4, terms: [so], in: prose}", "so so so so so so so so", 2, 2),
    ],
)
def test_what_a_dimension_counts(dimension: str, text: str, value: float, contribution: float) -> None:
    found = run(dimension, text).dimensions["d"]
    assert (found.value, found.contribution) == (value, contribution)


def test_spans_mark_the_matches() -> None:
    found = run("{weight: 1, terms: [grie*, loss]}", "Grief — and loss; GRIEVING.").dimensions["d"]
    assert ["Grief — and loss; GRIEVING."[start:end] for start, end in found.spans] == [
        "Grief",
        "loss",
        "GRIEVING",
    ]


def test_an_undefined_measure_is_no_number() -> None:
    found = run("{weight: 5, measure: window_entropy_nats}", "too short for a window")
    assert (found.dimensions["d"].value, found.total) == (None, 0)


def test_a_rubric_is_found_by_path_and_in_the_users_folder(tmp_path: Path) -> None:
    (tmp_path / "warmth.yaml").write_text(
        'name: warmth\nversion: "2"\ndimensions:\n  w: {weight: 1, terms: [thank*]}\n'
    )
    by_name, by_path = instrument("warmth", tmp_path), instrument(str(tmp_path / "warmth.yaml"))
    assert by_name.sha256 == by_path.sha256
    assert by_name.score(Reading(text="Thanks, thank you")).total == 2
    assert names(tmp_path)[-1] == "warmth"
    with pytest.raises(LabError, match="no instrument 'warmth': there are lantern-v1, "):
        instrument("warmth")


def test_the_readmes_example_is_a_rubric() -> None:
    example = (SEEDS / "rubrics" / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    assert [dimension.name for dimension in parse(example, "README.md").dimensions] == ["hedging", "warmth"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "r.yaml: empty"),
        ("- a", "r.yaml: line 1: expected fields"),
        ("name: x\ndimensions: {d: {weight: 1, terms: [a]}}", "r.yaml: line 1: version is missing"),
        (f"{HEAD}wieght: 1", "r.yaml: line 3: wieght: unknown field; known are"),
        (f"{HEAD}dimensions: []", "r.yaml: line 3: dimensions: expected fields"),
        (f"{HEAD}dimensions:\n  d:\n    terms: [a]", "r.yaml: line 5: dimensions.d: weight is missing"),
        (
            f"{HEAD}dimensions:\n  d:\n    weight: heavy\n    terms: [a]",
            "r.yaml: line 5: dimensions.d.weight: expected a finite",
        ),
        (
            f"{HEAD}dimensions:\n  d:\n    weight: .nan\n    terms: [a]",
            "r.yaml: line 5: dimensions.d.weight: expected a finite",
        ),
        (
            f"{HEAD}dimensions:\n  d: {{weight: 1}}",
            "r.yaml: line 4: dimensions.d: expected one of terms, signs or measure",
        ),
        (
            f"{HEAD}dimensions:\n  d: {{weight: 1, terms: [a], signs: [bar]}}",
            "dimensions.d: expected one of terms",
        ),
        (f"{HEAD}dimensions:\n  d: {{weight: 1, terms: a}}", "dimensions.d.terms: expected a list"),
        (
            f"{HEAD}dimensions:\n  d:\n    weight: 1\n    terms:\n      - {{a: b}}",
            "r.yaml: line 7: dimensions.d.terms: expected a list of texts",
        ),
        (f"{HEAD}dimensions:\n  d: {{weight: 1, terms: ['']}}", "dimensions.d.terms: an empty term"),
        (
            f"{HEAD}dimensions:\n  d: {{weight: 1, terms: [a ~9~ b]}}",
            "dimensions.d.terms: 'a ~9~ b': a gap is written",
        ),
        (f"{HEAD}dimensions:\n  d: {{weight: 1, terms: ['a ~5,3~ b']}}", "needs N ≤ M ≤ 200"),
        (
            f"{HEAD}dimensions:\n  d: {{weight: 1, signs: [smile]}}",
            "dimensions.d.signs: 'smile' is no sign; signs are",
        ),
        (
            f"{HEAD}dimensions:\n  d: {{weight: 1, measure: vibe}}",
            "dimensions.d.measure: 'vibe' is no measure; measures are",
        ),
        (
            f"{HEAD}dimensions:\n  d: {{weight: 1, terms: [a], case: any}}",
            "dimensions.d.case: expected one of insensitive, sensitive",
        ),
        (
            f"{HEAD}dimensions:\n  d: {{weight: -1, cap: 3, terms: [a]}}",
            "dimensions.d.cap: a cap is a positive number",
        ),
        (
            f"{HEAD}dimensions:\n  d: {{weight: 1, parts: [{{terms: [a], cap: 1}}]}}",
            "dimensions.d.parts[0].cap: unknown field",
        ),
        (
            f"{HEAD}dimensions:\n  d: {{weight: 1, measure: words, steps: [{{value: 1}}]}}",
            "dimensions.d.steps[0]: expected below",
        ),
        (
            f"{HEAD}dimensions:\n  total: {{weight: 1, terms: [a]}}",
            "r.yaml: line 4: dimensions.total: given twice, empty, or the reserved",
        ),
        (
            f"{HEAD}maximum: 9\ndimensions:\n  d: {{weight: 1, cap: 4, terms: [a]}}",
            "r.yaml: line 3: maximum: states 9, but",
        ),
        (f"{HEAD}dimensions:\n  d: &a {{weight: 1, terms: [a]}}\n  e: *a", "YAML aliases"),
        (f"{HEAD}dimensions: {{d: [", "r.yaml: line "),
    ],
)
def test_a_bad_rubric_names_line_and_field(text: str, fault: str) -> None:
    with pytest.raises(LabError) as error:
        parse(text, "r.yaml")
    assert fault in str(error.value)
    assert "\n" not in str(error.value)
