"""`lantern pairs suggest` in the background: a process of its own makes the answers and puts the pairs up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.errors import LabError
from store.ids import new_id

if TYPE_CHECKING:
    from screens.store_link import StoreLink
    from store.home import Home


@dataclass(frozen=True, slots=True)
class WantedPairs:
    """What a person asks for. `batteries` and `adapter` may be empty: the command's own, and none."""

    model: str
    adapter: str
    batteries: str
    probes: int
    pairs: int

    @property
    def named_batteries(self) -> list[str]:
        return self.batteries.replace(",", " ").split()


def command_of(wanted: WantedPairs, home: Home) -> list[str]:
    """The command's arguments behind `lantern`."""
    arguments = ["pairs", "suggest", "--home", str(home.path), "--json", "--model", wanted.model]
    arguments += ["--limit", str(wanted.probes), "--n", str(wanted.pairs)]
    if wanted.adapter:
        arguments += ["--adapter", wanted.adapter]
    for battery in wanted.named_batteries:
        arguments += ["--battery", battery]
    return arguments


class Suggesting:
    """One such process at a time."""

    def __init__(self, store: StoreLink) -> None:
        self._store = store
        self._process: asyncio.subprocess.Process | None = None
        self._began = ""
        self.done = 0
        self.planned = 0

    @property
    def under_way(self) -> bool:
        return self._process is not None

    @property
    def words(self) -> str:
        """How far it is."""
        if not self.planned:
            return "suggesting pairs: loading the model"
        return f"suggesting pairs: answer {self.done:,} of {self.planned:,}"

    async def run(self, wanted: WantedPairs, home: Home) -> int:
        """Carry it out; returns how many pairs were put up. Raises LabError with the command's own words."""
        self._began, self.done, self.planned = new_id(), 0, 0
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "screens.entry", *command_of(wanted, home)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, err = await self._process.communicate()
            status = self._process.returncode
        finally:
            self.stop()
            self._process = None
        if status == 0:
            return len(json.loads(out).get("pairs", ()))
        said = err.decode("utf-8", "replace").strip().splitlines()
        raise LabError(said[-1] if said else f"`lantern pairs suggest` ended with status {status}")

    async def look(self) -> None:
        """Ask the store how far it is."""
        from store.queries.pairs import sweep_progress

        self._store.ingest_soon()
        self.done, self.planned = await self._store.query(sweep_progress, self._began)

    def stop(self) -> None:
        """Ask it to end after what is being written; every finished answer stays."""
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
