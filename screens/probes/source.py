"""What the Probes screen asks of the store, all off the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from screens.store_link import StoreLink
    from store.queries import (
        AnswerRow,
        BatteryCount,
        DomainCount,
        HistoryCell,
        ProbeFilter,
        ProbeRow,
        StoredGeneration,
    )

ANSWERS_SHOWN = 50
EXPORT_PAGE = 5000


class ProbeSource:
    """Probes, their answers and their history, from the store."""

    def __init__(self, store: StoreLink) -> None:
        self._store = store

    async def count(self, which: ProbeFilter) -> int:
        from store.queries import count_probes

        return await self._store.query(count_probes, which)

    async def page(self, which: ProbeFilter, offset: int, limit: int) -> Sequence[ProbeRow]:
        from store.queries import page_probes

        return await self._store.query(page_probes, which, offset, limit)

    async def all(self, which: ProbeFilter) -> list[ProbeRow]:
        """Every probe that matches, fetched in large pages."""
        rows: list[ProbeRow] = []
        while page := await self.page(which, len(rows), EXPORT_PAGE):
            rows.extend(page)
        return rows

    async def batteries(self) -> Sequence[BatteryCount]:
        from store.queries import batteries

        return await self._store.query(batteries)

    async def domains(self, within: Sequence[str]) -> Sequence[DomainCount]:
        from store.queries import domains

        return await self._store.query(domains, tuple(within))

    async def position(self, which: ProbeFilter, battery: str, probe_id: str) -> int | None:
        from store.queries import probe_position

        return await self._store.query(probe_position, which, battery, probe_id)

    async def summary(self, probe: ProbeRow) -> Sequence[HistoryCell]:
        from store.queries import history_summary

        return await self._store.query(history_summary, probe.battery, probe.id)

    async def answers(self, probe: ProbeRow) -> Sequence[AnswerRow]:
        from store.queries import probe_history

        return await self._store.query(probe_history, probe.battery, probe.id, ANSWERS_SHOWN)

    async def generation(self, generation_id: str) -> StoredGeneration | None:
        from store.queries import generation

        return await self._store.query(generation, generation_id)
