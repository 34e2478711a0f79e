"""The stored word-entropy score."""

from __future__ import annotations

import hashlib
from dataclasses import fields

import pytest

from lab.measure.score import word_entropy_score
from lab.measure.words import WordEntropy, measure
from lab.measure.zones import load_table
from tests.store.facts import generation

TABLE = load_table()


def test_the_score_keeps_every_figure_the_zone_and_the_hash_of_the_text() -> None:
    text = " ".join(f"wörd{number}" for number in range(60))
    answer = generation(text=text)
    score = word_entropy_score(answer, TABLE)
    assert score.generation_id == answer.id
    assert (score.instrument, score.version, score.total) == ("word-entropy", "1", None)
    assert set(score.dimensions) == {field.name for field in fields(WordEntropy)}
    assert score.dimensions["words"] == 60
    assert score.dimensions["word_entropy_nats"] == measure(text).word_entropy_nats
    assert score.detail == {"zone": "LANTERN", "zone_table": "lantern 1"}
    assert score.text_sha256 == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("text", ["", "too short", "half \ud83d of a face"])
def test_short_and_broken_texts_have_a_score_without_a_zone(text: str) -> None:
    score = word_entropy_score(generation(text=text), TABLE)
    assert score.detail["zone"] is None
    assert score.dimensions["mattr50"] is None
    assert score.text_sha256 == hashlib.sha256(text.replace("\ud83d", "\ufffd").encode()).hexdigest()
