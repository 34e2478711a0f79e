"""What the Compare screen asks of the store, all off the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from screens.store_link import StoreLink
    from store.queries import (
        ComparedAnswer,
        ComparisonRow,
        PairFilter,
        PairRow,
        ProbeRow,
        RatingRow,
        StoredGeneration,
        StoredSide,
    )
    from store.records import ComparisonRecord, SideRecord


class CompareSource:
    """Comparisons, their pairs and answers, from the store."""

    def __init__(self, store: StoreLink) -> None:
        self._store = store

    async def count(self) -> int:
        from store.queries import count_comparisons

        return await self._store.query(count_comparisons)

    async def page(self, offset: int, limit: int) -> Sequence[ComparisonRow]:
        from store.queries import page_comparisons

        return await self._store.query(page_comparisons, offset, limit)

    async def comparison(self, comparison_id: str) -> ComparisonRecord | None:
        from store.queries import comparison

        return await self._store.query(comparison, comparison_id)

    async def side(self, side: SideRecord) -> StoredSide:
        from store.queries import stored_side

        return await self._store.query(stored_side, side)

    async def count_pairs(self, comparison_id: str, which: PairFilter) -> int:
        from store.queries import count_pairs

        return await self._store.query(count_pairs, comparison_id, which)

    async def page_pairs(
        self, comparison_id: str, which: PairFilter, offset: int, limit: int
    ) -> Sequence[PairRow]:
        from store.queries import page_pairs

        return await self._store.query(page_pairs, comparison_id, which, offset, limit)

    async def pair_position(self, comparison_id: str, which: PairFilter, place: int) -> int | None:
        from store.queries import pair_position

        return await self._store.query(pair_position, comparison_id, which, place)

    async def answers(self, comparison_id: str) -> Sequence[ComparedAnswer]:
        from store.queries import compared_answers

        return await self._store.query(compared_answers, comparison_id)

    async def answered(self, comparison_id: str) -> frozenset[tuple[int, str]]:
        from store.queries import answered

        return await self._store.query(answered, comparison_id)

    async def ratings(self, comparison_id: str) -> Sequence[RatingRow]:
        from store.queries import ratings

        return await self._store.query(ratings, comparison_id)

    async def generation(self, generation_id: str) -> StoredGeneration | None:
        from store.queries import generation

        return await self._store.query(generation, generation_id)

    async def probe(self, battery: str, probe_id: str) -> ProbeRow | None:
        from store.queries import probe

        return await self._store.query(probe, battery, probe_id)

    async def probes(self, battery: str) -> Sequence[ProbeRow]:
        """Every probe of a battery."""
        from store.queries import ProbeFilter, count_probes, page_probes

        which = ProbeFilter(batteries=(battery,))
        n = await self._store.query(count_probes, which)
        return await self._store.query(page_probes, which, 0, n)

    async def batteries(self) -> Sequence[str]:
        from store.queries import batteries

        return [row.battery for row in await self._store.query(batteries)]
