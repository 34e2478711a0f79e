"""The one engine that runs every rubric: a pass over the text for each thing that a dimension counts."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

from lab.measure.answer import Answer, answer_of, whole
from lab.measure.instrument import DimensionScore, Reading, Score, Span, text_sha256
from lab.measure.relevance import TfIdf
from lab.measure.rubric.measures import MEASURES, Views
from lab.measure.rubric.model import Dimension, Part, Rubric

_CURLY_APOSTROPHES = "’‘ʼ"


@dataclass(frozen=True, slots=True)
class RubricInstrument:
    """A rubric as an instrument. `tfidf` serves rubrics that measure relevance."""

    rubric: Rubric
    tfidf: TfIdf | None = None

    @property
    def name(self) -> str:
        """The rubric's name."""
        return self.rubric.name

    @property
    def version(self) -> str:
        """The rubric's version."""
        return self.rubric.version

    @property
    def sha256(self) -> str:
        """The hash of the rubric's file."""
        return self.rubric.sha256

    @property
    def description(self) -> str:
        """What the rubric says of itself."""
        return self.rubric.description

    @property
    def known_faults(self) -> tuple[str, ...]:
        """What is known to be wrong with it, to be shown beside its scores."""
        return self.rubric.known_faults

    def score(self, reading: Reading) -> Score:
        """Score an answer; spans point into the raw text."""
        return score(self.rubric, reading, self.tfidf)


def score(rubric: Rubric, reading: Reading, tfidf: TfIdf | None = None) -> Score:
    """What `rubric` says of an answer. Linear in its length; spans point into the raw text."""
    answer = answer_of(reading.text) if rubric.reads == "answer" else whole(reading.text)
    text = answer.text
    if rubric.straight_apostrophes:
        for curly in _CURLY_APOSTROPHES:
            text = text.replace(curly, "'")
    views = Views(text, reading, rubric.heads, tfidf)
    dimensions = {dimension.name: _dimension(dimension, views, answer) for dimension in rubric.dimensions}
    total = math.fsum(found.contribution for found in dimensions.values())
    return Score(
        instrument=rubric.name,
        version=rubric.version,
        text_sha256=text_sha256(answer.text),
        total=total if rubric.rounding is None else round(total, rubric.rounding),
        dimensions=dimensions,
    )


def _dimension(dimension: Dimension, views: Views, answer: Answer) -> DimensionScore:
    spans: list[Span] = []
    values = [_part(part, views, spans) for part in dimension.parts]
    defined = [value for value in values if value is not None]
    if not defined:
        return DimensionScore(None)
    value = sum(defined) + dimension.plus
    if dimension.limit is not None:
        value = min(value, dimension.limit)
    if dimension.words_per_hit is not None:
        value = min(value, views.prose_words / dimension.words_per_hit)
    contribution = dimension.weight * value + 0.0  # no negative zero
    if dimension.cap is not None:
        contribution = min(contribution, dimension.cap)
    return DimensionScore(
        value=_whole_if_whole(value),
        hits=len(spans),
        contribution=contribution,
        spans=tuple(answer.raw_span(*span) for span in sorted(spans)),
    )


def _whole_if_whole(value: float) -> float:
    return int(value) if float(value).is_integer() else value


def _part(part: Part, views: Views, spans: list[Span]) -> float | None:
    """What a part is worth, its matches added to `spans`; None where its measure is undefined."""
    if part.when is not None:
        condition = MEASURES[part.when.measure](views)
        if condition is None or not part.when.step.holds(condition):
            return 0.0
    counted = _measured(part, views) if part.measure is not None else _matched(part, views, spans)
    if counted is None:
        return None
    worth = part.points * counted
    return worth if part.limit is None else min(worth, part.limit)


def _measured(part: Part, views: Views) -> float | None:
    assert part.measure is not None
    measured = MEASURES[part.measure](views)
    if measured is None:
        # A step says what is wrong with a text; where the measure is undefined, nothing is known to be.
        return 0.0 if part.steps else None
    if part.scale is not None:
        return part.scale.at(measured)
    if part.steps:
        return next((step.value for step in part.steps if step.holds(measured)), 0.0)
    return measured


def _matched(part: Part, views: Views, spans: list[Span]) -> float:
    assert part.matcher is not None
    found = views.matches(part.matcher, in_prose=part.view == "prose")
    if part.per_sentence:
        found = _one_per_sentence(views.text, found, part.sentence_starts)
    spans.extend(found)
    return float(min(len(found), 1) if part.once else len(found))


def _one_per_sentence(text: str, found: list[Span], starts: tuple[str, ...]) -> list[Span]:
    """The first match of each '.'-separated sentence, or its beginning where that is one of `starts`."""
    firsts = [start for start, _ in found]
    kept: list[Span] = []
    begin = 0
    for sentence in text.split("."):
        end = begin + len(sentence)
        stripped = sentence.strip()
        opening = next((start for start in starts if stripped.startswith(start)), None)
        match = bisect_left(firsts, begin)
        if opening is not None:
            head = begin + sentence.index(stripped)
            kept.append((head, head + len(opening)))
        elif match < len(found) and firsts[match] < end:
            kept.append(found[match])
        begin = end + 1
    return kept
