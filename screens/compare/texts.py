"""Two answers side by side: their pieces, what they share at the start, and where they part. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lab.compare.divergence import divergence
from screens.workbench import Answer

LEAST_FOLD = 12
_WORDS = re.compile(r"\s*\S+|\s+$")


@dataclass(frozen=True, slots=True)
class SideText:
    """An answer in pieces: its tokens, or its words where no trace was kept.

    `entropies_nats` and `token_ids` are empty without a trace. `over` says that nothing more will come.
    """

    pieces: tuple[str, ...]
    token_ids: tuple[int, ...] = ()
    entropies_nats: tuple[float, ...] = ()
    over: bool = True

    @property
    def text(self) -> str:
        return "".join(self.pieces)


EMPTY = SideText((), over=False)


def side_text(answer: Answer | None) -> SideText:
    """The pieces of an answer as far as it is."""
    if answer is None:
        return EMPTY
    over = answer.state in ("finished", "failed")
    if answer.tokens or answer.record is None:
        tokens = answer.tokens
        return SideText(
            tuple(token.text for token in tokens),
            tuple(token.token_id for token in tokens),
            tuple(token.entropy_nats for token in tokens),
            over,
        )
    return SideText(word_pieces(str(answer.record.get("text", ""))), over=over)


def word_pieces(text: str) -> tuple[str, ...]:
    """A text in words, each with the white space before it."""
    return tuple(_WORDS.findall(text))


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two answers part: the index of the first piece of each that the other does not share.

    It may lie behind a side's last piece: that side had ended there. `by_tokens` says that the pieces before
    are the very same tokens, so that what either side thought there can be held together.
    """

    left: int
    right: int
    by_tokens: bool


def parting(left: SideText, right: SideText, *, same_tokens: bool) -> Parting | None:
    """Where the answers part; None while they agree (one may still be on its way) and when they are equal.

    `same_tokens` says that both sides number their tokens alike; otherwise their characters are compared.
    """
    if same_tokens and left.token_ids and right.token_ids:
        at = divergence(left.token_ids, right.token_ids)
        return None if at is None or _unwritten(at, left) or _unwritten(at, right) else Parting(at, at, True)
    n = _common_characters(left.text, right.text)
    if n == len(left.text) == len(right.text):
        return None
    at_left, at_right = _piece_at(left.pieces, n), _piece_at(right.pieces, n)
    if _unwritten(at_left, left) or _unwritten(at_right, right):
        return None
    return Parting(at_left, at_right, False)


def folded(at: Parting | None) -> tuple[int, int]:
    """How many pieces at the start of each side are shown as one line: what both share, where it is long."""
    return (at.left, at.right) if at is not None and min(at.left, at.right) >= LEAST_FOLD else (0, 0)


def _unwritten(at: int, side: SideText) -> bool:
    """Whether a side that seems to have ended at `at` is only not that far yet."""
    return at >= len(side.pieces) and not side.over


def _common_characters(left: str, right: str) -> int:
    for n, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return n
    return min(len(left), len(right))


def _piece_at(pieces: Sequence[str], position: int) -> int:
    """The piece that holds the character at `position`, or the number of pieces behind the end."""
    end = 0
    for index, piece in enumerate(pieces):
        end += len(piece)
        if position < end:
            return index
    return len(pieces)
