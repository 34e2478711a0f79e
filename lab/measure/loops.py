"""Loops: stretches of a sequence that repeat with some period. One pass, any period, bounded memory."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

GRAMS = (3, 10)
MAX_GRAMS = 1 << 18


@dataclass(frozen=True, slots=True)
class Run:
    """Items [start, end) in which each equals the one `period` before it, but for the first `period`."""

    start: int
    end: int
    period: int

    @property
    def repeats(self) -> float:
        """How many times the unit stands there."""
        return (self.end - self.start) / self.period


def runs(items: str | tuple[Hashable, ...], min_repeats: float) -> list[Run]:
    """The runs of at least `min_repeats` units, in order, without overlap; a run inside another is left out.

    A few items in a row that were seen before propose their distance as the period; it is kept for as long as
    it holds, and what came before is looked at when it ends. Three items find short periods; ten tell where
    a unit begins again that is made of few different items. Time is linear in the sequence, whatever the
    period. At most 2¹⁸ distinct grams are remembered: longer periods than that go unseen.
    """
    found = [run for gram in GRAMS for run in _runs(items, min_repeats, gram)]
    kept: list[Run] = []
    for run in sorted(found, key=lambda run: (run.start, -run.end)):
        _keep(kept, run)
    return kept


def _runs(items: str | tuple[Hashable, ...], min_repeats: float, n: int) -> list[Run]:
    """The runs that grams of `n` items propose."""
    found: list[Run] = []
    last: dict[str | tuple[Hashable, ...], int] = {}
    period = start = 0
    for index, item in enumerate(items):
        if period and item != items[index - period]:
            _add(found, items, Run(start, index, period), min_repeats)
            period = 0
        if index < n - 1:
            continue
        gram = items[index - n + 1 : index + 1]
        if not period and gram in last:
            period = index - last[gram]
            start = index - n + 1 - period
        if len(last) >= MAX_GRAMS:
            last.clear()
        last[gram] = index
    if period:
        _add(found, items, Run(start, len(items), period), min_repeats)
    return found


def _add(found: list[Run], items: Sequence[Hashable], run: Run, min_repeats: float) -> None:
    """Keep a run that is long enough once it is followed back to its beginning."""
    # The two units that were seen pay for looking one more back.
    if run.repeats < 2:
        return
    start, period = run.start, run.period
    first = max(0, start - period)
    while start > first and items[start - 1] == items[start - 1 + period]:
        start -= 1
    if run.end - start < min_repeats * period:
        return
    while found and found[-1].start >= start:
        found.pop()
    _keep(found, Run(start, run.end, period))


def _keep(kept: list[Run], run: Run) -> None:
    """Add a run that does not begin before the last one, less what they share."""
    start = max(run.start, kept[-1].end) if kept else run.start
    if start < run.end:
        kept.append(Run(start, run.end, run.period))
