"""What is said of a pair of answers: the comparison's instrument on both, failure modes, right or wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lab.measure.capability import CapabilityInstrument, expectation
from lab.measure.degeneration import DegenerationInstrument
from lab.measure.instrument import Instrument, Reading, Score
from lab.measure.relevance import TopicEvasionInstrument
from lab.scoring import core_tfidf, score_record
from store.records import GenerationRecord, ScoreRecord

BASE_GENERATION = "base_generation_id"
"""In the detail of a score that was given against another answer: which."""
ANY_ANSWER = "It is neither one nor the other."


def pair_scores(
    left: GenerationRecord, right: GenerationRecord, by: Instrument, probe: Mapping[str, object]
) -> list[ScoreRecord]:
    """The scores of a pair as they are kept, that of the right answer's degeneration last.

    `probe` holds the probe's own fields (`answers`, `kind`, …). Topic evasion is the right answer's, held
    against the left one. What an instrument leaves undefined gets no record.
    """
    sides = (
        (left, _reading(left, probe)),
        (right, replace(_reading(right, probe), base_text=left.text)),
    )
    return [
        _record(answer.id, score, instrument, left.id)
        for instrument in _instruments(by, probe)
        for answer, reading in sides
        if (score := instrument.score(reading)).total is not None
    ]


def can_score(by: Instrument, prompt: str, probe: Mapping[str, object]) -> bool:
    """Whether this instrument has a total for an answer to this prompt at all, whatever the answer."""
    return by.score(Reading(text=ANY_ANSWER, prompt=prompt, probe=probe)).total is not None


def _instruments(by: Instrument, probe: Mapping[str, object]) -> list[Instrument]:
    """Each once; degeneration, which judges every answer, is the last."""
    wanted: list[Instrument] = [TopicEvasionInstrument(core_tfidf()), by]
    if expectation(probe) is not None:
        wanted.append(CapabilityInstrument())
    wanted.append(DegenerationInstrument())
    return list({instrument.name: instrument for instrument in reversed(wanted)}.values())[::-1]


def _reading(answer: GenerationRecord, probe: Mapping[str, object]) -> Reading:
    return Reading(
        text=answer.text,
        prompt=answer.prompt,
        finish_reason=answer.finish_reason,
        n_tokens=answer.n_tokens,
        probe=probe,
    )


def _record(generation_id: str, score: Score, by: Instrument, base_id: str) -> ScoreRecord:
    record = score_record(generation_id, score, by)
    if by.name != TopicEvasionInstrument.name:
        return record
    return replace(record, detail={**record.detail, BASE_GENERATION: base_id})
