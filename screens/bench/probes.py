"""A store of 100,000 probes in the real lab: how soon the list, its end, a page and a search are painted."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from screens.bench.pty_lab import CURSOR, PtyLab
from screens.bench.tour import p95
from store.home import Home
from store.journal import Journal, utc_now
from store.records import ProbeRecord
from store.service import StoreService

ROUNDS = 8
REST_S = 0.4
BACKSPACE, PAGE_DOWN, ESCAPE = "\x7f", "\x1b[6~", "\x1b"


@dataclass(frozen=True, slots=True)
class ListFigure:
    """Milliseconds from the key to the painted rows."""

    name: str
    n: int
    median_ms: float
    p95_ms: float


def measure_probes(home: Path, probes: int = 100_000) -> tuple[ListFigure, ...]:
    """Fill a store and drive the list. A search waits 150 ms for the typing to stop; that is counted in."""
    _fill(home, probes)
    times: dict[str, list[float]] = {"open": [], "end": [], "page": [], "search": []}
    with PtyLab(home) as lab:
        lab.wait(r"P01_")
        lab.wait(" ready ")
        lab.rest(3.0)
        for n in range(ROUNDS):
            lab.rest(REST_S)
            times["open"].append(lab.press(BACKSPACE, rf"{CURSOR}\W*\w").wall_ms)
            lab.rest(REST_S)
            times["end"].append(lab.press("G", rf"{CURSOR}\W*\w").wall_ms)
            lab.press("g", rf"{CURSOR}\W*\w")
            for _ in range(3):
                lab.rest(REST_S / 4)
                times["page"].append(lab.press(PAGE_DOWN, rf"{CURSOR}\W*\w").wall_ms)
            lab.press("/", "earch ids")
            lab.rest(REST_S)
            lab.send(f"number {probes // 2 + n}")
            lab.rest(2 * REST_S)
            times["search"].append(lab.press("\x08", r"Probes · \d+ of").wall_ms)
            lab.rest(REST_S)
            lab.press(ESCAPE, r"Search")
            lab.rest(REST_S)
            lab.press(BACKSPACE, rf"{CURSOR}\W*\w")
    return tuple(
        ListFigure(name, len(taken), statistics.median(taken), p95(taken)) for name, taken in times.items()
    )


def _fill(folder: Path, probes: int) -> None:
    home = Home.resolve(folder)
    with Journal.open(home, "bench") as journal:
        for number in range(probes):
            journal.append(
                ProbeRecord(
                    battery="bench",
                    id=f"B{number:06}_LOAD",
                    domain=f"Domain {number % 20}",
                    prompt=f"Probe {number} asks what the lantern number {number * 7919 % probes} sees.",
                    sha256=f"{number:064x}",
                    origin="user",
                    at=utc_now(),
                )
            )
    service = StoreService(home)
    service.ingest()
    service.close()
