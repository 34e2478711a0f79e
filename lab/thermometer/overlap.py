"""Rows that are there twice, and rows that give a benchmark away.

Texts are compared by their words, lower-cased and without outer punctuation (signs that stand alone are kept,
so that "3 + 4" is not "3 - 4").
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from lab.measure.words import bare_word
from lab.thermometer.rows import Example
from lab.thermometer.sketches import SketchIndex, runs, sketch
from store.records import ProbeRecord

NEAR_DUPLICATE_JACCARD = 0.5
SHINGLE_WORDS = 5
OVERLAP_WORDS = 8


Place = Literal["same prompt", "8 words in the prompt", "8 words in the answer"]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row like an earlier one. Similarity 1.0 and `exact`: the same prompt and answer in the same words.

    Otherwise the answers' similarity: the Jaccard index of their word 5-grams, at least one half.
    """

    line: int
    of_line: int
    exact: bool
    similarity: float


@dataclass(frozen=True, slots=True)
class ProbeOverlap:
    """A probe that is in a training row: as its very prompt, or by a run of eight words of it."""

    battery: str
    probe_id: str
    line: int
    where: Place


def normalized(text: str) -> tuple[str, ...]:
    """The words by which texts are compared."""
    return tuple(bare_word(word) or word for word in text.split())


class DuplicateFinder:
    """Compares each row with the earlier ones that are no duplicates themselves (see `sketches`)."""

    def __init__(self) -> None:
        self._exact: dict[bytes, int] = {}
        self._near = SketchIndex[int](NEAR_DUPLICATE_JACCARD)

    def add(self, row: Example) -> Duplicate | None:
        """Take in the next row; what it duplicates, if anything."""
        answer = normalized(row.answer)
        first = self._exact.setdefault(_digest(normalized(row.prompt or ""), answer), row.line)
        if first != row.line:
            return Duplicate(row.line, first, exact=True, similarity=1.0)
        held = sketch(answer, SHINGLE_WORDS)
        nearest = self._near.nearest(held)
        if nearest is not None:
            return Duplicate(row.line, nearest[1], exact=False, similarity=nearest[0])
        self._near.remember(row.line, held)
        return None


class ProbeIndex:
    """Finds the benchmark probes that occur in a row."""

    def __init__(self, probes: Iterable[ProbeRecord]) -> None:
        self.probes = tuple(probes)
        self._by_prompt: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        self._by_run: defaultdict[tuple[str, ...], set[int]] = defaultdict(set)
        for number, probe in enumerate(self.probes):
            words = normalized(probe.prompt)
            self._by_prompt[words].append(number)
            for run in runs(words, OVERLAP_WORDS):
                self._by_run[run].add(number)

    def overlaps(self, row: Example) -> list[ProbeOverlap]:
        """Every probe that the row gives away, once each, in the order of the probes."""
        prompt = normalized(row.prompt or "")
        places: dict[int, ProbeOverlap] = {}
        found: dict[Place, Iterable[int]] = {
            "same prompt": self._by_prompt.get(prompt, ()),
            "8 words in the prompt": self._sharing(prompt),
            "8 words in the answer": self._sharing(normalized(row.answer)),
        }
        for where, numbers in found.items():
            for number in numbers:
                probe = self.probes[number]
                places.setdefault(number, ProbeOverlap(probe.battery, probe.id, row.line, where))
        return [places[number] for number in sorted(places)]

    def _sharing(self, words: Sequence[str]) -> set[int]:
        return {number for run in runs(words, OVERLAP_WORDS) for number in self._by_run.get(run, ())}


def _digest(*parts: Sequence[str]) -> bytes:
    text = "\0".join("\n".join(part) for part in parts)
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
