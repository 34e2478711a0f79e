"""What the Curate screen asks of the store, all off the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from screens.store_link import StoreLink
    from store.queries import StoredGeneration
    from store.queries.judgements import (
        Facet,
        ListedPair,
        PairToJudge,
        QueuedPair,
        QueueFilter,
        Strategy,
    )
    from store.records import JudgementRecord


class CurateSource:
    """Pairs, queues and logs of raters, from the store."""

    def __init__(self, store: StoreLink) -> None:
        self._store = store

    async def log(self, rater: str) -> Sequence[JudgementRecord]:
        from store.queries.judgements import rater_log

        return await self._store.query(rater_log, rater)

    async def raters(self) -> Sequence[tuple[str, int]]:
        from store.queries.judgements import raters

        return await self._store.query(raters)

    async def queue(
        self, rater: str, strategy: Strategy, which: QueueFilter, limit: int
    ) -> Sequence[QueuedPair]:
        from store.queries.judgements import queue_page

        return await self._store.query(queue_page, rater, strategy, which, limit)

    async def count_queue(self, rater: str, strategy: Strategy, which: QueueFilter) -> int:
        from store.queries.judgements import count_queue

        return await self._store.query(count_queue, rater, strategy, which)

    async def pairs(self, pair_ids: Sequence[str]) -> Sequence[PairToJudge]:
        from store.queries.judgements import pairs_to_judge

        return await self._store.query(pairs_to_judge, pair_ids)

    async def generation(self, generation_id: str) -> StoredGeneration | None:
        from store.queries import generation

        return await self._store.query(generation, generation_id)

    async def facets(self) -> Sequence[Facet]:
        from store.queries.judgements import pair_facets

        return await self._store.query(pair_facets)

    async def count_listed(self, which: QueueFilter) -> int:
        from store.queries.judgements import count_pairs_listed

        return await self._store.query(count_pairs_listed, which)

    async def page_listed(
        self, rater: str, which: QueueFilter, offset: int, limit: int
    ) -> Sequence[ListedPair]:
        from store.queries.judgements import page_pairs_listed

        return await self._store.query(page_pairs_listed, rater, which, offset, limit)
