"""Invoke → witness → articulate: the shape that the source project gives its training rows (seed 000).

A short invoking prompt, a long middle, and a close that draws together. Lengths are counted; the close is
told by three signs that a program can see. None of this says whether the answer is good.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.measure.words import bare_word

INVOKE_WORDS = range(8, 16)
WITNESS_WORDS = range(200, 301)
CARRIED_WORDS = 2
CONTENT_WORD_LETTERS = 5

_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]*_]*(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Structure:
    """The parts of a row: word counts, and whether each part is as it should be.

    `articulate`: the last paragraph (of a single paragraph, the last sentence) is a finished sentence, is
    shorter than half of what came before, and takes up at least two of its words of five letters or more.
    """

    prompt_words: int
    middle_words: int
    closing_words: int
    invoke: bool
    witness: bool
    articulate: bool

    @property
    def complete(self) -> bool:
        """All three parts are as they should be."""
        return self.invoke and self.witness and self.articulate


def structure(prompt: str, answer: str) -> Structure:
    """The structure of one row: prompt of 8–15 words, middle of 200–300 words, closing synthesis."""
    middle, closing = _split_close(answer)
    prompt_words, middle_words = len(prompt.split()), len(middle.split())
    closing_words = len(closing.split())
    return Structure(
        prompt_words=prompt_words,
        middle_words=middle_words,
        closing_words=closing_words,
        invoke=prompt_words in INVOKE_WORDS,
        witness=middle_words in WITNESS_WORDS,
        articulate=(
            _is_finished(closing)
            and 2 * closing_words < middle_words
            and len(_content_words(middle) & _content_words(closing)) >= CARRIED_WORDS
        ),
    )


def _split_close(answer: str) -> tuple[str, str]:
    paragraphs = [part for part in re.split(r"\n\s*\n", answer.strip()) if part.strip()]
    if len(paragraphs) > 1:
        return "\n\n".join(paragraphs[:-1]), paragraphs[-1]
    text = paragraphs[0] if paragraphs else ""
    inner_ends = [match.end() for match in _SENTENCE_END.finditer(text) if match.end() < len(text)]
    return (text[: inner_ends[-1]], text[inner_ends[-1] :]) if inner_ends else (text, "")


def _is_finished(text: str) -> bool:
    stripped = text.rstrip()
    return any(match.end() == len(stripped) for match in _SENTENCE_END.finditer(stripped))


def _content_words(text: str) -> set[str]:
    words = map(bare_word, text.split())
    return {word for word in words if len(word) >= CONTENT_WORD_LETTERS}
