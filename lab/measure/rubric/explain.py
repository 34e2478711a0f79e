"""An account of a score: what each dimension weighs and adds, and which words made it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from lab.measure.instrument import DimensionScore, Instrument, Reading, Span
from lab.measure.rubric.engine import RubricInstrument
from lab.measure.rubric.model import Dimension

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Match:
    """A text that a dimension matched, in lower case and on one line, and how often."""

    text: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DimensionAccount:
    """One dimension of a score.

    Attributes:
        value: what it counted; None where it is undefined for this text.
        contribution: what it adds to the total.
        weight: points for each 1 of value; None for an instrument that is no weighted sum.
        most: the most that it can add; None where it has no limit, or takes points off.
        is_full: whether it adds its most, so that more of the same would not count.
        spans: where its matches stand in the raw text, in order; they may overlap those of other dimensions.
        matches: the matched texts, the most frequent first.
        measures: the figures of the text that it reads besides matches, by their names in a rubric.
    """

    name: str
    value: float | None
    contribution: float
    weight: float | None
    most: float | None
    is_full: bool
    spans: tuple[Span, ...]
    matches: tuple[Match, ...]
    measures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A score with its reasons. `maximum` is the most that a text can score; None where there is none."""

    instrument: str
    version: str
    description: str
    known_faults: tuple[str, ...]
    text_sha256: str
    total: float | None
    maximum: float | None
    dimensions: tuple[DimensionAccount, ...]
    reasons: tuple[str, ...]


def explain(by: Instrument, reading: Reading) -> Account:
    """Score an answer and account for every dimension in order. Raises what the instrument raises."""
    score = by.score(reading)
    rubric = by.rubric if isinstance(by, RubricInstrument) else None
    defined = {dimension.name: dimension for dimension in rubric.dimensions} if rubric else {}
    reasons = score.detail.get("reasons", ())
    return Account(
        instrument=score.instrument,
        version=score.version,
        description=by.description,
        known_faults=by.known_faults,
        text_sha256=score.text_sha256,
        total=score.total,
        maximum=rubric.maximum if rubric else None,
        dimensions=tuple(
            _account(name, found, defined.get(name), reading.text) for name, found in score.dimensions.items()
        ),
        reasons=tuple(str(reason) for reason in reasons) if isinstance(reasons, list | tuple) else (),
    )


def _account(name: str, found: DimensionScore, defined: Dimension | None, text: str) -> DimensionAccount:
    most = _most(defined) if defined else None
    return DimensionAccount(
        name=name,
        value=found.value,
        contribution=found.contribution,
        weight=defined.weight if defined else None,
        most=most,
        is_full=most is not None and found.contribution > most - _ROUNDING,
        spans=found.spans,
        matches=_matches(found.spans, text),
        measures=tuple(dict.fromkeys(_measures(defined))) if defined else (),
    )


def _most(dimension: Dimension) -> float | None:
    """Where its contribution ends: its cap, or its weight times the limit of its value."""
    if dimension.weight <= 0:
        return None
    ends = [dimension.cap, None if dimension.limit is None else dimension.weight * dimension.limit]
    return min((end for end in ends if end is not None), default=None)


def _matches(spans: tuple[Span, ...], text: str) -> tuple[Match, ...]:
    counts = Counter(_bare(text[start:end]) for start, end in spans)
    return tuple(Match(matched, n) for matched, n in counts.most_common())


def _bare(matched: str) -> str:
    return " ".join(matched.lower().split()) or matched


def _measures(dimension: Dimension) -> Iterator[str]:
    for part in dimension.parts:
        if part.measure is not None:
            yield part.measure
        if part.when is not None:
            yield part.when.measure
