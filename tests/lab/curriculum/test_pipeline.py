"""From answers to a data directory: clusters on one side, sources in shares, every row accounted for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.curriculum.candidates import Candidate
from lab.curriculum.dataset import read_manifest, write
from lab.curriculum.mixing import held_out_clusters, mixed
from lab.curriculum.pipeline import DataRecipe, Prepared, prepare
from lab.curriculum.review import ReviewPlan, reviewed
from lab.errors import LabError
from lab.train.data.rows import read_rows
from lab.train.settings import TrainSettings
from store.records import ReviewRecord
from tests.lab.curriculum.answers import candidate, candidates
from tests.store.facts import probe

RECIPE = DataRecipe(instrument="lantern-v1", version="1", threshold=14.5, valid_share=0.2)


def prepared(answers: list[Candidate], *reviews: ReviewRecord, recipe: DataRecipe = RECIPE) -> Prepared:
    return prepare(answers, recipe, [probe("G1", battery="creative")], reviews, "d1")


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 99))
def test_no_cluster_stands_on_both_sides(count: int, share: float, seed: int) -> None:
    names = [f"P{n}" for n in range(count)] * 3
    held_out = held_out_clusters(names, share, seed)
    assert 1 <= len(held_out) < count
    assert len(held_out) == min(max(round(share * count), 1), count - 1)
    assert held_out_clusters(list(reversed(names)), share, seed) == held_out


def test_a_split_needs_two_probes() -> None:
    with pytest.raises(LabError, match="belong to 1 probe"):
        held_out_clusters(["P1", "P1"], 0.1, 0)


def test_data_is_written_with_an_account_of_every_row(tmp_path: Path) -> None:
    answers = [*candidates(80), candidate(90, finish_reason="length"), candidate(91, answer="b " * 90)]
    made = prepared(answers)
    manifest = write(made.data, tmp_path)
    assert manifest == read_manifest(tmp_path)
    assert manifest["answers"] == 82
    assert manifest["dropped_at"] == {"cut off": 1, "score": 27, "degenerate": 1}
    assert sum(manifest["counts"].values()) == 53 == len(manifest["rows"])
    assert not set(manifest["clusters"]["train"]) & set(manifest["clusters"]["valid"])
    by_id = {one.id: one for one in answers}
    for split in ("train", "valid"):
        file = read_rows(tmp_path / f"{split}.jsonl", TrainSettings(data=""))
        told = [row for row in manifest["rows"] if row["file"] == f"{split}.jsonl"]
        assert [row["line"] for row in told] == list(range(1, len(file.rows) + 1))
        for row, origin in zip(file.rows, told, strict=True):
            one = by_id[origin["id"]]
            assert [message["content"] for message in row.messages] == [one.prompt, one.answer]
            assert (origin["score"], origin["cluster"], origin["seed"]) == (one.score, one.cluster, one.seed)
    assert {row["id"] for row in (*manifest["rows"], *manifest["dropped"])} == set(by_id)
    assert (tmp_path / "train.jsonl").stat().st_mode & 0o777 == 0o600


def test_equal_answers_make_equal_files_whatever_their_ids_and_order(tmp_path: Path) -> None:
    answers = candidates(60)
    renamed = [replace(one, id=f"other-{one.seed}") for one in reversed(answers)]
    first, second = (
        write(prepared(answers).data, tmp_path / "a"),
        write(prepared(renamed).data, tmp_path / "b"),
    )
    assert first["sha256"] == second["sha256"]
    for name in ("train.jsonl", "valid.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_changed_data_is_refused(tmp_path: Path) -> None:
    write(prepared(candidates(40)).data, tmp_path)
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write(json.dumps({"messages": []}) + "\n")
    with pytest.raises(LabError, match=r"train\.jsonl is not what its manifest says"):
        read_manifest(tmp_path)


def test_a_person_rejects_edits_and_lets_the_flagged_through() -> None:
    bomb = candidate(2, answer=f"{candidate(2).answer} The bomb was a wasp in a jar.")
    answers = [bomb if one.id == bomb.id else one for one in candidates(80)]
    plain = prepared(answers)
    assert plain.flags == {bomb.id: ("weapons",)}
    assert bomb in plain.to_review
    drawn = [one.id for one in plain.to_review if one is not bomb]
    assert len(drawn) == -(-len(plain.data.rows) // 10)
    assert {one.step: one.why for one in plain.data.dropped}["safety"] == (
        "flagged (weapons), and nobody has reviewed it"
    )
    pressed = [
        reviewed("d1", bomb.id, "accept", "ada"),
        reviewed("d1", drawn[0], "reject", "ada", note="too sweet"),
        reviewed("d1", drawn[1], "edit", "ada", text=" A better answer. "),
    ]
    judged = prepared(answers, *pressed)
    rows = {row.candidate.id: row for row in judged.data.rows}
    assert (rows[bomb.id].review, rows[drawn[1]].review) == ("accept", "edit")
    assert rows[drawn[1]].candidate.answer == "A better answer."
    assert drawn[0] not in rows
    assert ("review", "too sweet") in {(one.step, one.why) for one in judged.data.dropped}
    # The sample does not move when it is reviewed.
    assert [one.id for one in judged.to_review] == [one.id for one in plain.to_review]
    assert (judged.outcome.reviewed, judged.outcome.errors) == (2, 2)


def test_sources_are_mixed_in_their_shares() -> None:
    own = candidates(100)
    others = [candidate(n, id=f"claude:{n}", source="claude") for n in range(100, 160)]
    found = mixed([*own, *others], {"self": 0.7, "claude": 0.3}, seed=1)
    assert [sum(one.source == name for one in found) for name in ("self", "claude")] == [100, 42]
    assert mixed([*own, *others], {"self": 0.7, "claude": 0.3}, seed=1) == found
    few = mixed([*own[:7], *others], {"self": 0.7, "claude": 0.3}, seed=1)
    assert [sum(one.source == name for one in few) for name in ("self", "claude")] == [7, 3]
    with pytest.raises(LabError, match="no answer of the source 'claude' is left, and it is to be 30 %"):
        mixed(own, {"self": 0.7, "claude": 0.3}, seed=1)
    with pytest.raises(LabError, match="'claude' has no share"):
        mixed([*own, *others], {"self": 1.0}, seed=1)


def test_what_the_mix_leaves_out_is_accounted_for() -> None:
    answers = [*candidates(40), *(candidate(n, id=f"c:{n}", source="c", score=20.0) for n in range(40, 80))]
    recipe = replace(RECIPE, mix={"self": 0.75, "c": 0.25})
    made = prepared(answers, recipe=recipe)
    sources = [row.candidate.source for row in made.data.rows]
    assert (sources.count("self"), sources.count("c")) == (26, 8)
    assert sum(one.step == "mix" for one in made.data.dropped) == 32


def test_a_gate_probe_stops_the_run_when_told_to() -> None:
    answers = [*candidates(40), candidate(41, cluster="G1")]
    with pytest.raises(LabError, match="it belongs to G1"):
        prepared(answers)
    made = prepared(answers, recipe=replace(RECIPE, on_overlap="drop"))
    assert "G1" not in {row.candidate.cluster for row in made.data.rows}
    assert [one.step for one in made.data.dropped if one.candidate.cluster == "G1"] == ["given away"]


def test_nothing_left_is_said_with_where_it_went() -> None:
    with pytest.raises(LabError, match=r"of 8 answers none is left as training data \(score: 8\)"):
        prepared(candidates(8), recipe=replace(RECIPE, threshold=99.0))


def test_without_a_review_nothing_is_drawn() -> None:
    made = prepared(candidates(40), recipe=replace(RECIPE, review=ReviewPlan(share=0.0)))
    assert (made.to_review, made.outcome.decision) == ((), "not asked for")
