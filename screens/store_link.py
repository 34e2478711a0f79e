"""The store as the terminal holds it: opened after the first paint, asked off the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from lab.errors import LabError

if TYPE_CHECKING:
    from store.home import Home
    from store.records import Record

Result = TypeVar("Result")
StoreState = Literal["closed", "opening", "reading", "ready", "failed"]

INGEST_EVERY_S = 1.0
CLOSE_WITHIN_S = 3.0


class StoreLink:
    """One StoreService for the whole terminal. `changes` grows when something new can be read."""

    def __init__(self, home: Home, open_service: Callable[[Home], Any] | None = None) -> None:
        self.state: StoreState = "closed"
        self.fault = ""
        self.changes = 0
        self.on_notice: list[Callable[[str], None]] = []
        self.open = asyncio.Event()
        self._home = home
        self._open_service = open_service or _open_service
        self._service: Any = None
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Open the store, bring the shipped probes in, then ingest whenever an answer was finished."""
        self.state = "opening"
        try:
            self._service = await asyncio.to_thread(self._open_service, self._home)
            self.state = "reading"
            await self._service.aingest()
        except Exception as error:
            self.state, self.fault = "failed", str(error)
            raise
        self._ready()
        self._tell_notices()
        while True:
            await self._wake.wait()
            self._wake.clear()
            if await self._service.aingest():
                self.changes += 1
            self._tell_notices()
            await asyncio.sleep(INGEST_EVERY_S)

    async def query(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Ask the store; `function` is one of `store.queries`. Waits until the store is open."""
        await self.open.wait()
        result: Result = await self._service.aquery(function, *arguments)
        return result

    async def work(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Let a function of the lab work with the store itself, in a thread of its own."""
        await self.open.wait()
        return await asyncio.to_thread(function, self._service, *arguments)

    async def save(self, records: Sequence[Record]) -> None:
        """Append records to the terminal's journal; they can be read back when this returns."""
        await self.open.wait()
        await self._service.aappend(*records)
        self.changes += 1

    async def keep(self, records: Sequence[Record]) -> None:
        """Append records; they are on disk when this returns, and can be read back a little later."""
        await self.open.wait()
        await self._service.akeep(*records)
        self.ingest_soon()

    def ingest_soon(self) -> None:
        """There is something new in a journal; read it within a second."""
        self._wake.set()

    async def read_now(self) -> None:
        """Read what is new in the journals, and wait until it can be asked about."""
        await self.open.wait()
        if await self._service.aingest():
            self.changes += 1

    async def close(self) -> None:
        """Let go of the store; never waits long."""
        service, self._service = self._service, None
        if service is not None:
            with contextlib.suppress(TimeoutError, Exception):
                await asyncio.wait_for(asyncio.to_thread(service.close), CLOSE_WITHIN_S)

    def _tell_notices(self) -> None:
        for notice in self._service.take_notices():
            for listener in self.on_notice:
                listener(notice)

    def _ready(self) -> None:
        self.state = "ready"
        self.changes += 1
        self.open.set()


def _open_service(home: Home) -> Any:
    from lab.probes import sync_shipped
    from store.service import StoreService

    service = StoreService(home)
    try:
        sync_shipped(service)
    except LabError:
        service.close()
        raise
    return service
