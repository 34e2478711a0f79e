"""A comparison carried out from the terminal: models loaded, pairs asked and scored, all of it kept.

What it is to be is in the store before its first answer, so that it can be gone on with after a stop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.compare.plan import Pass, Question, new_comparison, passes
from lab.compare.resume import refuse_others
from lab.compare.sides import Side, adapters, condition_records, shares_model, side_record
from lab.errors import LabError
from store.records import AdapterRecord, ModelRecord

if TYPE_CHECKING:
    from lab.measure.instrument import Instrument
    from screens.app import LanternApp
    from screens.workbench import Job
    from store.records import ComparisonRecord, GenerationRecord, ScoreRecord, SideRecord

BATCH_SIZE = 8
SCORED_AT_ONCE = 50
SCORE_EVERY_S = 1.5


@dataclass(frozen=True, slots=True)
class ComparePlan:
    """What to compare: two sides, the questions, and how often and by what the answers are judged."""

    left: Side
    right: Side
    questions: tuple[Question, ...]
    battery: str
    instrument: str
    samples: int = 1
    seed: int = 0
    batch_size: int = BATCH_SIZE


class Runner:
    """Carries out one comparison at a time."""

    def __init__(self, lab: LanternApp) -> None:
        self._lab = lab
        self._stopped = False
        self._scoring = asyncio.Lock()
        self._tried: set[tuple[str, int]] = set()
        self.running: ComparisonRecord | None = None

    async def begin(self, plan: ComparePlan) -> ComparisonRecord:
        """Load what it takes to know both sides, and write down what is to be compared. Raises LabError."""
        self._refuse_second()
        by = await asyncio.to_thread(self._instrument, plan.instrument)
        left, right = await self._identify(plan.left, plan.right)
        record = new_comparison(
            left,
            right,
            plan.questions,
            battery=plan.battery,
            instrument=by.name,
            version=by.version,
            seed=plan.seed,
            samples=plan.samples,
        )
        await self._lab.store.save([*condition_records(plan.left), *condition_records(plan.right), record])
        return record

    async def carry_out(
        self, record: ComparisonRecord, left: Side, right: Side, batch_size: int = BATCH_SIZE
    ) -> bool:
        """Ask and score what is left of a comparison; whether it came to its end."""
        from store.queries import answered

        self._refuse_second()
        self.running, self._stopped = record, False
        try:
            done = await self._lab.store.query(answered, record.id)
            for one in passes(record, left, right, done):
                await self._ask(record, one, batch_size)
                if self._stopped:
                    return False
            await self._lab.store.read_now()
            while await self.score_pairs(record):
                pass
            return True
        finally:
            self.running = None

    def _refuse_second(self) -> None:
        if self.running is not None:
            raise LabError("a comparison is running; X stops it, and it can be gone on with later")

    # -- models ----------------------------------------------------------------------------------------------

    async def _identify(self, left: Side, right: Side) -> tuple[SideRecord, SideRecord]:
        """Both sides as they are kept; of two models the left one is loaded last, to be asked first."""
        if shares_model(left, right):
            await self._load(left.model, adapters(left, right))
            return self._record(left), self._record(right)
        await self._load(right.model, adapters(right))
        second = self._record(right)
        await self._load(left.model, adapters(left))
        return self._record(left), second

    async def _load(self, model: str, paths: Sequence[str]) -> None:
        bench = self._lab.bench
        loaded = bench.model is not None and bench.model_name == model and bench.adapter_paths == tuple(paths)
        if not loaded:
            if bench.current_job is not None:
                raise LabError("the model is at work; X stops it, or wait until it is done")
            await bench.load(model, paths)

    def _record(self, side: Side) -> SideRecord:
        bench = self._lab.bench
        if bench.model is None:
            raise LabError("no model is loaded; Ctrl+L loads one")
        known = dict(zip(bench.adapter_paths, bench.adapters, strict=True))
        adapter = AdapterRecord(**known[side.adapter]) if side.adapter else None
        return side_record(side, ModelRecord(**bench.model), adapter)

    # -- asking ----------------------------------------------------------------------------------------------

    async def _ask(self, record: ComparisonRecord, one: Pass, batch_size: int) -> None:
        await self._load(one.model, one.adapters)
        self._refuse_others(record, one)
        over = asyncio.Event()

        def heard(job: Job) -> None:
            if job.request_id == asked.request_id:
                over.set()

        bench = self._lab.bench
        bench.on_job_over.append(heard)
        try:
            asked = await bench.ask(one.asks, "comparison", batch_size)
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), SCORE_EVERY_S)
                await self.score_pairs(record)
        finally:
            bench.on_job_over.remove(heard)
        self._stopped = asked.state != "done"

    def _refuse_others(self, record: ComparisonRecord, one: Pass) -> None:
        bench = self._lab.bench
        model_id = str(bench.model["id"]) if bench.model else ""
        refuse_others(record, one, model_id, [str(adapter["id"]) for adapter in bench.adapters])

    # -- scoring ---------------------------------------------------------------------------------------------

    async def score_pairs(self, record: ComparisonRecord) -> int:
        """Score the stored pairs that have both answers and no score yet; returns how many there were."""
        from store.queries import compared_generation, pair_probes, unscored_pairs

        if self._scoring.locked():
            return 0
        async with self._scoring:
            store = self._lab.store
            places = [
                place
                for place in await store.query(unscored_pairs, record.id)
                if (record.id, place) not in self._tried
            ]
            if not places:
                return 0
            probes = await store.query(pair_probes, record.id)
            by = await asyncio.to_thread(self._instrument, record.instrument)
            if by.version != record.version:
                self._tried.update((record.id, place) for place in places)
                raise LabError(
                    f"{record.instrument} {record.version} is not at hand any more (there is {by.version}): "
                    "these pairs stay without a score"
                )
            for place in places[:SCORED_AT_ONCE]:
                left = await store.query(compared_generation, record.id, place, "left")
                right = await store.query(compared_generation, record.id, place, "right")
                self._tried.add((record.id, place))
                if left is not None and right is not None:
                    await store.save(await asyncio.to_thread(_score, left, right, by, probes.get(place, {})))
            return len(places)

    def _instrument(self, name: str) -> Instrument:
        from lab.scoring import instrument

        return instrument(name, self._lab.home.config / "rubrics")


def _score(
    left: GenerationRecord, right: GenerationRecord, by: Instrument, probe: Mapping[str, object]
) -> list[ScoreRecord]:
    from lab.compare.scores import pair_scores

    return pair_scores(left, right, by, probe)
