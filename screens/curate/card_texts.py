"""What a card shows: both texts as they stand, in one format, their shared start and their differences. Pure.

Nothing here depends on whose a text is: both go the same way, white space that a model leaves behind and that
nobody means is dropped from both, and either both are in tokens or neither.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from screens.compare.diff import DiffMode, changed_pieces
from screens.compare.texts import Parting, SideText, folded, parting, word_pieces

if TYPE_CHECKING:
    from lab.preference.desk import Card
    from store.queries.judgements import PairAnswer, PairToJudge

_BEFORE_BREAK = re.compile(r"[ \t]+(?=\n)")
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class CardTexts:
    """A card ready to be drawn. Pairs are (left, right); `words_to_read` is what is new on the card."""

    card: Card
    pair: PairToJudge
    answers: tuple[PairAnswer, PairAnswer]
    sides: tuple[SideText, SideText]
    parting: Parting | None
    folded: tuple[int, int]
    changed: tuple[frozenset[int], frozenset[int]] | None
    diff: DiffMode
    by_tokens: bool
    words_to_read: int

    @property
    def same(self) -> bool:
        """Whether both answers say the same."""
        return self.parting is None


def card_texts(
    card: Card,
    pair: PairToJudge,
    rater: str,
    diff: DiffMode,
    tokens: tuple[SideText, SideText] | None = None,
) -> CardTexts:
    """The card as it stands for a rater; `tokens` are both texts in tokens, the pair's first one first."""
    left_id, _ = card.sides(rater)
    swapped = left_id != pair.first.generation_id
    answers = (pair.second, pair.first) if swapped else (pair.first, pair.second)
    if tokens is not None:
        one, other = (trimmed(side) for side in tokens)
        sides = (other, one) if swapped else (one, other)
    else:
        sides = (_in_words(answers[0].text), _in_words(answers[1].text))
    alike = tokens is not None and pair.first.model_id == pair.second.model_id
    at = parting(*sides, same_tokens=alike)
    mode: DiffMode = "words" if diff == "tokens" and not alike else diff
    return CardTexts(
        card=card,
        pair=pair,
        answers=answers,
        sides=sides,
        parting=at,
        folded=folded(at),
        changed=None if mode == "off" else _changed(sides, mode),
        diff=mode,
        by_tokens=tokens is not None,
        words_to_read=words_to_read(asked(pair), sides, at),
    )


def asked(pair: PairToJudge) -> str:
    """All that both answers answer, as text: the prompt, or the whole conversation with who said what."""
    if not pair.earlier:
        return pair.prompt
    turns = [*((turn.role, turn.text) for turn in pair.earlier), ("user", pair.prompt)]
    return "\n\n".join(f"[{role}]\n{text}" for role, text in turns)


def _changed(sides: tuple[SideText, SideText], mode: DiffMode) -> tuple[frozenset[int], frozenset[int]]:
    """What differs, in one order of the texts wherever they stand: a longest matching has a direction."""
    left, right = sides
    if left.text <= right.text:
        return changed_pieces(left, right, mode)
    right_changed, left_changed = changed_pieces(right, left, mode)
    return left_changed, right_changed


def words_to_read(prompt: str, sides: tuple[SideText, SideText], at: Parting | None) -> int:
    """Words of the prompt, of the left text, and of the right one from where it parts."""
    left, right = sides
    rest = right.pieces[at.right :] if at is not None else ()
    return sum(len(_WORD.findall(text)) for text in (prompt, left.text, "".join(rest)))


def normalized(text: str) -> str:
    """A text without what tells formats apart: line ends of one kind, no blanks at ends of lines and text."""
    return _BEFORE_BREAK.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def trimmed(side: SideText) -> SideText:
    """The same for a text in tokens, whose places must stay: blanks at the ends of the text are dropped."""
    pieces = [piece.replace("\r\n", "\n").replace("\r", "\n") for piece in side.pieces]
    last = next((n for n in reversed(range(len(pieces))) if pieces[n].strip()), -1)
    pieces = pieces[: last + 1]
    for n, piece in enumerate(pieces):
        pieces[n] = piece.lstrip()
        if pieces[n]:
            break
    if pieces:
        pieces[-1] = pieces[-1].rstrip()
    return SideText(tuple(pieces), side.token_ids[: last + 1], side.entropies_nats[: last + 1])


def _in_words(text: str) -> SideText:
    return SideText(word_pieces(normalized(text)))
