"""What screens and commands use: ask the store, keep it up to date, write to it. Waits are bounded.

The in-memory DuckDB lives on one worker thread, which also reads the journals; the event loop never blocks.
A damaged database is set aside and rebuilt from the journals on the way; `take_notices` tells.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from types import TracebackType
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Self, TypeVar

from store.errors import StoreError
from store.home import Home
from store.journal import Journal
from store.records import Record

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from store.database import Database
    from store.ingest import Ingester, IngestReport

P = ParamSpec("P")
T = TypeVar("T")

WAIT_S = 30.0
INGEST_WAIT_S = 600.0


class StoreService:
    """The store of one process. Methods are thread-safe; `a…` variants are for the event loop."""

    def __init__(self, home: Home, process: str = "lab", *, wait_s: float = WAIT_S) -> None:
        """`process` names this process in its journal, which is opened at the first append."""
        self.home = home
        self._process = process
        self._wait_s = wait_s
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._database: Database | None = None
        self._ingester: Ingester | None = None
        self._journal: Journal | None = None
        self._journal_lock = threading.Lock()
        self._notices: list[str] = [home.notice] if home.notice else []
        self._told_unreadable: set[str] = set()
        self._closed = False

    def query(
        self,
        question: Callable[Concatenate[DuckDBPyConnection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """The answer of a function of `store.queries`. Raises StoreError."""
        return self._wait(self._submit(lambda: self._query(question, *args, **kwargs)), self._wait_s)

    async def aquery(
        self,
        question: Callable[Concatenate[DuckDBPyConnection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """`query` for the event loop. Cancelling drops a question that has not started."""
        return await self._await(self._submit(lambda: self._query(question, *args, **kwargs)), self._wait_s)

    def ingest(self) -> int:
        """Bring in what is new in the journals of all processes, and say how many records that was."""
        return self._wait(self._submit(self._ingest), INGEST_WAIT_S)

    async def aingest(self) -> int:
        """`ingest` for the event loop."""
        return await self._await(self._submit(self._ingest), INGEST_WAIT_S)

    def append(self, *records: Record) -> None:
        """Write records to this process's journal, on disk when this returns, and bring them in.

        Raises StoreError when they could not be written. When only the database is busy, a notice says so.
        """
        self._wait(self._submit(lambda: self._append(records)), INGEST_WAIT_S)

    async def aappend(self, *records: Record) -> None:
        """`append` for the event loop."""
        await self._await(self._submit(lambda: self._append(records)), INGEST_WAIT_S)

    def keep(self, *records: Record) -> None:
        """Write records to this process's journal, on disk when this returns; the next ingest brings them in.

        Waits for no question and no other process. Raises StoreError when they could not be written.
        """
        if self._closed:
            raise StoreError("the store is closed")
        self._write(records)

    async def akeep(self, *records: Record) -> None:
        """`keep` for the event loop."""
        await asyncio.to_thread(self.keep, *records)

    def take_notices(self) -> list[str]:
        """What a person should know, each told once: a poor home, a damaged database that was rebuilt."""
        notices, self._notices = self._notices, []
        return notices

    def close(self) -> None:
        """Stop a running query, let the database go, close the journal. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        self._worker.shutdown(wait=False, cancel_futures=True)
        if self._database is not None:
            self._database.interrupt()
        self._worker.shutdown(wait=True)
        if self._database is not None:
            self._database.close()
        if self._journal is not None:
            self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        if self._closed:
            raise StoreError("the store is closed")
        return self._worker.submit(work)

    def _write(self, records: tuple[Record, ...]) -> None:
        with self._journal_lock:
            if self._journal is None:
                self._journal = Journal.open(self.home, self._process)
            last = len(records) - 1
            for number, record in enumerate(records):
                self._journal.append(record, durable=number == last)

    def _wait(self, future: Future[T], wait_s: float) -> T:
        try:
            return future.result(timeout=wait_s)
        except FutureTimeoutError:
            self._give_up(future)
            raise StoreError(f"the store did not answer within {wait_s:g} s") from None

    async def _await(self, future: Future[T], wait_s: float) -> T:
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout=wait_s)
        except TimeoutError:
            self._give_up(future)
            raise StoreError(f"the store did not answer within {wait_s:g} s") from None

    def _give_up(self, future: Future[T]) -> None:
        if not future.cancel() and self._database is not None:
            self._database.interrupt()

    # Everything below runs on the worker thread.

    def _query(
        self,
        question: Callable[Concatenate[DuckDBPyConnection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        database = self._opened()[0]
        return self._with_repair(lambda: database.read(lambda con: question(con, *args, **kwargs)))

    def _ingest(self) -> int:
        ingester = self._opened()[1]
        report: IngestReport = self._with_repair(ingester.ingest)
        if report.errors:
            lines = "1 journal line" if report.errors == 1 else f"{report.errors} journal lines"
            self._notices.append(f"set aside, could not be read: {lines}; see `lantern store check`")
        for name, why in ingester.unreadable.items():
            if name not in self._told_unreadable:
                self._told_unreadable.add(name)
                self._notices.append(why)
        return report.new_records

    def _append(self, records: tuple[Record, ...]) -> None:
        self._write(records)
        try:
            self._ingest()
        except StoreError as error:
            # It is on disk and will be brought in later: an error would make people save it twice.
            self._notices.append(f"saved, but not to be seen yet: {error}")

    def _with_repair(self, work: Callable[[], T]) -> T:
        """Do `work`; when the database turns out damaged, set it aside, rebuild it and do it once more."""
        from store.database import DamagedDatabaseError

        try:
            return work()
        except DamagedDatabaseError:
            database, ingester = self._opened()
            self._notices.append(database.quarantine())
            ingester.ingest()
            return work()

    def _opened(self) -> tuple[Database, Ingester]:
        if self._database is None or self._ingester is None:
            from store.database import Database
            from store.ingest import Ingester

            self._database = Database(self.home)
            self._ingester = Ingester(self.home, self._database)
        return self._database, self._ingester
