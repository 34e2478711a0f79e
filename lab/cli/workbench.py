"""What the commands that run a model share: a session in this process, with its journal and the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.stored import open_store
from store.home import Home

if TYPE_CHECKING:
    from lab.session import Session
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

    where = Home.resolve(home)
    loaded = load(model, cache_dir=where.cache)
    with open_store(where.path) as store, Journal.open(where, "cli") as journal:
        try:
            yield Workbench(where, Session(loaded, journal), store)
        finally:
            store.ingest()
