"""Texts that are nearly alike, found among many: bottom-k sketches of word n-grams (Broder 1997).

A sketch holds the 256 smallest hashes of a text's distinct n-grams: the Jaccard index of two sketches is
exact for texts with fewer, and an estimate with a standard error of about 0.03 for longer ones. A text costs
some 3 KiB.
"""

from __future__ import annotations

import zlib
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Generic, TypeVar

SKETCH_SIZE = 256
LOOKUP_SIZE = 16
MOST_CANDIDATES = 50

Key = TypeVar("Key")


def runs(words: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    """Every run of so many neighbouring words."""
    return zip(*(words[start:] for start in range(length)), strict=False)


def sketch(words: Sequence[str], shingle_words: int) -> array[int]:
    """The smallest 256 hashes of the word n-grams, rising. CRC-32, as `hash` differs between processes."""
    hashes = {zlib.crc32("\n".join(run).encode("utf-8", "replace")) for run in runs(words, shingle_words)}
    return array("I", sorted(hashes)[:SKETCH_SIZE])


def jaccard(left: Collection[int], right: Collection[int]) -> float:
    """The share of hashes that both have; of the smallest ones only, where a sketch is cut short."""
    both = {*left} & {*right}
    if max(len(left), len(right)) < SKETCH_SIZE:
        return len(both) / (len(left) + len(right) - len(both)) if both else 0.0
    union = sorted({*left, *right})[:SKETCH_SIZE]
    return sum(value in both for value in union) / len(union)


class SketchIndex(Generic[Key]):
    """Sketches by key. Two texts that are alike share one of their 16 smallest hashes: so they are found."""

    def __init__(self, least: float) -> None:
        """`least` is the Jaccard index from which on texts are alike."""
        self._least = least
        self._sketches: list[tuple[Key, array[int]]] = []
        self._by_hash: defaultdict[int, list[int]] = defaultdict(list)

    def nearest(self, wanted: Sequence[int]) -> tuple[float, Key] | None:
        """The most alike sketch with its Jaccard index, the earliest of equals; None where none is alike."""
        hashes = {*wanted}
        best: tuple[float, Key] | None = None
        for number in sorted({n for value in wanted[:LOOKUP_SIZE] for n in self._by_hash.get(value, ())}):
            key, held = self._sketches[number]
            # They cannot be more alike than this, and this is soon known.
            most = len(hashes.intersection(held)) / max(len(hashes), len(held))
            if most < self._least or (best is not None and most <= best[0]):
                continue
            similarity = jaccard(hashes, held)
            if similarity >= self._least and (best is None or similarity > best[0]):
                best = similarity, key
        return best

    def remember(self, key: Key, held: array[int]) -> None:
        """Take a sketch in."""
        for value in held[:LOOKUP_SIZE]:
            if len(self._by_hash[value]) < MOST_CANDIDATES:
                self._by_hash[value].append(len(self._sketches))
        self._sketches.append((key, held))
