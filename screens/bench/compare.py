"""A battery of 10,000 compared pairs in the real lab: how soon its rows are painted."""

from __future__ import annotations

import dataclasses
import random
from collections import defaultdict
from pathlib import Path

from lab.compare.scores import pair_scores
from lab.scoring import DEFAULT_INSTRUMENT, instrument
from screens.bench.curate import answer
from screens.bench.pty_lab import CURSOR, KeyTime, PtyLab
from screens.bench.tour import KeyFigure, figures
from store.home import Home
from store.ids import new_id, utc_now
from store.journal import Journal
from store.records import BY_HAND, ComparisonRecord, PlannedPair, SideRecord
from store.service import StoreService

PAGE_DOWN, PAGE_UP = "\x1b[6~", "\x1b[5~"
MOST_PAGES, ROWS, ROWS_OF_A_PAGE = 20, 20, 50
REST_S = (0.2, 0.4)
PATIENCE_S = 240.0


def measure_compare(home: Path, pairs: int) -> list[KeyFigure]:
    """Fill a store with one comparison whose pairs are answered and scored, open it, and scroll."""
    fill(Home.resolve(home), pairs)
    pages = min(MOST_PAGES, pairs // (2 * ROWS_OF_A_PAGE))
    chance, times = random.Random(0), defaultdict[str, list[KeyTime]](list)

    def row(number: str = r"\d{6}") -> str:
        return rf"{CURSOR}.{{0,40}}B{number}"

    with PtyLab(home) as lab:
        lab.wait(" ready ", patience_s=PATIENCE_S)
        lab.rest(3.0)
        lab.send("3")
        lab.wait("bench", patience_s=PATIENCE_S)
        lab.rest(2.0)
        lab.press("\r", row())
        lab.rest(8.0)
        for name, key, shows, n in (
            ("page down", PAGE_DOWN, row(), pages),
            ("row down", "j", row(), ROWS),
            ("end", "G", row(f"{pairs - 1:06}"), 1),
            ("page up", PAGE_UP, row(), pages),
            ("start", "g", row(f"{0:06}"), 1),
        ):
            for _ in range(n):
                lab.rest(chance.uniform(*REST_S))
                times[name].append(lab.press(key, shows))
    return figures(times)


def fill(home: Home, pairs: int) -> None:
    """One comparison of two sides over `pairs` probes, whole."""
    chance, by = random.Random(2), instrument(DEFAULT_INSTRUMENT)
    sides = [
        SideRecord(run_id=new_id(), words=words, model_id=BY_HAND, condition_id=BY_HAND)
        for words in ("one", "other")
    ]
    planned = [
        PlannedPair(
            prompt=f"Prompt {number:06}?", seed=number, probe_battery="bench", probe_id=f"B{number:06}"
        )
        for number in range(pairs)
    ]
    comparison = ComparisonRecord(
        id=new_id(),
        name="bench",
        left=sides[0],
        right=sides[1],
        pairs=tuple(planned),
        battery="bench",
        instrument=by.name,
        version=by.version,
        at=utc_now(),
    )
    with Journal.open(home, "bench") as journal:
        journal.append(comparison)
        for number, pair in enumerate(planned):
            left, right = (
                dataclasses.replace(
                    answer(number, chance), run_id=side.run_id, seed=pair.seed, probe_id=pair.probe_id
                )
                for side in sides
            )
            journal.append(left)
            journal.append(right)
            for score in pair_scores(left, right, by, {}):
                journal.append(score)
    service = StoreService(home)
    try:
        service.ingest()
    finally:
        service.close()
