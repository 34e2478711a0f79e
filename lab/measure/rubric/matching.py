"""Terms and signs as compiled patterns. Every pattern is linear in the text: what can repeat is bounded.

A term is plain text with three marks: `~N,M~` stands for any N to M characters without a newline (as many as
possible), a `*` for any further word characters (a stem), and a final space asks for a word after it where
matches are word bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from lab.measure.instrument import Span

Boundary = Literal["word", "before", "none"]
Place = Literal["anywhere", "start", "first_word"]

MAX_GAP = 200
MAX_STEM_ENDING = 40
MAX_SPACE = 20
MAX_REMEMBERED_WORDS = 1 << 17

SIGNS: dict[str, str] = {
    "blank_line": r"\n\n",
    "ellipsis": r"\.{3}",
    "em_dash": "—",
    "emphasis": r"[*_]{1,2}\w",
    "quote": "> ",
    "heading": r"#{1,3}\s",
    "bar": r"\|",
    "double_hash": "##",
    "double_star": r"\*\*",
    "question_mark": r"\?",
    "question": r"\?[?!]*",
    "capitalized_word": r"(?<!\. )\b[A-Z][a-z]{2,}\b",
    "name": r"(?<=[a-z,;:] )[A-Z][a-z]{2,}\b",
    "number": r"\b\d[\d.,]*\b",
    "dialogue": r"[“\"][^“”\"\n]{2,200}[”\"]",
    "paragraph_break": r"\n[ \t]*\n",
}
"""What a rubric can count besides terms, by name."""

_WORD = re.compile(r"\w+")
_HEAD = re.compile(r"\w+")
_GAP = re.compile(r"~(\d+),(\d+)~")
# Equal to i or s when case is ignored, but not through str.lower (İ grows when lowered).
_ODD_CASE = re.compile("[ıſ]")


class TermError(ValueError):
    """What is wrong with a term."""


def fold(text: str) -> str | None:
    """`text` in lower case with every character in its place; None where that cannot be had."""
    lowered = text.lower()
    return None if len(lowered) != len(text) or _ODD_CASE.search(lowered) else lowered


@dataclass(frozen=True, slots=True)
class Heads:
    """The words, in lower case, that matches begin with: `whole` ones, and `stems` of words."""

    whole: frozenset[str]
    stems: tuple[str, ...]

    def begin(self, word: str) -> bool:
        """Whether a match may begin at `word`."""
        return word in self.whole or word.startswith(self.stems)


@dataclass(frozen=True)
class Matcher:
    """Finds what a list of terms, or of signs, names: leftmost, without overlap, the first listed wins.

    `heads` are given where a match can only begin at certain words.
    """

    pattern: str
    ignore_case: bool = False
    place: Place = "anywhere"
    skip_first_character: bool = False
    heads: Heads | None = None

    @cached_property
    def _exact(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    @cached_property
    def _ignoring_case(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.IGNORECASE)

    @cached_property
    def _lowered(self) -> re.Pattern[str] | None:
        """Runs on lower-cased text, several times as fast; None where the terms go beyond ASCII."""
        return re.compile(self.pattern.lower()) if self.pattern.isascii() else None

    def find(self, text: str, lowered: str | None, starts: Sequence[int] | None = None) -> list[Span]:
        """The spans of all matches in `text`; `lowered` is `fold(text)`.

        `starts`, from a `HeadIndex`, are the only places where a match can begin, in rising order.
        """
        if self.skip_first_character:
            return [(start + 1, end + 1) for start, end in self._find(text[1:], None)]
        if starts is not None:
            return self._find_at(starts, text, lowered)
        return self._find(text, lowered)

    def _find_at(self, starts: Sequence[int], text: str, lowered: str | None) -> list[Span]:
        pattern, subject = self._choose(text, lowered)
        spans: list[Span] = []
        free = 0
        for start in starts:
            if start >= free and (match := pattern.match(subject, start)):
                spans.append(match.span())
                free = match.end()
        return spans

    def _find(self, text: str, lowered: str | None) -> list[Span]:
        pattern, subject = self._choose(text, lowered)
        if self.place == "anywhere":
            return [match.span() for match in pattern.finditer(subject)]
        start = 0 if self.place == "start" else len(text) - len(text.lstrip())
        match = pattern.match(subject, start)
        return [match.span()] if match else []

    def _choose(self, text: str, lowered: str | None) -> tuple[re.Pattern[str], str]:
        if not self.ignore_case:
            return self._exact, text
        if lowered is not None and self._lowered is not None:
            return self._lowered, lowered
        return self._ignoring_case, text


class HeadIndex:
    """Where in a text each of some matchers can find anything: one pass over the words for all of them.

    Which matchers a word may begin a match of is worked out once for each distinct word.
    """

    def __init__(self, matchers: Iterable[Matcher]) -> None:
        self._matchers = [matcher for matcher in matchers if matcher.heads is not None]
        self._of_word: dict[str, tuple[int, ...]] = {}

    def starts(self, lowered: str) -> dict[Matcher, list[int]]:
        """For each matcher with heads, the places of words that may begin a match, in rising order."""
        found: list[list[int]] = [[] for _ in self._matchers]
        known = self._of_word
        for match in _WORD.finditer(lowered):
            word = match.group()
            numbers = known.get(word)
            if numbers is None:
                numbers = self._learn(word)
            for number in numbers:
                found[number].append(match.start())
        return dict(zip(self._matchers, found, strict=True))

    def _learn(self, word: str) -> tuple[int, ...]:
        heads = enumerate(matcher.heads for matcher in self._matchers)
        numbers = tuple(number for number, head in heads if head is not None and head.begin(word))
        if len(self._of_word) >= MAX_REMEMBERED_WORDS:
            self._of_word.clear()
        if len(word) <= 64:
            self._of_word[word] = numbers
        return numbers


def term_matcher(
    terms: Sequence[str],
    *,
    ignore_case: bool,
    boundary: Boundary,
    place: Place = "anywhere",
    any_space: bool = False,
) -> Matcher:
    """A matcher of `terms`. Raises TermError naming the term that is none."""
    alternatives = "|".join(_term_pattern(term, any_space) for term in terms)
    before = "" if boundary == "none" else r"\b"
    after = r"\b" if boundary == "word" else ""
    return Matcher(
        f"{before}(?:{alternatives}){after}",
        ignore_case=ignore_case,
        place=place,
        heads=_heads(terms, boundary) if place == "anywhere" else None,
    )


def _heads(terms: Sequence[str], boundary: Boundary) -> Heads | None:
    """The first word of each term; None where one begins with a sign, or matches may begin inside words."""
    whole: set[str] = set()
    stems: set[str] = set()
    for term in terms:
        head = _HEAD.match(term)
        if boundary == "none" or head is None or not term.isascii():
            return None
        rest = term[head.end() :]
        open_ended = rest[:1] in ("*", "~") or (not rest and boundary != "word")
        (stems if open_ended else whole).add(head[0].lower())
    return Heads(frozenset(whole), tuple(sorted(stems)))


def sign_matcher(names: Sequence[str]) -> Matcher:
    """A matcher of the signs of these names. Raises TermError for a name that is none."""
    for name in names:
        if name not in SIGNS:
            raise TermError(f"{name!r} is no sign; signs are {', '.join(SIGNS)}")
    # The published instrument never counts the first word of a text as a capitalized word.
    return Matcher("|".join(SIGNS[name] for name in names), skip_first_character="capitalized_word" in names)


def _term_pattern(term: str, any_space: bool) -> str:
    if not term.strip():
        raise TermError("an empty term")
    pieces: list[str] = []
    position = 0
    for gap in _GAP.finditer(term):
        pieces.append(_literal(term[position : gap.start()], any_space))
        least, most = int(gap[1]), int(gap[2])
        if not least <= most <= MAX_GAP:
            raise TermError(f"{term!r}: a gap ~N,M~ needs N ≤ M ≤ {MAX_GAP}")
        pieces.append(f".{{{least},{most}}}")
        position = gap.end()
    if "~" in (rest := term[position:]):
        raise TermError(f"{term!r}: a gap is written ~N,M~ with two whole numbers")
    return "".join([*pieces, _literal(rest, any_space)])


def _literal(text: str, any_space: bool) -> str:
    return "".join(_characters(text, any_space))


def _characters(text: str, any_space: bool) -> Iterable[str]:
    for character in text:
        if character == "*":
            yield rf"\w{{0,{MAX_STEM_ENDING}}}"
        elif character == " " and any_space:
            yield rf"\s{{1,{MAX_SPACE}}}"
        elif character.isascii() and not character.isalnum() and character not in " '":
            yield "\\" + character
        else:
            yield character
