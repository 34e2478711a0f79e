"""A distillation in one process: everything kept, nothing cut off is good, the same set however stopped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lab.compare.sides import Side
from lab.curriculum.distill import Distilled, begin, is_kept, restore, run
from lab.curriculum.plan import left_to_ask, planned, questions_of
from lab.errors import LabError
from lab.kernels import Kernel
from lab.models.load import load
from lab.protocol import Finished
from lab.sampling import load_preset
from lab.scoring import instrument
from lab.session import Session
from store.home import Home
from store.journal import Journal
from store.queries.distilled import distillation_row, distilled_answers
from store.records import DistillationRecord
from store.service import StoreService
from tests.models import tiny_model
from tests.store.facts import probe

BY = instrument("lantern-v1")
PROBES = [probe(f"P{n:02d}", prompt=f"What would river {n} say?") for n in range(4)]


@dataclass
class Bench:
    store: StoreService
    session: Session

    def begin(self, side: Side, **settings: object) -> DistillationRecord:
        self.store.append(*PROBES)
        return begin(self.session, self.store, side, questions_of(PROBES), BY, battery="core", **settings)

    def run(
        self, planned: DistillationRecord, side: Side, stop_after: int = 99, **part: int
    ) -> list[Distilled]:
        found: list[Distilled] = []
        events = run(
            *(planned, side, BY, self.session, self.store),
            batch_size=3,
            should_stop=lambda: len(found) >= stop_after,
            **part,
        )
        for event in events:
            if isinstance(event, Distilled):
                found.append(event)
        self.store.ingest()
        return found

    def texts(self, planned: DistillationRecord) -> dict[tuple[str, int], str]:
        return {(a.prompt, a.seed): a.text for a in self.store.query(distilled_answers, planned.id)}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    home = Home.resolve(tmp_path / "home")
    with StoreService(home) as store, Journal.open(home, "test") as journal:
        yield Bench(store, Session(load(str(tiny_model("llama"))), journal))


@pytest.fixture
def side() -> Side:
    return Side(
        str(tiny_model("llama")),
        replace(load_preset("distill"), max_tokens=6),
        kernel=Kernel.of("short", "Carry a lantern."),
    )


def test_every_answer_is_kept_with_all_it_takes_to_ask_again(bench: Bench, side: Side) -> None:
    asked = bench.begin(side, samples=2, threshold=-1e9)
    made = bench.run(asked, side)
    assert len(made) == 8
    rows = bench.store.query(distilled_answers, asked.id)
    assert {(row.place, row.seed) for row in rows} == {(one.place, one.seed) for one in planned(asked)}
    scores = {one.answer.id: one.score for one in made}
    assert {row.generation_id: row.score for row in rows} == scores
    for one in made:
        assert one.answer.condition_id == asked.side.condition_id
        assert one.answer.kernel_placement != "none"
        assert one.kept == (one.answer.finish_reason == "stop")
    assert bench.run(asked, side) == []
    row = bench.store.query(distillation_row, asked.id)
    assert row is not None
    assert (row.finished, row.kept) == (8, sum(one.kept for one in made))


def test_stopped_and_gone_on_with_it_is_the_same_set(bench: Bench, side: Side) -> None:
    whole = bench.begin(side, samples=2)
    bench.run(whole, side)
    stopped = bench.begin(side, samples=2)
    first = bench.run(stopped, side, stop_after=3)
    assert 3 <= len(first) < 8
    rest = bench.run(stopped, restore(bench.store, stopped))
    assert len(first) + len(rest) == 8
    assert bench.texts(stopped) == bench.texts(whole)
    parts = bench.begin(side, samples=2)
    halves = [bench.run(parts, side, rank=rank, ranks=2) for rank in range(2)]
    assert [len(half) for half in halves] == [4, 4]
    assert bench.texts(parts) == bench.texts(whole)


def test_another_seed_asks_for_other_answers(bench: Bench, side: Side) -> None:
    first, second = bench.begin(side), bench.begin(side, seed=1)
    assert {one.seed for one in planned(first)}.isdisjoint(one.seed for one in planned(second))


def test_what_a_killed_process_did_not_come_to_score_is_scored(bench: Bench, side: Side) -> None:
    from lab.curriculum.plan import as_ask

    asked = bench.begin(side)
    asks = [as_ask(asked, one, side) for one in left_to_ask(asked, ())[:2]]
    made = [event for event in bench.session.generate("r", asks, 1) if isinstance(event, Finished)]
    bench.store.ingest()
    assert [row.score for row in bench.store.query(distilled_answers, asked.id)] == [None, None]
    found = bench.run(asked, side)
    assert len(found) == 4
    assert {one.answer.id for one in found[:2]} == {event.generation_id for event in made}
    assert all(row.score is not None for row in bench.store.query(distilled_answers, asked.id))


def test_other_weights_are_refused(bench: Bench, side: Side, tmp_path: Path) -> None:
    asked = bench.begin(side)
    with Journal.open(bench.store.home, "test") as journal:
        other = Session(load(str(tiny_model("llama", seed=3))), journal)
        with pytest.raises(LabError, match="is not what the distillation began with"):
            next(run(asked, side, BY, other, bench.store))


def test_an_instrument_that_has_nothing_to_say_is_refused(bench: Bench, side: Side) -> None:
    bench.store.append(*PROBES)
    with pytest.raises(LabError, match="capability gives no total for any of these probes"):
        begin(
            *(bench.session, bench.store, side, questions_of(PROBES), instrument("capability")),
            battery="core",
        )


@pytest.mark.parametrize(
    ("finish", "score", "threshold", "kept"),
    [
        ("stop", 12.0, 12.0, True),
        ("stop", 11.9, 12.0, False),
        ("stop", -3.0, None, True),
        ("length", 30.0, 12.0, False),
        ("length", 30.0, None, False),
        ("stop", None, None, False),
    ],
)
def test_kept_is_whole_scored_and_good_enough(
    finish: str, score: float | None, threshold: float | None, kept: bool
) -> None:
    assert is_kept(finish, score, threshold) is kept
