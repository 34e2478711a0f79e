"""Keys of the Curate screen over a store of many pairs.

A verdict's time is from the key to the next card painted; in between the verdict is written and synced.
"""

from __future__ import annotations

import dataclasses
import random
from collections import defaultdict
from pathlib import Path

from lab.preference.put_up import pair_id
from lab.preference.sides import stands_swapped
from screens.bench.pty_lab import KeyTime, PtyLab
from screens.bench.tour import KeyFigure, figures
from screens.raters import account_name
from store.home import Home
from store.ids import new_id, utc_now
from store.journal import Journal
from store.records import BY_HAND, GenerationRecord, JudgementRecord, PairRecord
from store.service import StoreService

WORDS = (
    "a",
    "lantern",
    "makes",
    "small",
    "room",
    "in",
    "the",
    "dark",
    "and",
    "asks",
    "who",
    "river",
    "keeps",
)
ANSWER_WORDS = 120
JUDGED = 2_000
CARD = r"answer \d{6}"
REST_S = (0.25, 0.5)
PATIENCE_S = 240.0


def measure_curate(home: Path, pairs: int, rounds: int) -> list[KeyFigure]:
    """Fill a store with pairs, of which a rater has judged some, and press keys as a person would."""
    fill(Home.resolve(home), pairs, min(JUDGED, pairs // 2))
    chance, times = random.Random(0), defaultdict[str, list[KeyTime]](list)
    with PtyLab(home) as lab:
        lab.wait(" ready ", patience_s=PATIENCE_S)
        lab.rest(3.0)
        lab.send("5")
        lab.wait(CARD, patience_s=PATIENCE_S)
        lab.rest(3.0)
        for _ in range(rounds):
            for name, key in (
                ("verdict", "a"),
                ("verdict", "b"),
                ("verdict", "t"),
                ("undo", "u"),
                ("redo", "\x12"),
                ("verdict", "x"),
                ("card before", "["),
                ("next open card", "n"),
                ("diff", "d"),
                ("diff", "d"),
                ("diff", "d"),
            ):
                lab.rest(chance.uniform(*REST_S))
                times[name].append(lab.press(key, r"diff|no verdict|✓" if name == "diff" else CARD))
    return figures(times)


def fill(home: Home, pairs: int, judged: int) -> None:
    """`pairs` pairs of two answers each, and a rater's verdicts on the first of them."""
    chance, rater = random.Random(1), account_name()
    with Journal.open(home, "bench") as journal:
        for number in range(pairs):
            one, other = (answer(number, chance) for _ in range(2))
            pair = _pair(one.id, other.id, number)
            for record in (one, other, pair):
                journal.append(record)
            if number < judged:
                journal.append(_verdict(pair, rater, chance))
    service = StoreService(home)
    try:
        service.ingest()
    finally:
        service.close()


def answer(number: int, chance: random.Random) -> GenerationRecord:
    """An answer of random words to one of the prompts."""
    said = " ".join(chance.choices(WORDS, k=ANSWER_WORDS))
    return dataclasses.replace(
        _TEMPLATE, id=new_id(), prompt=f"Prompt {number:06}?", text=f"answer {number:06} {said}"
    )


def _pair(one: str, other: str, number: int) -> PairRecord:
    first, second = sorted((one, other))
    return PairRecord(
        id=pair_id(one, other),
        first_id=first,
        second_id=second,
        source="sweep",
        stratum="score gap",
        at=utc_now(),
        probe_battery="bench",
        probe_id=f"B{number % 997}",
        instrument="none",
        score_gap=(number * 7919 % 1000) / 100 - 5,
    )


def _verdict(pair: PairRecord, rater: str, chance: random.Random) -> JudgementRecord:
    swapped = stands_swapped(pair.id, rater, 0)
    left, right = (pair.second_id, pair.first_id) if swapped else (pair.first_id, pair.second_id)
    return JudgementRecord(
        id=new_id(),
        pair_id=pair.id,
        rater=rater,
        pass_number=0,
        action="verdict",
        left_id=left,
        right_id=right,
        at=utc_now(),
        verdict=chance.choice(("left", "right", "tie")),
        reading_ms=chance.uniform(3e3, 9e4),
    )


_TEMPLATE = GenerationRecord(
    id="",
    run_id=None,
    model_id=BY_HAND,
    adapter_sha256=None,
    condition_id=BY_HAND,
    kernel_placement="none",
    probe_battery="bench",
    probe_id=None,
    probe_sha256=None,
    prompt="",
    seed=0,
    text="",
    finish_reason="stop",
    prompt_tokens=0,
    n_tokens=ANSWER_WORDS,
    started_at="2026-01-01T00:00:00.000000",
    prefill_ms=0.0,
    wall_ms=0.0,
    tokens_per_second=0.0,
    peak_memory_bytes=0,
    mean_entropy_nats=None,
    median_entropy_nats=None,
    p90_entropy_nats=None,
    max_entropy_nats=None,
    backend=BY_HAND,
    at="2026-01-01T00:00:00.000000",
)
