"""A comparison in one process: the finished stays, the missing is made up for, the changed is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lab.compare.plan import new_comparison, passes
from lab.compare.run import Models, ScoredPair, restore, run, score_answered
from lab.compare.sides import Side, condition_records, parse
from lab.errors import LabError
from lab.protocol import Finished, Progress
from lab.sampling import load_preset
from lab.scoring import instrument
from store import queries as ask
from store.home import Home
from store.journal import Journal
from store.records import ComparisonRecord
from store.service import StoreService
from tests.lab.compare.adapters import write_adapter
from tests.models import tiny_model
from tests.store.facts import model, probe, side

BY = instrument("lantern-v1")
PROBES = [probe(f"P{n:02d}", prompt=f"What would river {n} say?") for n in range(5)]


@dataclass
class Bench:
    store: StoreService
    journal: Journal
    models: Models

    def begin(self, left: Side, right: Side) -> ComparisonRecord:
        records = self.models.identify(left, right)
        comparison = new_comparison(
            *records, PROBES, battery="core", instrument=BY.name, version=BY.version, name=None
        )
        self.store.append(*PROBES, comparison)
        return comparison

    def run(
        self, comparison: ComparisonRecord, left: Side, right: Side, stop_after: int = 99
    ) -> list[ScoredPair]:
        found: list[ScoredPair] = []
        events = run(
            *(comparison, left, right, BY, self.models, self.store),
            batch_size=2,
            should_stop=lambda: len(found) >= stop_after,
        )
        for event in events:
            assert isinstance(event, ScoredPair | Progress)
            if isinstance(event, ScoredPair):
                found.append(event)
        self.store.ingest()
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    home = Home.resolve(tmp_path / "home")
    with StoreService(home) as store, Journal.open(home, "test") as journal:
        yield Bench(store, journal, Models(home, journal))


@pytest.fixture
def base() -> Side:
    return Side(str(tiny_model("llama")), replace(load_preset("default"), max_tokens=8))


@pytest.fixture
def tuned(base: Side, tmp_path: Path) -> Side:
    folder = write_adapter(tmp_path / "tuned", tiny_model("llama"))
    return parse([f"adapter={folder}", "kernel=lantern"], base)


def test_what_is_told_is_kept_and_nothing_is_asked_twice(bench: Bench, base: Side, tuned: Side) -> None:
    comparison = bench.begin(base, tuned)
    first = bench.run(comparison, base, tuned, stop_after=2)
    assert 2 <= len(first) < 5
    kept = bench.store.query(ask.answered, comparison.id)
    assert {(pair.place, name) for pair in first for name in ("left", "right")} <= kept
    rest = bench.run(comparison, base, tuned)
    assert sorted(pair.place for pair in (*first, *rest)) == list(range(5))
    assert bench.run(comparison, base, tuned) == []
    rows = bench.store.query(ask.page_pairs, comparison.id, ask.PairFilter(), 0, 9)
    for pair in (*first, *rest):
        row = rows[pair.place]
        assert (row.left_generation_id, row.right_generation_id) == (pair.left.id, pair.right.id)
        assert (row.left_total, row.right_total) == (
            pair.total("left", BY.name),
            pair.total("right", BY.name),
        )
        assert pair.left.adapter_sha256 is None
        assert pair.right.adapter_sha256 == comparison.right.adapter_sha256 is not None
        assert (pair.left.run_id, pair.right.run_id) == (comparison.left.run_id, comparison.right.run_id)


def test_answers_that_were_never_scored_are_scored_on_going_on(bench: Bench, base: Side, tuned: Side) -> None:
    comparison = bench.begin(base, tuned)
    (one,) = passes(comparison, base, tuned)
    session = bench.models.session(one.model)
    # As after a kill between the last answer of a pair and its scores; the third pair has one answer only.
    finished = [e for e in session.generate("r", one.asks[:5], 1) if isinstance(e, Finished)]
    bench.store.ingest()
    assert bench.store.query(ask.unscored_pairs, comparison.id) == [0, 1]
    found = bench.run(comparison, base, tuned)
    assert sorted(pair.place for pair in found) == list(range(5))
    by_place = {pair.place: pair for pair in found}
    assert [by_place[0].left.id, by_place[0].right.id] == [event.generation_id for event in finished[:2]]
    assert by_place[2].left.id == finished[4].generation_id
    assert bench.store.query(ask.unscored_pairs, comparison.id) == []
    assert list(score_answered(comparison, BY, bench.store)) == []


def test_the_sides_come_back_from_the_store(bench: Bench, base: Side, tuned: Side) -> None:
    comparison = bench.begin(base, tuned)
    left, right = restore(bench.store, comparison)
    assert (left, right) == (base, tuned)


def test_a_hub_model_is_found_again_by_its_name(bench: Bench, base: Side) -> None:
    hub = model("owner/name", path="/somewhere/snapshots/0a1b")
    bench.store.append(hub, *condition_records(base))
    record = side("left", model_id=hub.id, condition_id=bench.begin(base, base).left.condition_id)
    comparison = replace(bench.begin(base, base), left=record)
    assert restore(bench.store, comparison)[0].model == "owner/name"


def test_what_is_gone_is_named(bench: Bench, base: Side, tuned: Side) -> None:
    comparison = bench.begin(base, tuned)
    assert tuned.adapter is not None
    shutil.rmtree(tuned.adapter)
    with pytest.raises(LabError, match=rf"the adapter of .* is gone from {tuned.adapter}: put it back"):
        restore(bench.store, comparison)
    unknown = replace(comparison, left=side("left", model_id="?"))
    with pytest.raises(LabError, match="does not know the model or the condition of left any more"):
        restore(bench.store, unknown)


def test_another_model_under_the_name_is_refused(bench: Bench, base: Side, tmp_path: Path) -> None:
    folder = shutil.copytree(base.model, tmp_path / "model")
    mine = replace(base, model=str(folder))
    comparison = bench.begin(mine, mine)
    (folder / "chat_template.jinja").write_text("{{ messages[-1]['content'] }}", encoding="utf-8")
    bench.models = Models(bench.store.home, bench.journal)
    with pytest.raises(LabError, match="is no longer the model that model began with"):
        bench.run(comparison, mine, mine)


def test_equal_models_give_equal_texts(bench: Bench, base: Side) -> None:
    comparison = bench.begin(base, base)
    pairs = bench.run(comparison, base, base)
    assert [pair.left.text for pair in pairs] == [pair.right.text for pair in pairs]
    assert len({pair.left.text for pair in pairs}) > 1
