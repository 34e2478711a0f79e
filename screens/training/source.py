"""What the Train screen asks of files and the store: the list of runs, and a run as a book."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from screens.training.book import Event, RunBook, Sample
from screens.training.series import Series
from store.records import RUN_ENDS

if TYPE_CHECKING:
    from lab.train.folder import Presence, RunFolder
    from lab.train.outlook import Earlier
    from screens.store_link import StoreLink
    from store.home import Home
    from store.queries.runs import RunRow

TREND_BUCKETS = 16
STORED_BUCKETS = 1000
SAMPLES_SHOWN = 100
LOG_TAIL_BYTES = 4096
READ_WITHIN_S = 60.0
"""A run that failed before its first record never comes into the store: it is not waited for any longer."""
WORDS = (
    ("scu", ("state", "reason")),
    ("probes", ("zone", "base_zone", "degenerate")),
    ("train", ("loss", "alarm")),
)
"""What is told in words beside figures, by its source."""


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run as the list shows it. `silent_s` is how long ago it last spoke.

    `ending` is how it ended by its own last words or by the store, which `is_whole` when it has read the end.
    """

    id: str
    name: str
    model: str
    objective: str
    presence: Presence | None
    silent_s: float | None
    step: int
    planned_steps: int
    loss_nats: float | None
    trend: tuple[float, ...]
    ending: str
    is_whole: bool
    words: str

    @property
    def is_live(self) -> bool:
        return self.presence in ("running", "paused")

    @property
    def is_ahead_of_the_store(self) -> bool:
        """Whether its journal tells more than the store has read: it goes on, or it ended a moment ago."""
        ended = self.presence == "ended" and not self.is_whole
        return self.is_live or (ended and self.silent_s is not None and self.silent_s < READ_WITHIN_S)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a run's folder says of it before its first record."""

    name: str
    model: str
    objective: str


class RunSource:
    """Runs of this home: those with a folder, and those that only the store remembers."""

    def __init__(self, home: Home, store: StoreLink) -> None:
        self._home, self._store = home, store
        self._plans: dict[str, _Plan] = {}
        self._ended: dict[str, RunLine] = {}

    async def ids(self, text: str = "") -> list[str]:
        """The ids of all runs whose id, name, model or objective holds every word of `text`, newest first."""
        from store.queries.runs import run_names

        stored = {run.id: run for run in await self._store.query(run_names)} if self._is_open else {}
        plans = await asyncio.to_thread(self._read_plans)
        found = {
            run_id: f"{run_id} {plan.name} {plan.model} {plan.objective}" for run_id, plan in plans.items()
        }
        for run_id, run in stored.items():
            found[run_id] = f"{found.get(run_id, run_id)} {run.name} {run.model_name or ''} {run.objective}"
        words = text.lower().split()
        return sorted(
            (run_id for run_id, said in found.items() if all(word in said.lower() for word in words)),
            reverse=True,
        )

    async def page(self, ids: Sequence[str]) -> list[RunLine]:
        """The runs with these ids, in this order."""
        from store.queries.runs import run_trends, runs_by_id

        rows: dict[str, RunRow] = {}
        trends: Mapping[str, Sequence[float]] = {}
        fresh = [run_id for run_id in ids if run_id not in self._ended]
        if self._is_open and fresh:
            rows = {row.id: row for row in await self._store.query(runs_by_id, fresh)}
            trends = await self._store.query(run_trends, fresh, TREND_BUCKETS)
        made = await asyncio.to_thread(
            lambda: {run_id: self._line(run_id, rows.get(run_id), trends.get(run_id, ())) for run_id in fresh}
        )
        # A run that has ended and is whole in the store does not change until it is gone on with.
        self._ended.update(
            (run_id, line)
            for run_id, line in made.items()
            if line.is_whole and line.presence in ("ended", None)
        )
        return [made.get(run_id) or self._ended[run_id] for run_id in ids]

    def forget(self, run_id: str) -> None:
        """The run is gone on with: what was known of its end is old."""
        self._ended.pop(run_id, None)

    @property
    def _is_open(self) -> bool:
        return self._store.open.is_set()

    def folder(self, run_id: str) -> RunFolder | None:
        """The run's folder, where it still has one."""
        from lab.train.folder import RunFolder, runs_folder

        folder = RunFolder(runs_folder(self._home) / run_id)
        return folder if folder.plan.is_file() else None

    def _read_plans(self) -> dict[str, _Plan]:
        from lab.train.folder import list_runs

        folders = list_runs(self._home)
        for folder in folders:
            if folder.run_id not in self._plans:
                self._plans[folder.run_id] = _plan_of(folder)
        return {folder.run_id: self._plans[folder.run_id] for folder in folders}

    def _line(self, run_id: str, row: RunRow | None, trend: Sequence[float]) -> RunLine:
        folder = self.folder(run_id)
        plan = self._plans.get(run_id, _Plan("", "", ""))
        beat = folder.read_heartbeat() if folder else None
        last_event = (row.last_event if row else None) or ""
        is_whole = last_event in RUN_ENDS
        words = beat.words if beat else ""
        presence = folder.presence() if folder else None
        if folder and presence in ("not started", "presumed dead"):
            words = last_log_line(folder) or words
        return RunLine(
            id=run_id,
            name=row.name if row else plan.name,
            model=(row.model_name if row else None) or plan.model,
            objective=row.objective if row else plan.objective,
            presence=presence,
            silent_s=time.time() - beat.at_s if beat else None,
            step=max(row.step if row else 0, beat.step if beat else 0),
            planned_steps=(row.planned_steps if row else 0) or (beat.planned_steps if beat else 0),
            loss_nats=row.loss_nats if row else None,
            trend=tuple(trend),
            ending=last_event if is_whole else beat.ending if beat else "",
            is_whole=is_whole,
            words=words or (row.last_words if row and presence != "running" else None) or "",
        )

    async def earlier(self) -> dict[str, list[Earlier]]:
        """The newest runs by the model that they were told to train, for comparing what is planned."""
        from lab.train.outlook import EARLIER_RUNS, by_model
        from store.queries import runs

        return by_model(await self._store.query(runs.run_costs, EARLIER_RUNS)) if self._is_open else {}

    # -- a run from the store --------------------------------------------------------------------------------

    async def loss(self, run_id: str) -> RunBook:
        """A run with its training loss only, for an overlay."""
        from store.queries import runs

        book = RunBook(run_id)
        stored = await self._store.query(runs.run, run_id)
        book.name = stored.name if stored else run_id[-8:]
        points = await self._store.query(runs.metric_series, run_id, "train", "loss_nats", STORED_BUCKETS)
        book.series["train", "loss_nats"] = Series.of(points)
        return book

    async def book(self, run_id: str) -> RunBook | None:
        """A past run as the store has it; None where it does not know it."""
        from store.queries import runs

        query = self._store.query
        stored = await query(runs.run, run_id)
        if stored is None:
            return None
        book = RunBook(run_id)
        book.name, book.objective = stored.name, stored.objective
        book.settings, book.planned_steps = stored.settings, stored.planned_steps
        for source, name in await query(runs.metric_names, run_id):
            points = await query(runs.metric_series, run_id, source, name, STORED_BUCKETS)
            series = book.series[source, name] = Series.of(points)
            if series.points:
                book.step = max(book.step, series.points[-1].step)
        if ("valid", "loss_nats") in book.series:
            taken = book.series.get(("valid", "best"), Series()).points
            flags = {point.step: point.greatest for point in taken}
            for point in book.series["valid", "loss_nats"].points:
                book.held_out(point.step, point.least, flags.get(point.step))
        await self._read_words(book)
        for event in await query(runs.run_events, run_id):
            book.events.append(Event(event.step, event.name, event.level, event.words, event.at))
        book.n_checkpoints = len(await query(runs.run_checkpoints, run_id))
        await self._read_samples(book)
        book.revision += 1
        return book

    async def _read_words(self, book: RunBook) -> None:
        from store.queries import runs

        for source, names in WORDS:
            said: dict[str, str] = {}
            for name in names:
                if history := await self._store.query(runs.metric_words, book.run_id, source, name):
                    said[name] = history[-1][1]
            if said:
                book.words[source] = said

    async def _read_samples(self, book: RunBook) -> None:
        from store.queries import generation
        from store.queries.runs import run_samples

        rows = await self._store.query(run_samples, book.run_id)
        for row in rows[-SAMPLES_SHOWN:]:
            stored = await self._store.query(generation, row.generation_id)
            trace = stored.generation.trace if stored else None
            book.samples.append(
                Sample(
                    row.step,
                    row.generation_id,
                    row.probe_id or row.monitor,
                    row.text,
                    row.mean_entropy_nats,
                    trace.ends if trace else (),
                    trace.entropy_nats if trace else (),
                    stored is not None and stored.generation.adapter_sha256 is None,
                )
            )


def _plan_of(folder: RunFolder) -> _Plan:
    try:
        settings: Mapping[str, Any] = folder.read_plan()["settings"]
        model = str(settings.get("model", ""))
        return _Plan(
            str(settings.get("name", "")),
            model.rstrip("/").rpartition("/")[2],
            str(settings.get("objective", "")),
        )
    except (LabError, KeyError, AttributeError, TypeError):
        return _Plan(folder.run_id[-8:], "", "")


def last_log_line(folder: RunFolder) -> str:
    """The last thing that the run's process printed: why it ended, where it ended without a record."""
    try:
        with folder.log.open("rb") as file:
            file.seek(max(0, folder.log.stat().st_size - LOG_TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].removeprefix("lantern: ") if lines else ""
