"""Degeneration: does an answer loop, collapse or break off? Evidence, not taste; long good prose passes.

Repetition is judged by what repeats back to back (loops of any period), by the share of repeated 4-grams
(seq-rep-4, Welleck et al. 2020) and by how far zlib shrinks the text. The share of distinct words alone says
nothing: good books fall under one half of it in 2,000 words.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lab.measure.answer import answer_of
from lab.measure.instrument import DimensionScore, Reading, Score, Span, text_sha256
from lab.measure.loops import runs

NAME = "degeneration"
VERSION = "1"

# A word repeated three times is emphasis and a refrain comes thrice; these bounds lie beyond both.
MIN_REPEATS = 3.0
LOOP_CHARACTERS = 24
LOOP_SHARE = 0.12
LONG_LOOP_CHARACTERS = 60
LONG_LOOP_REPEATS = 4.0
TIGHT_LOOP_CHARACTERS = 20
TIGHT_LOOP_REPEATS = 12.0
SIGN_LOOP_SHARE = 0.6
# A "word" this long may hold a loop without spaces inside.
LONG_WORD_CHARACTERS = 16
REPEATED_4GRAM_SHARE = 0.8
REPEATED_4GRAM_WORDS = 20
REPEATED_SENTENCE_SHARE = 0.6
REPEATED_SENTENCES = 6
SENTENCE_WORDS = 3
COMPRESSION_RATIO = 0.12
COMPRESSION_BYTES = 400
ALTERNATING_SHARE = 0.25
ALTERNATING_LETTERS = 12
ALTERNATING_CHANGES = 0.75
COLLAPSE_CHARACTERS = 12
EARLY_END_WORDS = 20

_WORD = re.compile(r"\S+")
_CASE_RISE = re.compile("[a-zß-öø-ÿа-яё][A-ZÀ-ÖØ-ÞА-ЯЁ]")
_ALTERNATING_WORD = re.compile(r"[^\W\d_]{3,}")
_SENTENCE_END = re.compile(r"[.!?;\n]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_CLOSED = re.compile(r"[.!?…。！？:;)\]}\"'”’`*|>]\s*$")


@dataclass(frozen=True, slots=True)
class Loop:
    """A stretch of text that repeats a unit of `period` items (words, or characters inside a long word)."""

    span: Span
    period: int
    repeats: float
    of_words: bool


@dataclass(frozen=True, slots=True)
class Degeneration:
    """The evidence, and `reasons`: which bounds it breaks (none: the text is sound).

    Attributes:
        loops: back-to-back repetition, in order; only stretches with a letter or digit in their unit.
        loop_share: characters in `loops` / all characters.
        sign_loop_share: the same for units of signs only, such as rules and dots.
        repeated_4gram_share: 1 − distinct 4-grams / 4-grams of the words, in lower case; None below 4 words.
        repeated_sentence_share: 1 − distinct / all sentences of three words or more, compared by their
            letters only, so that a counted-up loop ("1. Go on. 2. Go on.") shows; None without one.
        compression_ratio: zlib-compressed bytes / bytes; None for an empty text.
        alternating_share: letters in words whose case changes between three in four letters / all.
        collapsed: empty, or one token.
        early_end: the model ended by itself within 20 words and without closing the sentence.
    """

    words: int
    loops: tuple[Loop, ...]
    loop_share: float
    sign_loop_share: float
    repeated_4gram_share: float | None
    repeated_sentence_share: float | None
    sentences: int
    compression_ratio: float | None
    alternating_share: float
    collapsed: bool
    early_end: bool
    reasons: tuple[str, ...]

    @property
    def degenerate(self) -> bool:
        """Whether any bound is broken. An early end is told apart: a short answer can be right."""
        return bool(self.reasons)

    @property
    def severity(self) -> float:
        """0 for a sound text, else how much of it is lost: the largest share, at least one half."""
        if not self.reasons:
            return 0.0
        if self.collapsed:
            return 1.0
        shares = (self.repeated_4gram_share or 0.0, self.repeated_sentence_share or 0.0)
        return min(1.0, max(0.5, self.loop_share, self.sign_loop_share, self.alternating_share, *shares))


def measure(text: str, finish_reason: str | None = None, n_tokens: int | None = None) -> Degeneration:
    """The evidence of degeneration in an answer. Linear in its length."""
    spans = [match.span() for match in _WORD.finditer(text)]
    words = [text[start:end].lower() for start, end in spans]
    found = list(_loops(text, spans, words))
    letter_loops = tuple(loop for loop in found if _has_letter(text, loop))
    signs = sum(_length(loop) for loop in found) - sum(_length(loop) for loop in letter_loops)
    sentences = _sentences(text)
    evidence = Degeneration(
        words=len(words),
        loops=letter_loops,
        loop_share=sum(_length(loop) for loop in letter_loops) / len(text) if text else 0.0,
        sign_loop_share=signs / len(text) if text else 0.0,
        repeated_4gram_share=_repeated_4gram_share(words),
        repeated_sentence_share=1 - len(set(sentences)) / len(sentences) if sentences else None,
        sentences=len(sentences),
        compression_ratio=_compression_ratio(text),
        alternating_share=_alternating_share(text),
        collapsed=_collapsed(text, words, n_tokens),
        early_end=_early_end(text, words, finish_reason),
        reasons=(),
    )
    return _judged(evidence, text)


def _judged(evidence: Degeneration, text: str) -> Degeneration:
    loop_characters = sum(_length(loop) for loop in evidence.loops)
    ratio, share = evidence.compression_ratio, evidence.repeated_4gram_share
    broken = {
        "collapse": evidence.collapsed,
        "loop": (evidence.loop_share >= LOOP_SHARE and loop_characters >= LOOP_CHARACTERS)
        or any(_is_blatant(loop) for loop in evidence.loops),
        "signs": evidence.sign_loop_share >= SIGN_LOOP_SHARE and len(text) >= LOOP_CHARACTERS,
        "repeated 4-grams": share is not None
        and share >= REPEATED_4GRAM_SHARE
        and evidence.words >= REPEATED_4GRAM_WORDS,
        "repeated sentences": evidence.repeated_sentence_share is not None
        and evidence.repeated_sentence_share >= REPEATED_SENTENCE_SHARE
        and evidence.sentences >= REPEATED_SENTENCES,
        "compression": ratio is not None and ratio < COMPRESSION_RATIO and len(text) >= COMPRESSION_BYTES,
        "alternating case": evidence.alternating_share >= ALTERNATING_SHARE,
    }
    return replace(evidence, reasons=tuple(name for name, holds in broken.items() if holds))


def _length(loop: Loop) -> int:
    return loop.span[1] - loop.span[0]


def _is_blatant(loop: Loop) -> bool:
    """Evidence however long the text around it is: long enough, or repeated often enough."""
    if _length(loop) >= LONG_LOOP_CHARACTERS and loop.repeats >= LONG_LOOP_REPEATS:
        return True
    return _length(loop) >= TIGHT_LOOP_CHARACTERS and loop.repeats >= TIGHT_LOOP_REPEATS


def _has_letter(text: str, loop: Loop) -> bool:
    start, end = loop.span
    unit_end = end if loop.of_words else min(start + loop.period, end)
    return any(character.isalnum() for character in text[start:unit_end][:4096])


def _loops(text: str, spans: list[Span], words: list[str]) -> Iterator[Loop]:
    """Loops of whole words, then loops inside the long words that these leave over."""
    covered = 0
    for run in runs(tuple(words), MIN_REPEATS):
        if run.period == 1 and run.repeats <= MIN_REPEATS:
            continue
        yield from _inside(text, spans, covered, run.start)
        covered = run.end
        yield Loop((spans[run.start][0], spans[run.end - 1][1]), run.period, run.repeats, of_words=True)
    yield from _inside(text, spans, covered, len(spans))


def _inside(text: str, spans: list[Span], first: int, end: int) -> Iterator[Loop]:
    for start, stop in spans[first:end]:
        if stop - start >= LONG_WORD_CHARACTERS:
            word = text[start:stop].lower()
            # A character that grows when lowered would move every place behind it.
            word = word if len(word) == stop - start else text[start:stop]
            for run in runs(word, MIN_REPEATS):
                if run.end - run.start >= LONG_WORD_CHARACTERS - 4:
                    yield Loop((start + run.start, start + run.end), run.period, run.repeats, of_words=False)


def _repeated_4gram_share(words: list[str]) -> float | None:
    n = len(words) - 3
    if n < 1:
        return None
    return 1 - len(set(zip(words, words[1:], words[2:], words[3:], strict=False))) / n


def _sentences(text: str) -> list[str]:
    """The letters of each sentence of three words or more, in lower case."""
    found = (_LETTERS.findall(sentence) for sentence in _SENTENCE_END.split(text.lower()))
    return [" ".join(words) for words in found if len(words) >= SENTENCE_WORDS]


def _compression_ratio(text: str) -> float | None:
    data = text.encode("utf-8", "replace")
    return len(zlib.compress(data, 6)) / len(data) if data else None


def _alternating_share(text: str) -> float:
    """Words like eXaMpLe; a few names (LaTeX, iOS) are not enough letters to count."""
    if len(_CASE_RISE.findall(text)) < 4:
        return 0.0
    letters = alternating = 0
    for match in _ALTERNATING_WORD.finditer(text):
        word = match.group()
        letters += len(word)
        if not word.islower() and not word[1:].islower() and not word.isupper():
            changes = sum(a.isupper() != b.isupper() for a, b in itertools.pairwise(word))
            alternating += len(word) if changes >= ALTERNATING_CHANGES * (len(word) - 1) else 0
    return alternating / letters if alternating >= ALTERNATING_LETTERS else 0.0


def _collapsed(text: str, words: list[str], n_tokens: int | None) -> bool:
    if not any(character.isalnum() for character in text[:4096]) and len(text) <= 4096:
        return True
    return (n_tokens is not None and n_tokens <= 1) or (len(words) == 1 and len(text) < COLLAPSE_CHARACTERS)


def _early_end(text: str, words: list[str], finish_reason: str | None) -> bool:
    ended_by_itself = finish_reason in (None, "stop")
    return ended_by_itself and len(words) < EARLY_END_WORDS and not _CLOSED.search(text[-8:])


class DegenerationInstrument:
    """Degeneration as an instrument for gates: the total is 1 for a degenerate answer, 0 for a sound one."""

    name = NAME
    version = VERSION
    sha256 = text_sha256(f"{NAME} {VERSION}")
    description = "Loops of any period, repeated 4-grams, compression, alternating case, collapse, early end."
    known_faults: tuple[str, ...] = (
        "A right answer of one word counts as collapsed: do not gate short-answer batteries with it.",
    )

    def score(self, reading: Reading) -> Score:
        """Read the answer without template debris; `detail` names the bounds that it breaks."""
        answer = answer_of(reading.text)
        found = measure(answer.text, reading.finish_reason, reading.n_tokens)
        spans = tuple(answer.raw_span(*loop.span) for loop in found.loops)
        return Score(
            instrument=self.name,
            version=self.version,
            text_sha256=text_sha256(answer.text),
            total=float(found.degenerate),
            dimensions={
                "degenerate": DimensionScore(float(found.degenerate), contribution=float(found.degenerate)),
                "loop_share": DimensionScore(found.loop_share, hits=len(spans), spans=spans),
                "sign_loop_share": DimensionScore(found.sign_loop_share),
                "repeated_4gram_share": DimensionScore(found.repeated_4gram_share),
                "repeated_sentence_share": DimensionScore(found.repeated_sentence_share),
                "compression_ratio": DimensionScore(found.compression_ratio),
                "alternating_share": DimensionScore(found.alternating_share),
                "collapse": DimensionScore(float(found.collapsed)),
                "early_end": DimensionScore(float(found.early_end)),
            },
            detail={"reasons": list(found.reasons)},
        )
