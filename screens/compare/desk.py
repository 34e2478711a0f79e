"""Where pairs are put together: answers of this session and of the store, their scores, their overlays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lab.protocol import Overlaid, View
from screens.compare.pair import Pair, side_score
from screens.compare.rows import name_of
from screens.compare.score_panel import PairScores
from store.records import ComparisonRecord, SideName, SideRecord

if TYPE_CHECKING:
    from screens.app import LanternApp
    from screens.compare.source import CompareSource
    from screens.workbench import Answer
    from store.queries import PairRow, StoredGeneration

SIDES: tuple[SideName, SideName] = ("left", "right")


class PairDesk:
    """Finds what a pair consists of, wherever it is."""

    def __init__(self, lab: LanternApp, source: CompareSource) -> None:
        self._lab = lab
        self._source = source

    async def pair(self, record: ComparisonRecord, row: PairRow, shown: Pair | None) -> Pair:
        """A pair of a comparison; the overlays of `shown` are kept where it is the same pair."""
        left, left_stored = await self._answer(record.left, row.seed, row.left_generation_id)
        right, right_stored = await self._answer(record.right, row.seed, row.right_generation_id)
        same = shown is not None and (shown.comparison_id, shown.place) == (record.id, row.place)
        planned = record.pairs[row.place]
        return Pair(
            comparison_id=record.id,
            place=row.place,
            name=name_of(row),
            prompt=planned.prompt,
            seed=planned.seed,
            domain=row.domain,
            left=left,
            right=right,
            same_tokens=record.left.model_id == record.right.model_id,
            scores=_scores(record, left_stored, right_stored),
            overlays=shown.overlays if same and shown else {},
        )

    async def _answer(
        self, side: SideRecord, seed: int, generation_id: str | None
    ) -> tuple[Answer | None, StoredGeneration | None]:
        """An answer of this session, whose alternatives have texts, else as stored; and what is stored."""
        from screens.live.stored import answer_of

        stored = await self._source.generation(generation_id) if generation_id else None
        live = self.live(side, seed)
        if live is not None:
            return live, stored
        return (answer_of(stored) if stored else None), stored

    def live(self, side: SideRecord, seed: int) -> Answer | None:
        """The answer of a side to the pair of this seed, if it was asked for in this session."""
        for answer in reversed(self._lab.bench.answers):
            if answer.ask.run_id == side.run_id and answer.ask.seed == seed and answer.state != "failed":
                return answer
        return None

    def being_written(self, record: ComparisonRecord) -> int | None:
        """The first place of which an answer is being written; None when none is."""
        runs = {record.left.run_id, record.right.run_id}
        places = {planned.seed: place for place, planned in enumerate(record.pairs)}
        written = [
            places[answer.ask.seed]
            for answer in self._lab.bench.answers
            if answer.state == "running" and answer.ask.run_id in runs and answer.ask.seed in places
        ]
        return min(written, default=None)

    # -- overlays --------------------------------------------------------------------------------------------

    def why_no_overlay(self, record: ComparisonRecord) -> str:
        """Why the engine cannot read a pair's texts as both sides now; empty when it can."""
        bench, sides = self._lab.bench, (record.left, record.right)
        if record.left.model_id != record.right.model_id:
            return "An overlay needs both sides on one model."
        if bench.engine_state != "ready" or bench.model is None:
            return "An overlay needs the model; it is not loaded."
        if bench.current_job is not None:
            return "The engine is at work; the overlay comes when it is free."
        known = {None, *(adapter["id"] for adapter in bench.adapters)}
        if bench.model["id"] != record.left.model_id or not {side.adapter_sha256 for side in sides} <= known:
            return f"An overlay needs {record.left.words} and {record.right.words} loaded."
        return ""

    async def overlays(self, record: ComparisonRecord, pair: Pair) -> Mapping[SideName, Overlaid]:
        """Both texts as both sides see them. Raises LabError when the engine cannot say."""
        left, right = [
            View(adapter=side.adapter_sha256, kernel_text=(await self._source.side(side)).kernel_text)
            for side in (record.left, record.right)
        ]
        found: dict[SideName, Overlaid] = {}
        for side in SIDES:
            answer = pair.answer(side)
            ids = [token.token_id for token in answer.tokens] if answer else []
            if ids:
                found[side] = await self._lab.bench.overlay(pair.prompt, ids, left, right)
        return found


def _scores(
    record: ComparisonRecord, left: StoredGeneration | None, right: StoredGeneration | None
) -> PairScores | None:
    """Both sides' scores by the comparison's own instrument; None before either has one."""
    found = [
        side_score(stored.scores, record.instrument, record.version) if stored else None
        for stored in (left, right)
    ]
    return PairScores(record.instrument, record.version, found[0], found[1]) if any(found) else None
