"""LLM Comparator's document: required fields, scores in range, entropies per model, judges' ratings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.interchange.llm_comparator import comparator_score, to_llm_comparator
from lab.judging import judge_comparison
from lab.measure.judge import load_template
from lab.report.data import collect
from store.home import Home
from store.service import StoreService
from tests.hostile import HOSTILE
from tests.lab.comparisons import store_comparison, texts
from tests.lab.test_judging import JUDGE, Replies


@pytest.fixture
def service(tmp_path: Path) -> Iterator[StoreService]:
    with StoreService(Home.resolve(tmp_path / "home"), "test") as service:
        yield service


@pytest.mark.parametrize(
    ("delta", "score"), [(0, 0), (0.5, -0.25), (-0.5, 0.25), (3, -1.5), (12, -1.5), (-90, 1.5)]
)
def test_a_win_by_half_a_point_is_a_win_there_too(delta: float, score: float) -> None:
    assert comparator_score(delta) == score
    assert str(comparator_score(0.0)) == "0.0"


def test_the_document(service: StoreService) -> None:
    record = store_comparison(service, ["I feel hope.", "Same.", "x"], ["No.", "Same.", "However, why?"])
    replies = iter(["Deep. [[A]]", "[[B]]", "[[A]]", "who knows"])
    judge_comparison(service, Replies(service, lambda _: next(replies)), JUDGE, record.id, load_template())
    report = collect(service, record.id)
    document = json.loads(json.dumps(to_llm_comparator(report), allow_nan=False))
    assert set(document) == {"metadata", "models", "examples"}
    assert document["models"] == [{"name": "wick"}, {"name": "wick + tuned"}]
    schema = {field["name"]: field["type"] for field in document["metadata"]["custom_fields_schema"]}
    assert schema["mean_entropy_nats"] == "per_model_number"
    assert (
        record.id in document["metadata"]["source_path"] and "lek-v2 1" in document["metadata"]["source_path"]
    )
    for example, pair in zip(document["examples"], report.pairs, strict=True):
        assert set(example) == {
            *("input_text", "tags", "output_text_a", "output_text_b", "score"),
            *("individual_rater_scores", "custom_fields"),
        }
        assert set(example["custom_fields"]) == set(schema)
        assert -1.5 <= example["score"] <= 1.5
        assert (example["output_text_a"], example["output_text_b"]) == (pair.left.text, pair.right.text)
        assert example["custom_fields"]["mean_entropy_nats"] == [
            pair.left.mean_entropy_nats,
            pair.right.mean_entropy_nats,
        ]
        assert example["custom_fields"]["total"] == [pair.left.total, pair.right.total]
    first, second, third = (example["individual_rater_scores"] for example in document["examples"])
    assert [(rating["score"], rating["is_flipped"], rating["rating_label"]) for rating in first] == [
        (1.5, False, "A is better"),
        (1.5, True, "A is better"),
    ]
    assert first[0]["rationale"] == "Deep. [[A]]" and second == []
    assert [(rating["score"], rating["is_flipped"]) for rating in third] == [(1.5, False), (None, True)]
    assert third[1]["rating_label"].startswith("error: no verdict")


def test_hostile_texts(service: StoreService) -> None:
    said = list(HOSTILE.values())
    record = store_comparison(service, said, texts(len(said), rich=True))
    document = json.dumps(to_llm_comparator(collect(service, record.id)), ensure_ascii=False, allow_nan=False)
    document.encode("utf-8")
    assert len(json.loads(document)["examples"]) == len(said)
