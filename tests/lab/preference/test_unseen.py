"""Probes that a run was not trained on, whatever the form of its rows; and pairs from a comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.preference.compared import pairs_of_comparison
from lab.preference.unseen import texts_of, unseen_probes
from store.queries import ComparedAnswer
from store.queries.pairs import PairableAnswer
from tests.store import facts

LONG = "What does the river ask of those who keep the bridge in the winter months?"


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Why does it rain?", "completion": "x"},
        {"prompt": [{"role": "user", "content": "why does it RAIN"}], "chosen": [], "rejected": []},
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Why does it rain?"}]},
        {"conversations": [{"from": "human", "value": "Why does it rain?"}]},
    ],
)
def test_a_prompt_is_found_in_rows_of_any_form(tmp_path: Path, row: dict[str, Any]) -> None:
    probes = [facts.probe("A", prompt="Why does it rain?"), facts.probe("B", prompt=LONG)]
    lines = ["{broken", json.dumps({"text": "nothing"}), json.dumps(row)]
    (tmp_path / "train.jsonl").write_text("\n".join(lines), "utf-8")
    assert [probe.id for probe in unseen_probes(probes, tmp_path)] == ["B"]


def test_eight_words_in_a_row_give_a_probe_away_and_no_file_gives_away_nothing(tmp_path: Path) -> None:
    probes = [facts.probe("A", prompt="Why does it rain?"), facts.probe("B", prompt=LONG)]
    said = {"text": "They asked what does the river ask of those who keep sheep."}
    (tmp_path / "train.jsonl").write_text(json.dumps(said), "utf-8")
    assert [probe.id for probe in unseen_probes(probes, tmp_path)] == ["A"]
    assert unseen_probes(probes, tmp_path / "nowhere") == probes


def test_every_text_of_a_row_is_read() -> None:
    assert list(texts_of({"a": ["b", {"c": "d", "e": 3}], "f": None})) == ["b", "d"]


def test_a_place_with_both_answers_is_a_pair_once() -> None:
    def side(place: int, name: str) -> ComparedAnswer:
        which = "left" if name.startswith("l") else "right"
        return ComparedAnswer(place, which, "c", {}, generation_id=name)  # type: ignore[arg-type]

    def text(name: str, said: str, total: float | None = None) -> PairableAnswer:
        return PairableAnswer(name, "Why?", said, "stop", 3, "core", "P1", {}, total)

    answers = [side(0, "l0"), side(0, "r0"), side(1, "l1"), side(1, "r1"), side(2, "l2")]
    texts = [
        text("l0", "a", 1.0),
        text("r0", "b", 3.5),
        text("l1", "same"),
        text("r1", "same "),
        text("l2", "c"),
    ]
    found = pairs_of_comparison(answers, texts, instrument="lek-v2", stratum="after tuned")
    (pair,) = found.pairs
    assert (pair.first_id, pair.second_id, pair.source, pair.stratum) == ("l0", "r0", "stored", "after tuned")
    assert (pair.score_gap, pair.instrument, pair.probe_id) == (-2.5, "lek-v2", "P1")
    assert (found.equal_texts, found.known) == (1, 0)
    again = pairs_of_comparison(answers, texts, instrument="lek-v2", stratum="x", known={pair.id})
    assert (again.pairs, again.known) == ((), 1)
