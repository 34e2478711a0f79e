"""What the commands that run a model share: a session in this process, with its journal and the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from store.home import Home

if TYPE_CHECKING:
    from lab.session import Session
    from store.records import ProbeRecord
    from store.service import StoreService

ModelOption = Annotated[
    str, typer.Option("--model", help="A model folder, a hub id, or wick.", envvar="LANTERN_MODEL")
]


@dataclass(frozen=True)
class Workbench:
    """A loaded model, where its answers are kept, and the store they land in."""

    home: Home
    session: Session
    store: StoreService


@contextmanager
def workbench(home: Path | None, model: str) -> Iterator[Workbench]:
    """Load `model` here; on the way out, also after Ctrl-C, everything finished is brought into the store."""
    from lab.models.load import load
    from lab.session import Session
    from store.journal import Journal
    from store.service import StoreService

    where = Home.resolve(home)
    loaded = load(model, cache_dir=where.cache)
    service = StoreService(where)
    try:
        with Journal.open(where, "cli") as journal:
            yield Workbench(where, Session(loaded, journal), service)
    finally:
        service.ingest()
        service.close()


def find_probes(ids: Sequence[str]) -> list[ProbeRecord]:
    """Shipped probes by id, in the order asked for. Raises LabError for an id that is not there."""
    from lab.errors import LabError
    from lab.probes import shipped

    by_id = {probe.id.lower(): probe for probe in shipped()}
    missing = [wanted for wanted in ids if wanted.lower() not in by_id]
    if missing:
        raise LabError(f"no probe {missing[0]!r}: `lantern probes list` shows the ids")
    return [by_id[wanted.lower()] for wanted in ids]
