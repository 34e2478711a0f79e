"""A rubric as data: dimensions, each counting something and weighing it. See `seeds/rubrics/README.md`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from lab.measure.rubric.matching import HeadIndex, Matcher

Reads = Literal["text", "answer"]
"""`text`: the raw text as it stands; `answer`: without template debris and reasoning blocks."""

View = Literal["text", "prose"]
"""`prose`: headings, tables, code and bare list labels blanked out, every character in its place."""


@dataclass(frozen=True, slots=True)
class Step:
    """Gives `value` where the measure is below, or above, the bound (exclusive)."""

    value: float
    below: float | None = None
    above: float | None = None

    def holds(self, measured: float) -> bool:
        """Whether `measured` lies strictly on the step's side of its bound."""
        if self.below is not None:
            return measured < self.below
        return self.above is not None and measured > self.above


@dataclass(frozen=True, slots=True)
class Scale:
    """0 at `low`, 1 at `high`, linear between and never outside."""

    low: float
    high: float

    def at(self, measured: float) -> float:
        """The share of the way from `low` to `high`."""
        return min(1.0, max(0.0, (measured - self.low) / (self.high - self.low)))


@dataclass(frozen=True, slots=True)
class Condition:
    """A part counts only where this measure lies on the given side of the bound."""

    measure: str
    step: Step


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a dimension counts: matches (with a matcher) or a measure of the text.

    A part is worth points × its count, at most `limit`; with `once`, any number of matches counts as one, and
    with `per_sentence`, each '.'-separated sentence that holds a match counts as one.
    """

    matcher: Matcher | None = None
    sentence_starts: tuple[str, ...] = ()
    measure: str | None = None
    steps: tuple[Step, ...] = ()
    scale: Scale | None = None
    points: float = 1.0
    limit: float | None = None
    once: bool = False
    per_sentence: bool = False
    when: Condition | None = None
    view: View = "text"


@dataclass(frozen=True, slots=True)
class Dimension:
    """The value is the sum of the parts plus `plus`, at most `limit`; it adds min(weight × value, cap).

    `words_per_hit` bounds the value by the prose there is: one for every so many words of it.
    """

    name: str
    weight: float
    parts: tuple[Part, ...]
    cap: float | None = None
    plus: float = 0.0
    limit: float | None = None
    words_per_hit: int | None = None


@dataclass(frozen=True)
class Rubric:
    """A named, versioned instrument as data. `sha256` hashes the file that it was read from."""

    name: str
    version: str
    description: str
    reads: Reads
    rounding: int | None
    dimensions: tuple[Dimension, ...]
    sha256: str
    straight_apostrophes: bool = False
    known_faults: tuple[str, ...] = ()

    @cached_property
    def heads(self) -> HeadIndex:
        """Where the terms of all dimensions can begin."""
        parts = (part for dimension in self.dimensions for part in dimension.parts)
        return HeadIndex({part.matcher: None for part in parts if part.matcher})

    @property
    def maximum(self) -> float | None:
        """The most that a text can score; None where a dimension has no cap."""
        gains = [dimension for dimension in self.dimensions if dimension.weight > 0]
        caps = [dimension.cap for dimension in gains if dimension.cap is not None]
        return sum(caps) if len(caps) == len(gains) else None
