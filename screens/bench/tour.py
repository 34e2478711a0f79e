"""A tour over every window and movement of the lab while a battery is generated; each key is timed.

The answer to a key is told by text that nothing else paints: a window's title, a row under the cursor.
"""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from screens.bench.pty_lab import CURSOR, KeyTime, PtyLab

REST_S = (0.12, 0.3)
LIMIT_MS = 50.0
ESCAPE, F1, PAGE_DOWN, HOME, RIGHT, DOWN = "\x1b", "\x1bOP", "\x1b[6~", "\x1b[H", "\x1b[C", "\x1b[B"
BACK_ON_PROBES, BACK_ON_LIVE = "Answers, newest first", "H_t along the answer"


@dataclass(frozen=True, slots=True)
class Step:
    """A key, what it is for, and the pattern of the text that answers it. Unnamed steps are not counted."""

    name: str
    keys: str
    answer: str


def _window(name: str, keys: str, shows: str, back: str) -> tuple[Step, Step]:
    return Step(f"{name} opens", keys, shows), Step(f"{name} closes", ESCAPE, back)


PROBES = (
    Step("list: row down", "j", CURSOR + r"\W*P02_"),
    Step("list: row up", "k", CURSOR + r"\W*P01_"),
    Step("list: page down", PAGE_DOWN, CURSOR + r"\W*P(?!01_)\d+_"),
    Step("list: end", "G", CURSOR + r"\W*P100_"),
    Step("list: start", "g", CURSOR + r"\W*P01_"),
    Step("search opens", "/", "earch ids"),
    Step("search closes", ESCAPE, CURSOR + r"\W*P\d+_"),
    *_window("battery window", "b", "none selected shows all", BACK_ON_PROBES),
    *_window("run window", "r", "answers per condition", BACK_ON_PROBES),
    *_window("probe form", "e", "Ctrl\\+S saves", BACK_ON_PROBES),
    *_window("help on Probes", F1, "config/keymap.yaml", BACK_ON_PROBES),
    *_window("palette", "\x10", "Do what", BACK_ON_PROBES),
    Step("to Live", "2", BACK_ON_LIVE),
)

LIVE = (
    Step("", "[", r"Answer \d+/"),
    Step("tape: first token", HOME, r"Token at the cursor +#1\b"),
    Step("tape: next token", RIGHT, r"Token at the cursor +#2\b"),
    Step("tape: line down", DOWN, r"Token at the cursor +#(?!2\b)\d+"),
    Step("tape: page down", PAGE_DOWN, r"Token at the cursor +#\d+"),
    Step("", HOME, r"Token at the cursor +#1\b"),
    *_window("branch window", "b", "A number or Enter branches", BACK_ON_LIVE),
    *_window("sampling window", "s", "most tokens", BACK_ON_LIVE),
    Step("hotter", "+", "next: "),
    Step("cooler", "-", "next: "),
    Step("prompt: focus", "p", "Prompt"),
    Step("prompt: letter", "Ø", "Ø"),
    Step("prompt: leave", ESCAPE, "Prompt"),
    Step("answer before", "[", r"Answer \d+/"),
    *_window("help on Live", F1, "config/keymap.yaml", BACK_ON_LIVE),
    *_window("jump", "\x0f", "A", BACK_ON_LIVE),
    *_window("score", "w", "Instrument", BACK_ON_LIVE),
    Step("to Compare", "3", "Comparisons"),
    Step("to Probes", "1", BACK_ON_PROBES),
)


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One kind of key over all rounds, in milliseconds.

    Without the time that the lab waited for a core (`unqueued`) and of its own work (`cpu`) where known.
    `holds` tells whether the median, waits and all, is within `LIMIT_MS`.
    """

    name: str
    n: int
    median_ms: float
    p95_ms: float
    unqueued_median_ms: float | None
    unqueued_p95_ms: float | None
    cpu_median_ms: float | None
    holds: bool


def start_battery(lab: PtyLab) -> None:
    """Ask every core probe under every condition, as a person would: minutes of work."""
    lab.wait(r"P01_")
    lab.wait(" ready ")
    lab.rest(2.0)
    lab.press("a", "101 selected")
    lab.press("r", "answers per condition")
    for key in ("\t", "\t", "9"):
        lab.rest(0.6)
        lab.send(key)
    lab.wait("= 2,727")
    lab.press("\x13", r"ETA \d")
    lab.rest(2.0)


def walk(lab: PtyLab, rounds: int, seed: int = 0) -> dict[str, list[KeyTime]]:
    """The tour, `rounds` times, with rests of random length so that keys meet every phase of the ticks."""
    chance = random.Random(seed)
    times: dict[str, list[KeyTime]] = defaultdict(list)
    for _ in range(rounds):
        for step in (*PROBES, *LIVE):
            lab.rest(chance.uniform(*REST_S))
            taken = lab.press(step.keys, step.answer)
            if step.name:
                times[step.name].append(taken)
    return times


def figures(times: dict[str, list[KeyTime]]) -> list[KeyFigure]:
    return [figure(name, taken) for name, taken in times.items()]


def all_keys(times: dict[str, list[KeyTime]]) -> KeyFigure:
    """Every key pressed, of whatever kind."""
    return figure("all keys", [key for taken in times.values() for key in taken])


def figure(name: str, taken: Sequence[KeyTime]) -> KeyFigure:
    walls = [key.wall_ms for key in taken]
    own = [key.wall_ms - key.queued_ms for key in taken if key.queued_ms is not None]
    cpu = [key.cpu_ms for key in taken if key.cpu_ms is not None]
    return KeyFigure(
        name=name,
        n=len(taken),
        median_ms=statistics.median(walls),
        p95_ms=p95(walls),
        unqueued_median_ms=statistics.median(own) if own else None,
        unqueued_p95_ms=p95(own) if own else None,
        cpu_median_ms=statistics.median(cpu) if cpu else None,
        holds=statistics.median(walls) <= LIMIT_MS,
    )


def p95(values: Sequence[float]) -> float:
    """The 95th percentile, interpolated."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=20, method="inclusive")[18]
