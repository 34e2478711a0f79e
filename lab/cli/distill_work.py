"""Who makes the answers of a distillation: this process, several of its own, or the ranks of `mlx.launch`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from lab.cli.compare import stopping_politely
from lab.cli.distill_live import watching
from lab.curriculum.distill import Distilled, begin, instrument_of, restore, run
from lab.curriculum.worker import STOPPED, launch
from lab.errors import LabError
from lab.models.load import load
from lab.scoring import DEFAULT_INSTRUMENT
from lab.scoring import instrument as find
from lab.session import Session
from lab.train.ranks import join_ranks
from store.journal import Journal
from store.queries.distilled import distillation, distillation_row

if TYPE_CHECKING:
    from lab.compare.sides import Side
    from store.home import Home
    from store.records import DistillationRecord, DistilledQuestion
    from store.service import StoreService

POLL_S = 0.5


class Work:
    """A context: inside, distillations are begun and made; on the way out all of it is in the store."""

    def __init__(self, home: Home, store: StoreService, batch_size: int) -> None:
        self._home = home
        self._store = store
        self._batch_size = batch_size
        self._session: Session | None = None
        self._open = ExitStack()
        self.ranks = join_ranks()

    def __enter__(self) -> Self:
        self._journal = self._open.enter_context(Journal.open(self._home, "cli"))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        self._store.ingest()

    def begin(
        self, side: Side, questions: Sequence[DistilledQuestion], instrument: str | None, **settings: Any
    ) -> DistillationRecord:
        """A new distillation, in the store."""
        by = find(instrument or DEFAULT_INSTRUMENT, self._home.config / "rubrics")
        return begin(self._loaded(side.model), self._store, side, questions, by, **settings)

    def shared(self, make: Callable[[], DistillationRecord]) -> DistillationRecord:
        """What the first rank makes, on all ranks."""
        made = make() if self.ranks.is_first else None
        told = self.ranks.from_first(made.id.encode() if made else b"").decode()
        if made is not None:
            return made
        self._store.ingest()
        found = self._store.query(distillation, told)
        if found is None:
            raise LabError("the ranks do not share a home: give all of them the same --home")
        return found

    def here(self, planned: DistillationRecord) -> bool:
        """Make what is left, or this rank's part of it; False when it was stopped by Ctrl-C."""
        row = self._store.query(distillation_row, planned.id)
        assert row is not None
        if row.finished == row.planned:
            return True
        side, by = restore(self._store, planned), instrument_of(planned, self._home)
        with stopping_politely() as stopped, watching(row, shown=self.ranks.is_first) as watcher:
            made = run(
                planned,
                side,
                by,
                self._loaded(side.model),
                self._store,
                batch_size=self._batch_size,
                rank=self.ranks.rank,
                ranks=self.ranks.size,
                should_stop=stopped,
            )
            for event in made:
                if isinstance(event, Distilled):
                    watcher.take(event.kept)
            # The first rank reports for all: it waits until they have finished.
            self.ranks.from_first(b"done")
            return not stopped()

    def in_processes(self, planned: DistillationRecord, ranks: int) -> bool:
        """Make what is left in so many processes; False when they were stopped.

        Raises LabError when one of them fails.
        """
        self._session = None
        with stopping_politely() as stopped:
            processes = launch(self._home, planned.id, ranks, self._batch_size)
            self._follow(planned, lambda: any(process.poll() is None for process in processes))
            codes = [process.wait() for process in processes]
        if any(code not in (0, STOPPED) for code in codes):
            raise LabError(
                f"{sum(code not in (0, STOPPED) for code in codes)} of {ranks} processes failed; what is "
                f"finished is kept, go on with `lantern distill --resume {planned.id[-8:]}`"
            )
        return not stopped() and STOPPED not in codes

    def _follow(self, planned: DistillationRecord, is_going: Callable[[], bool]) -> None:
        row = self._store.query(distillation_row, planned.id)
        assert row is not None
        with watching(row) as watcher:
            while is_going():
                time.sleep(POLL_S)
                self._store.ingest()
                row = self._store.query(distillation_row, planned.id)
                assert row is not None
                watcher.show(row.finished, row.kept)

    def _loaded(self, model: str) -> Session:
        if self._session is None:
            self._session = Session(load(model, cache_dir=self._home.cache), self._journal)
        return self._session
