"""Stand-ins for what the terminal talks to: a store in memory, and the fake engine's command."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen

from screens.app import LanternApp
from screens.theme.themes import DARK, VARIABLE_DEFAULTS
from store.home import Home
from store.queries import AnswerRow, BatteryCount, DomainCount, HistoryCell, ProbeFilter, ProbeRow
from store.records import ProbeRecord, Record

ENGINE = Path(__file__).with_name("fake_engine.py")
PATIENCE_S = 60.0


class Stage(App[None]):
    """An app with the lab's look for a widget by itself."""

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(VARIABLE_DEFAULTS)

    def on_mount(self) -> None:
        self.register_theme(DARK)
        self.theme = DARK.name


def engine_command(*options: str) -> list[str]:
    return [sys.executable, str(ENGINE), *options]


def probe_row(number: int, battery: str = "core", **changes: Any) -> ProbeRow:
    fields: dict[str, Any] = {
        "battery": battery,
        "id": f"P{number:03}_PROBE",
        "domain": ("Identity", "Network", "Storage")[number % 3],
        "prompt": f"What does probe {number} ask about the lantern?",
        "subjects": ("lantern",),
        "source_probe": None,
        "rephrase_type": None,
        "extra": {},
        "sha256": f"{number:064x}",
        "origin": "shipped",
        "n_answers": number % 4,
        "last_at": None,
    }
    return ProbeRow(**{**fields, **changes})


class MemoryStore:
    """Answers the questions that the screens ask, from lists; counts how often each was asked."""

    def __init__(self, probes: Sequence[ProbeRow] = (), answers: Sequence[AnswerRow] = ()) -> None:
        self.probes = list(probes)
        self.answers = list(answers)
        self.cells: list[HistoryCell] = []
        self.generations: dict[str, Any] = {}
        self.appended: list[Record] = []
        self.asked: list[str] = []
        self.closed = False

    async def aquery(self, question: Callable[..., Any], *arguments: Any) -> Any:
        self.asked.append(question.__name__)
        await asyncio.sleep(0)
        return getattr(self, question.__name__)(*arguments)

    async def aingest(self) -> int:
        return 0

    async def aappend(self, *records: Record) -> None:
        self.appended.extend(records)
        for record in records:
            if isinstance(record, ProbeRecord):
                self._put(record)

    def _put(self, record: ProbeRecord) -> None:
        self.probes = [row for row in self.probes if (row.battery, row.id) != (record.battery, record.id)]
        names = ("battery", "id", "domain", "prompt", "subjects", "sha256", "origin")
        fields = {name: getattr(record, name) for name in names}
        self.probes.append(probe_row(0, **{**fields, "n_answers": 0}))
        self.probes.sort(key=lambda row: (row.battery, row.id))

    def take_notices(self) -> list[str]:
        return []

    def close(self) -> None:
        self.closed = True

    def _matching(self, which: ProbeFilter) -> list[ProbeRow]:
        text = which.text.lower()
        return [
            row
            for row in self.probes
            if text in f"{row.id}\n{row.domain}\n{row.prompt}".lower()
            and (not which.batteries or row.battery in which.batteries)
            and (not which.domains or row.domain in which.domains)
        ]

    def count_probes(self, which: ProbeFilter) -> int:
        return len(self._matching(which))

    def page_probes(self, which: ProbeFilter, offset: int, limit: int) -> list[ProbeRow]:
        return self._matching(which)[offset : offset + limit]

    def batteries(self) -> list[BatteryCount]:
        names = sorted({row.battery for row in self.probes})
        return [BatteryCount(name, sum(row.battery == name for row in self.probes)) for name in names]

    def domains(self, within: Sequence[str]) -> list[DomainCount]:
        rows = [row for row in self.probes if not within or row.battery in within]
        return [
            DomainCount(name, sum(row.domain == name for row in rows))
            for name in sorted({r.domain for r in rows})
        ]

    def history_summary(self, battery: str, probe_id: str) -> list[HistoryCell]:
        return self.cells

    def probe_history(self, battery: str, probe_id: str, limit: int) -> list[AnswerRow]:
        return self.answers[:limit]

    def generation(self, generation_id: str) -> Any:
        return self.generations.get(generation_id)

    def probe(self, battery: str, probe_id: str) -> ProbeRow | None:
        return next((row for row in self.probes if (row.battery, row.id) == (battery, probe_id)), None)


@asynccontextmanager
async def lab(
    path: Path,
    *,
    size: tuple[int, int] = (120, 40),
    start: str | None = "live",
    store: MemoryStore | None = None,
    engine: Sequence[str] = (),
    prepare: bool = False,
    **options: Any,
) -> AsyncIterator[tuple[LanternApp, Pilot[None]]]:
    """The app on a fake engine and a store in memory, ready for keys; afterwards nothing of it is left."""
    memory = store or MemoryStore([probe_row(number) for number in range(12)])
    app = LanternApp(
        home=Home.resolve(path / "home"),
        start=start,
        engine_command=engine_command(*engine),
        open_service=lambda _: memory,
        prepare=prepare,
        **options,
    )
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(
            pilot, lambda: app.store.state == "ready" and app.bench.engine_state in ("ready", "empty", "dead")
        )
        await pilot.pause()
        try:
            yield app, pilot
        finally:
            await app.bench.close()


async def until(pilot: Pilot[None], condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Let the app work until a condition holds; if it never does, say what is on the screen."""
    try:
        async with asyncio.timeout(patience_s):
            while not condition():
                await pilot.pause(0.02)
    except TimeoutError:
        raise AssertionError(f"it did not come to pass; the screen shows\n{screen_text(pilot.app)}") from None


async def opened(app: LanternApp, pilot: Pilot[None], dialog: type[Screen[Any]]) -> None:
    """Wait for a window, and for its first field to take keys."""
    await until(pilot, lambda: isinstance(app.screen, dialog) and app.screen.focused is not None)


def screen_text(app: App[Any]) -> str:
    """What the terminal shows, line by line, as text."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())
