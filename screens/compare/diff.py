"""What differs between two answers, word by word or token by token. Pure."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal

from screens.compare.texts import SideText

DiffMode = Literal["off", "words", "tokens"]
MODES: tuple[DiffMode, ...] = ("off", "words", "tokens")

# Above this many comparisons frequent items are no anchors any more (difflib's "autojunk").
MANY = 4_000_000
_WORD = re.compile(r"\S+")

Span = tuple[int, int]


def changed_pieces(left: SideText, right: SideText, mode: DiffMode) -> tuple[frozenset[int], frozenset[int]]:
    """The pieces of either side that the other has not, in the order of a longest matching."""
    if mode == "tokens":
        found = unmatched(left.token_ids or left.pieces, right.token_ids or right.pieces)
        return frozenset(found[0]), frozenset(found[1])
    spans = changed_words(left.text, right.text)
    return _pieces_in(left.pieces, spans[0]), _pieces_in(right.pieces, spans[1])


def changed_words(left: str, right: str) -> tuple[list[Span], list[Span]]:
    """Where the words stand that the other text has not; a word is a run without white space."""
    words = [list(_WORD.finditer(text)) for text in (left, right)]
    found = unmatched(*([match.group() for match in side] for side in words))
    return tuple([side[index].span() for index in kept] for side, kept in zip(words, found, strict=True))  # type: ignore[return-value]


def unmatched(left: Sequence[Hashable], right: Sequence[Hashable]) -> tuple[list[int], list[int]]:
    """The indices of either sequence that are in no matching block."""
    matcher = SequenceMatcher(None, left, right, autojunk=len(left) * len(right) > MANY)
    gone: list[int] = []
    new: list[int] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            gone += range(i1, i2)
            new += range(j1, j2)
    return gone, new


def _pieces_in(pieces: Sequence[str], spans: Iterable[Span]) -> frozenset[int]:
    """The pieces that hold a character of one of the (rising, disjoint) spans."""
    return frozenset(_overlapping(pieces, list(spans)))


def _overlapping(pieces: Sequence[str], spans: Sequence[Span]) -> Iterator[int]:
    start, nearest = 0, 0
    for index, piece in enumerate(pieces):
        end = start + len(piece)
        while nearest < len(spans) and spans[nearest][1] <= start:
            nearest += 1
        if nearest < len(spans) and spans[nearest][0] < end:
            yield index
        start = end
