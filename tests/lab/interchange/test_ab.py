"""A/B results of the source project: read, worked out again, written; a right file comes out as it was."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.interchange import ab
from lab.interchange.ab_values import Differs, Scores, differences, score_all, summary_values
from lab.interchange.ab_writing import lines
from lab.measure.instrument import Score
from lab.scoring import instrument
from lab.textfiles import json_lines, replace_surrogates
from tests.hostile import HOSTILE

LEK_V2 = instrument("lek-v2")

# Hand-computed by the term file. "I feel hope." + a blank line + "However, why?":
#   first_person "I " 1 → 0.5 · creative_form 1 blank line → 0.6 · engagement_depth 1 + 1 → 2 ·
#   nuance 1 → 1.5 · emotional_register feel, hope → 1.6 · specificity "However" → 0.3 · questioning 1 → 0.5
RICH = "I feel hope.\n\nHowever, why?"
RICH_TOTAL = 7.0
RICH_VALUES = {
    "first_person": 1,
    "creative_form": 1,
    "engagement_depth": 2,
    "emotional_register": 2,
    "nuance": 1,
    "specificity": 1,
    "questioning": 1,
}
# Fewer than 20 characters: −20, and 1 for engagement depth.
SHORT = "Cya later!"
SHORT_TOTAL = -19.0
ZEROS = {dimension.name: 0 for dimension in LEK_V2.rubric.dimensions}  # type: ignore[attr-defined]


def answer(text: str, total: float, values: dict[str, float], **changes: Any) -> dict[str, Any]:
    said = {
        "lek_score": total,
        "heuristic": {**ZEROS, **values, "lek_score": total},
        "chars": len(text),
        "time_s": 2.5,
    }
    return {"response": text, **said, **changes}


def rich(**changes: Any) -> dict[str, Any]:
    return answer(RICH, RICH_TOTAL, RICH_VALUES, **changes)


def short(**changes: Any) -> dict[str, Any]:
    return answer(SHORT, SHORT_TOTAL, {"empty_broken": 1, "engagement_depth": 1}, **changes)


def probe(identity: str, category: str = "Culture", **conditions: Any) -> dict[str, Any]:
    conditions = conditions or {"baseline": short(), "lek": rich()}
    return {
        "type": "probe",
        "id": identity,
        "category": category,
        "prompt": f"What of {identity}?",
        "conditions": conditions,
        "ts": "2026-02-03T04:05:06Z",
    }


SUMMARY = {
    "type": "summary",
    "model": "gemma3-1b",
    "total_probes": 3,
    "conditions": [
        {
            "name": "baseline",
            "avg_lek": -10.33,
            "improved": 0,
            "regressed": 0,
            "unchanged": 3,
            "delta_vs_baseline": 0,
        },
        {
            "name": "lek",
            "avg_lek": -1.67,
            "improved": 1,
            "regressed": 0,
            "unchanged": 2,
            "delta_vs_baseline": 8.67,
        },
    ],
    "categories": {
        "Culture": {"baseline": -6.0, "lek": 7},
        "Hypnos": {"baseline": -19, "lek": -19.0},
    },
    "duration": "424s",
    "max_tokens": 512,
    "ts": 1_770_000_000,
}
RIGHT = [
    probe("P01"),
    probe("P02", baseline=rich(), lek=rich()),
    probe("P03", "Hypnos", baseline=short(), lek=short()),
    SUMMARY,
]


def read(rows: list[Any]) -> ab.AbFile:
    data = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()
    return ab.read(json_lines(io.BytesIO(data), 1 << 20))


def scored(file: ab.AbFile) -> Scores:
    return score_all(file, LEK_V2.score)


def found(rows: list[Any]) -> list[tuple[int, str, Any, Any]]:
    file = read(rows)
    return [(entry.line, entry.field, entry.theirs, entry.ours) for entry in differences(file, scored(file))]


def test_a_right_file_has_no_differences_and_comes_out_as_it_was() -> None:
    file = read(RIGHT)
    assert file.bad == ()
    assert list(differences(file, scored(file))) == []
    written = [json.loads(line) for line in lines(file, scored(file))]
    assert written == RIGHT
    assert [list(row) for row in written] == [list(row) for row in RIGHT]
    assert "".join(lines(file, scored(file))) == "".join(
        json.dumps(row, ensure_ascii=False) + "\n" for row in RIGHT
    )


def test_every_wrong_value_is_named_with_its_line_and_field() -> None:
    rows = json.loads(json.dumps(RIGHT))
    rows[0]["conditions"]["lek"]["lek_score"] = 7.5
    rows[0]["conditions"]["lek"]["heuristic"]["nuance"] = 3
    rows[0]["conditions"]["lek"]["heuristic"]["lek_score"] = "high"
    rows[1]["conditions"]["baseline"]["heuristic"]["sparkle"] = 4
    rows[1]["conditions"]["baseline"]["chars"] = 5
    rows[3]["conditions"][1]["improved"] = 2
    rows[3]["conditions"][1]["delta_vs_baseline"] = 8.7
    rows[3]["categories"]["Hypnos"]["lek"] = -18
    rows[3]["total_probes"] = 101
    assert found(rows) == [
        (1, "conditions.lek.lek_score", 7.5, 7.0),
        (1, "conditions.lek.heuristic.nuance", 3, 1),
        (1, "conditions.lek.heuristic.lek_score", "high", 7.0),
        (2, "conditions.baseline.heuristic.sparkle", 4, None),
        (2, "conditions.baseline.chars", 5, len(RICH)),
        (4, "total_probes", 101, 3),
        (4, "conditions.lek.improved", 2, 1),
        (4, "conditions.lek.delta_vs_baseline", 8.7, 8.67),
        (4, "categories.Hypnos.lek", -18, -19),
    ]
    assert str(Differs(1, "P01", "chars", 5, 6)) == "line 1: P01: chars: the file says 5, it is 6"


def test_what_differs_is_written_as_it_is() -> None:
    rows = json.loads(json.dumps(RIGHT))
    rows[0]["conditions"]["lek"]["lek_score"] = 9.9
    rows[3]["conditions"][1]["avg_lek"] = 4
    file = read(rows)
    assert [json.loads(line) for line in lines(file, scored(file))] == RIGHT


def test_values_left_out_are_not_held_against_it_and_characters_may_be_bytes() -> None:
    text = "I feel hope – however, why?"
    bare = {"response": text, "chars": len(text.encode()), "heuristic": {"nuance": 1}}
    differing = found([probe("P01", baseline=bare)])
    assert [(field, theirs) for _, field, theirs, _ in differing] == [
        ("conditions.baseline.heuristic.first_person", 0),
        ("conditions.baseline.heuristic.engagement_depth", 0),
        ("conditions.baseline.heuristic.emotional_register", 0),
        ("conditions.baseline.heuristic.questioning", 0),
        ("conditions.baseline.heuristic.lek_score", 0),
    ]


def test_bad_rows_are_listed_and_good_ones_kept() -> None:
    file = read(
        [
            "{not json",
            [1],
            {"type": "sample"},
            probe("P01"),
            probe("P02", baseline={"response": None}, lek=rich()),
            probe("P01"),
            {**probe("P03"), "prompt": " "},
            {**probe("P04"), "conditions": {}},
            {**probe("P05"), "conditions": {"baseline": {"lek_score": 3}}},
            {**probe("P06"), "voice": "calm"},
            SUMMARY,
            SUMMARY,
        ]
    )
    assert [kept.id for kept in file.probes] == ["P01", "P02", "P06"]
    assert [kept.condition for kept in file.probes[1].answers] == ["lek"]
    assert [str(bad).split(";")[0] for bad in file.bad] == [
        "line 1: not JSON: Expecting property name enclosed in double quotes at column 2",
        'line 2: expected an object with type "probe" or "summary"',
        'line 3: type: expected "probe" or "summary", not \'sample\'',
        "line 5: conditions.baseline.response: expected text",
        "line 6: id: 'P01' was given in line 4 already",
        "line 7: prompt: expected text",
        "line 8: conditions: expected {NAME: {response, …}} with at least one name",
        "line 9: conditions: none has a response",
        "line 10: voice: no field of this form",
        "line 12: a second summary",
    ]


def test_numbers_that_json_does_not_know_are_values_that_differ() -> None:
    row = json.dumps(probe("P01", baseline=rich(lek_score=0.125))).replace("0.125", "NaN")
    assert found([row]) == [(1, "conditions.baseline.lek_score", "nan", 7.0)]


SEED_002 = {
    "27B": ((6, 8, 4, 2, 4, 28), (8, 8, 4, 4, 6, 36), (8.67, 11, 4, 0, 2, 2.33)),
    "1B": ((8, 14, 12, 0, 8, 10), (6, 10, 2, -20, 8, 0), (8.67, 1, 0, 5, 1, -7.67)),
}


@pytest.mark.parametrize("model", SEED_002)
def test_the_summary_of_seed_002(model: str) -> None:
    base, tuned, (base_mean, tuned_mean, improved, regressed, unchanged, delta) = SEED_002[model]
    probes = [ab.AbProbe(line=n, id=f"P{n}", category="all", prompt="?", answers=()) for n in range(6)]
    scores = {
        (f"P{n}", name): Score("lek-v1", "1", "", float(value), {})
        for name, values in (("baseline", base), ("tuned", tuned))
        for n, value in enumerate(values)
    }
    ours = summary_values(probes, ("baseline", "tuned"), scores)
    assert ours["conditions"][0]["avg_lek"] == base_mean
    assert ours["conditions"][1] == {
        "name": "tuned",
        "avg_lek": tuned_mean,
        "improved": improved,
        "regressed": regressed,
        "unchanged": unchanged,
        "delta_vs_baseline": delta,
    }
    assert ours["categories"] == {"all": {"baseline": base_mean, "tuned": tuned_mean}}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_come_through(name: str) -> None:
    text = replace_surrogates(HOSTILE[name])
    file = read([probe("P01", baseline={"response": text}, **{text or "empty": {"response": text}})])
    again = read(list(lines(file, scored(file))))
    assert [entry.text for entry in again.probes[0].answers] == [text, text]
    assert again.conditions == ("baseline", text or "empty")
    assert list(differences(again, scored(again))) == []


texts = st.text(st.characters(codec="utf-8"), max_size=80)


@given(
    st.dictionaries(
        texts.filter(str.strip),
        st.dictionaries(texts, texts, min_size=1, max_size=3),
        min_size=1,
        max_size=4,
    )
)
def test_what_is_written_reads_back_without_a_difference(answers: dict[str, dict[str, str]]) -> None:
    rows = [
        {
            **probe(identity),
            "conditions": {name: {"response": text} for name, text in by_condition.items()},
        }
        for identity, by_condition in answers.items()
    ]
    file = read(rows)
    written = list(lines(file, scored(file)))
    again = read(written)
    assert again.bad == () and list(differences(again, scored(again))) == []
    assert list(lines(again, scored(again))) == written
