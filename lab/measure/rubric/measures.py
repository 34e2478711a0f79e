"""What a rubric can measure of a text besides counting matches, by name. None: undefined for this text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from lab.measure.degeneration import measure as measure_degeneration
from lab.measure.instrument import Reading, Span
from lab.measure.relevance import TfIdf
from lab.measure.rubric.matching import HeadIndex, Matcher, fold
from lab.measure.rubric.prose import prose_of
from lab.measure.words import measure as measure_words

OFF_TOPIC_WORDS = 30
PARAGRAPH_WORDS = 15


class Views:
    """A text under measurement, each view of it made once and only when asked for."""

    def __init__(self, text: str, reading: Reading, heads: HeadIndex, tfidf: TfIdf | None = None) -> None:
        self.text = text
        self.reading = reading
        self._heads = heads
        self._tfidf = tfidf

    def matches(self, matcher: Matcher, in_prose: bool) -> list[Span]:
        """The spans of a matcher in the text, or in its prose."""
        if in_prose:
            return matcher.find(self.prose, self.lowered_prose, self._prose_starts.get(matcher))
        return matcher.find(self.text, self.lowered, self._starts.get(matcher))

    @cached_property
    def _starts(self) -> Mapping[Matcher, list[int]]:
        return {} if self.lowered is None else self._heads.starts(self.lowered)

    @cached_property
    def _prose_starts(self) -> Mapping[Matcher, list[int]]:
        return {} if self.lowered_prose is None else self._heads.starts(self.lowered_prose)

    @cached_property
    def lowered(self) -> str | None:
        return fold(self.text)

    @cached_property
    def prose(self) -> str:
        return prose_of(self.text)

    @cached_property
    def lowered_prose(self) -> str | None:
        return fold(self.prose)

    @cached_property
    def words(self) -> list[str]:
        return self.text.split()

    @cached_property
    def prose_words(self) -> int:
        return len(self.prose.split())

    @cached_property
    def sentences(self) -> list[str]:
        """The '.'-separated sentences that are not blank, stripped."""
        return [sentence for part in self.text.split(".") if (sentence := part.strip())]

    @cached_property
    def degeneration(self) -> float:
        return measure_degeneration(self.text, self.reading.finish_reason, self.reading.n_tokens).severity

    @cached_property
    def relevance(self) -> float | None:
        if self._tfidf is None or self.reading.prompt is None or len(self.words) < OFF_TOPIC_WORDS:
            return None
        return self._tfidf.relevance(self.text, self.reading.prompt)


def _unique_word_share(views: Views) -> float | None:
    return len(set(views.words)) / len(views.words) if views.words else None


def _repeated_sentence_share(views: Views) -> float | None:
    return 1 - len(set(views.sentences)) / len(views.sentences) if views.sentences else None


def _short_line_share(views: Views) -> float | None:
    lines = [line for line in views.text.split("\n") if line.strip()]
    return sum(len(line) < 60 for line in lines) / len(lines) if lines else None


def _prose_paragraphs(views: Views) -> float:
    blocks = views.prose.replace("\r", "").split("\n\n")
    return float(sum(len(block.split()) >= PARAGRAPH_WORDS for block in blocks))


def _window_entropy_nats(views: Views) -> float | None:
    return measure_words(views.text).window_mean_nats


MEASURES: Mapping[str, Callable[[Views], float | None]] = {
    # Lengths.
    "characters": lambda views: float(len(views.text)),
    "stripped_characters": lambda views: float(len(views.text.strip())),
    "words": lambda views: float(len(views.words)),
    "prose_words": lambda views: float(views.prose_words),
    "lines": lambda views: float(views.text.count("\n") + 1),
    "sentences": lambda views: float(len(views.sentences)),
    # Paragraphs of at least 15 words of prose.
    "prose_paragraphs": _prose_paragraphs,
    # Non-blank lines shorter than 60 characters / non-blank lines.
    "short_line_share": _short_line_share,
    # Distinct / all white-space words, as written.
    "unique_word_share": _unique_word_share,
    # 1 − distinct / all '.'-separated sentences.
    "repeated_sentence_share": _repeated_sentence_share,
    # Mean word entropy of 100-word windows, in nats (lab.measure.words); undefined below 100 words.
    "window_entropy_nats": _window_entropy_nats,
    # 0 sound … 1 lost (lab.measure.degeneration).
    "degeneration": lambda views: views.degeneration,
    # TF-IDF cosine with the prompt; undefined without a prompt and below 30 words.
    "relevance": lambda views: views.relevance,
}
