"""Loops: stretches of a sequence that repeat with some period. One pass, any period, bounded memory."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

GRAM = 3
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


def runs(items: Sequence[Hashable], min_repeats: float) -> Iterator[Run]:
    """The runs of at least `min_repeats` units, in order and without overlap.

    Three items in a row that were seen before propose their distance as the period; it is kept for as long as
    it holds. So a run is found from its second unit on, whatever its period, in time linear in the sequence.
    At most 2¹⁸ distinct trigrams are remembered: longer periods than that go unseen.
    """
    last: dict[tuple[Hashable, ...], int] = {}
    period = start = 0
    for index, item in enumerate(items):
        if period and item != items[index - period]:
            if index - start >= min_repeats * period:
                yield Run(start, index, period)
            period = 0
        if index < GRAM - 1:
            continue
        gram = tuple(items[index - GRAM + 1 : index + 1])
        if not period and gram in last:
            period = index - last[gram]
            start = index - GRAM + 1 - period
        if len(last) >= MAX_GRAMS:
            last.clear()
        last[gram] = index
    if period and len(items) - start >= min_repeats * period:
        yield Run(start, len(items), period)
