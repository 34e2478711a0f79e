"""Pairs for tests of the Curate screen: a real store that holds some, and the lab on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from lab.preference.put_up import pair_id
from screens.app import LanternApp
from screens.curate.screen import CurateScreen
from store.home import Home
from store.journal import Journal, read
from store.records import ComparisonRecord, GenerationRecord, PairRecord, Record
from store.service import StoreService
from tests.screens.comparisons import pair_records
from tests.screens.fakes import lab, screen_text, until

SHARED = "One could begin with what everybody can see from where they stand before the bridge, "
ONE = SHARED + "and then it is best to ask an expert about the river."
OTHER = SHARED + "for the river asks what it would cost you. Perhaps another view helps here."


def judged_records(n: int, texts: Sequence[tuple[str, str]] = (), **options: Any) -> list[Record]:
    """`n` pairs with their answers: those of `texts`, else made ones that each name their number."""
    made = [*texts, *((f"{ONE} ({k})", f"{OTHER} ({k})") for k in range(len(texts), n))]
    _, records = pair_records(made[:n], scored=False, **options)
    generations = [record for record in records if isinstance(record, GenerationRecord)]
    pairs = [
        PairRecord(
            id=pair_id(one.id, other.id),
            first_id=one.id,
            second_id=other.id,
            source="sweep",
            stratum="score gap",
            at=one.at,
            probe_battery="core",
            probe_id=one.probe_id,
        )
        for one, other in zip(generations[::2], generations[1::2], strict=True)
    ]
    return [*(record for record in records if not isinstance(record, ComparisonRecord)), *pairs]


def pairs_of(records: Sequence[Record]) -> list[PairRecord]:
    return [record for record in records if isinstance(record, PairRecord)]


def write_records(home: Home, records: Sequence[Record]) -> None:
    with Journal.open(home, "test") as journal:
        for record in records:
            journal.append(record)


@asynccontextmanager
async def curate_lab(
    path: Path, records: Sequence[Record] = (), *, engine: Sequence[str] = (), **options: Any
) -> AsyncIterator[tuple[LanternApp, Pilot[None], CurateScreen]]:
    """The lab on the Curate screen, over a real store of `records`."""
    home = Home.resolve(path / "home")
    if records:
        write_records(home, records)
    service = StoreService(home)
    command = (*engine, "--home", str(home.path))
    async with lab(path, start="curate", store=service, engine=command, **options) as (app, pilot):  # type: ignore[arg-type]
        screen = app.screen
        assert isinstance(screen, CurateScreen), screen_text(app)
        try:
            yield app, pilot, screen
        finally:
            await app.store.close()


async def first_card(pilot: Pilot[None], screen: CurateScreen) -> None:
    """Wait until a card is drawn and keys count."""
    await until(pilot, lambda: screen.place == "card" and screen.card is not None and not screen.busy)


async def press(pilot: Pilot[None], screen: CurateScreen, *keys: str) -> None:
    """Press keys one after the other, each when the screen is ready for it."""
    for key in keys:
        await until(pilot, lambda: not screen.busy)
        await pilot.press(key)
        await pilot.pause()
    await until(pilot, lambda: not screen.busy)


def shown(screen: CurateScreen) -> tuple[str, str]:
    """Both texts as they stand."""
    left, right = screen.view.tapes
    return left.text, right.text


def written(home: Home, kind: str = "judgement") -> list[dict[str, Any]]:
    """What all journals hold of a kind, in the order of their files."""
    from store.journal import parse_line

    found = []
    for path in sorted(home.journals.glob("*.jsonl")):
        for line in read(path):
            envelope = parse_line(line.raw)
            if envelope.kind == kind:
                found.append(dict(envelope.data))
    return found
