"""A comparison under way: models loaded, pairs asked and scored, all of it kept before it is told.

Stopped at any point, a comparison goes on where it was: what it was to be is in the store, and so is what is
finished of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lab.compare.plan import Pass, Target, passes
from lab.compare.resume import refuse_others, restored
from lab.compare.scores import pair_scores
from lab.compare.sides import Side, adapters, condition_records, shares_model, side_record
from lab.decode.loop import never
from lab.measure.instrument import Instrument
from lab.models.load import load
from lab.models.runtime import mx
from lab.protocol import Finished, Progress
from lab.session import Session
from store.home import Home
from store.journal import Journal
from store.queries import answered, compared_generation, pair_probes, stored_side, unscored_pairs
from store.records import AdapterRecord, ComparisonRecord, GenerationRecord, ScoreRecord, SideName, SideRecord
from store.service import StoreService

BATCH_SIZE = 8


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """A pair with both answers, scored; all of it is on disk."""

    place: int
    left: GenerationRecord
    right: GenerationRecord
    scores: tuple[ScoreRecord, ...]

    def total(self, side: SideName, instrument: str) -> float | None:
        """The total of one side's answer; None where the instrument leaves it undefined."""
        answer = self.left if side == "left" else self.right
        for score in self.scores:
            if (score.generation_id, score.instrument) == (answer.id, instrument):
                return score.total
        return None


class Models:
    """The models of a comparison, one loaded at a time."""

    def __init__(self, home: Home, journal: Journal) -> None:
        self._home = home
        self._journal = journal
        self._name: str | None = None
        self._session: Session | None = None

    def session(self, model: str) -> Session:
        """A session on this model, loaded unless it is the last one that was asked for."""
        if self._session is None or self._name != model:
            self._session = None
            mx.clear_cache()
            self._session, self._name = Session(load(model, cache_dir=self._home.cache), self._journal), model
        return self._session

    def release(self) -> None:
        """Let go of the model, so that another process has the memory."""
        self._session = self._name = None
        mx.clear_cache()

    def identify(self, left: Side, right: Side) -> tuple[SideRecord, SideRecord]:
        """Both sides as they are kept; loads what it takes to know them, the left model last."""
        if shares_model(left, right):
            known = self._attach(self.session(left.model), adapters(left, right))
            return self._record(left, known), self._record(right, known)
        second = self._record(right, self._attach(self.session(right.model), adapters(right)))
        return self._record(left, self._attach(self.session(left.model), adapters(left))), second

    @staticmethod
    def _attach(session: Session, paths: tuple[str, ...]) -> Mapping[str, AdapterRecord]:
        return dict(zip(paths, session.attach(paths), strict=True))

    def _record(self, side: Side, known: Mapping[str, AdapterRecord]) -> SideRecord:
        session = self.session(side.model)
        session.keep(*condition_records(side))
        return side_record(side, session.loaded.record, known[side.adapter] if side.adapter else None)


def run(
    comparison: ComparisonRecord,
    left: Side,
    right: Side,
    by: Instrument,
    models: Models,
    store: StoreService,
    *,
    batch_size: int = BATCH_SIZE,
    should_stop: Callable[[], bool] = never,
) -> Iterator[ScoredPair | Progress]:
    """Ask and score what is left of a comparison; ends early when `should_stop` turns true.

    The comparison must be in the store. Raises LabError when a side is not what it was when the comparison
    began, and StoreError when something cannot be kept.
    """
    desk = _Desk(comparison, by, store)
    left_to_ask = passes(comparison, left, right, store.query(answered, comparison.id))
    yield from score_answered(comparison, by, store)
    for one in left_to_ask:
        session = models.session(one.model)
        attached = session.attach(one.adapters)
        refuse_others(comparison, one, session.loaded.record.id, [adapter.id for adapter in attached])
        yield from _answers(one, session, desk, batch_size, should_stop)
        if should_stop():
            return


def score_answered(comparison: ComparisonRecord, by: Instrument, store: StoreService) -> Iterator[ScoredPair]:
    """Score the pairs that the store has both answers of, but no scores yet."""
    desk = _Desk(comparison, by, store)
    for place in store.query(unscored_pairs, comparison.id):
        yield desk.score(place, store.append)


def _answers(
    one: Pass, session: Session, desk: _Desk, batch_size: int, should_stop: Callable[[], bool]
) -> Iterator[ScoredPair | Progress]:
    for event in session.generate(desk.comparison.id, one.asks, batch_size, should_stop):
        if isinstance(event, Progress):
            yield event
        elif isinstance(event, Finished) and event.generation["finish_reason"] != "cancelled":
            place, side = one.targets[event.ask]
            desk.take((place, side), GenerationRecord(**event.generation))
            if desk.has_both(place):
                yield desk.score(place, session.keep)


class _Desk:
    """Where answers meet: those just made, and those that the store has from before."""

    def __init__(self, comparison: ComparisonRecord, by: Instrument, store: StoreService) -> None:
        self.comparison = comparison
        self._by = by
        self._store = store
        self._finished = set(store.query(answered, comparison.id))
        self._probes = store.query(pair_probes, comparison.id)
        self._answers: dict[Target, GenerationRecord] = {}

    def take(self, target: Target, answer: GenerationRecord) -> None:
        self._answers[target] = answer
        self._finished.add(target)

    def has_both(self, place: int) -> bool:
        return {(place, "left"), (place, "right")} <= self._finished

    def score(self, place: int, keep: Callable[..., None]) -> ScoredPair:
        """Score a pair; what is said of it is given to `keep`."""
        left, right = self._answer(place, "left"), self._answer(place, "right")
        scores = pair_scores(left, right, self._by, self._probes.get(place, {}))
        keep(*scores)
        return ScoredPair(place, left, right, tuple(scores))

    def _answer(self, place: int, side: SideName) -> GenerationRecord:
        answer = self._answers.pop((place, side), None)
        if answer is None:
            answer = self._store.query(compared_generation, self.comparison.id, place, side)
        assert answer is not None
        return answer


def restore(store: StoreService, comparison: ComparisonRecord) -> tuple[Side, Side]:
    """The sides of a stored comparison, to go on with it. Raises LabError naming what is gone."""
    left, right = (
        restored(side, store.query(stored_side, side)) for side in (comparison.left, comparison.right)
    )
    return left, right
