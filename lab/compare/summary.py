"""The battery as a whole: every number that command, screen and report show of a comparison. Pure.

Left is the base, right the tuned side. Only pairs with both answers count, so that no side has the easier
probes. The one primary test is that of the total over all probes; everything else is adjusted in families.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.measure import capability
from lab.measure.comparison import (
    BatterySummary,
    ComparisonRow,
    Measure,
    ScoredAnswer,
    compare,
    compare_measures,
)
from lab.measure.statistics import (
    Estimate,
    PairedTest,
    PowerRow,
    mcnemar_test,
    mean_interval,
    pairs_needed,
    sign_flip_test,
    wilson,
)
from lab.measure.statistics.power import LEAST_WIN_RATE

if TYPE_CHECKING:
    from store.queries import ComparedAnswer

TOTAL = "total"
FREE_PROMPT = "free prompt"
GENERATION = "generation"

Sides = tuple[Sequence["ComparedAnswer"], Sequence["ComparedAnswer"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """Right answers to the checkable probes: pass rates of both sides, and the test of their difference.

    McNemar's test where every probe was answered once; otherwise shares right by probe, and their sign-flip.
    """

    instrument: str
    version: str
    base: Estimate
    tuned: Estimate
    test: PairedTest


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonSummary:
    """What a comparison shows.

    Attributes:
        pairs: pairs with both answers; `planned` as many as there are to be.
        battery: totals over probes, by domain, extremes and failure modes.
        dimensions: the instrument's dimensions, one family of tests.
        figures: what the answers are like, whatever they are worth: mean H_t in nats, tokens, and the share
            cut off at the token limit; one family of tests.
        capability: where some of the probes are checkable, else None.
        needed: decided pairs that would show a win rate as far from one half as this one, or None when it is
            too near to one half for any number.
    """

    pairs: int
    planned: int
    battery: BatterySummary
    dimensions: tuple[ComparisonRow, ...]
    figures: tuple[ComparisonRow, ...]
    capability: Capability | None
    needed: PowerRow | None


def summarize(
    answers: Iterable[ComparedAnswer],
    instrument: str,
    version: str,
    *,
    planned: int | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> ComparisonSummary:
    """The summary of a comparison's answers, scored by this version of an instrument.

    Raises LabError when no pair has a score on both sides.
    """
    left, right = sides = _paired(answers)
    if not left:
        raise LabError("compare: no pair has both its answers yet")
    battery = compare(
        *_scored(sides, Measure(instrument, version), lambda answer: answer.scores.get(TOTAL)),
        confidence=confidence,
        seed=seed,
    )
    return ComparisonSummary(
        pairs=len(left),
        planned=len(left) if planned is None else planned,
        battery=battery,
        dimensions=_dimensions(sides, instrument, version, confidence, seed),
        figures=_figures(sides, confidence, seed),
        capability=_capability(left, right, confidence, seed),
        needed=_needed(battery),
    )


def _paired(answers: Iterable[ComparedAnswer]) -> Sides:
    """The answers of both sides, place by place, where both are there."""
    by_side: dict[str, dict[int, ComparedAnswer]] = {"left": {}, "right": {}}
    for answer in answers:
        by_side[answer.side][answer.place] = answer
    left, right = by_side["left"], by_side["right"]
    places = sorted(left.keys() & right.keys())
    return [left[place] for place in places], [right[place] for place in places]


def _scored(
    sides: Sides, measure: Measure, value: Callable[[ComparedAnswer], float | None]
) -> tuple[list[ScoredAnswer], list[ScoredAnswer]]:
    before, after = (
        [
            ScoredAnswer(
                probe_id=answer.probe_id or answer.cluster,
                domain=answer.domain or FREE_PROMPT,
                measure=measure,
                score=value(answer),
                source_probe=answer.source_probe,
                failure_modes=answer.modes,
            )
            for answer in side
        ]
        for side in sides
    )
    return before, after


def _rows(
    sides: Sides,
    measures: Mapping[Measure, Callable[[ComparedAnswer], float | None]],
    confidence: float,
    seed: int,
) -> tuple[ComparisonRow, ...]:
    scored = [_scored(sides, measure, value) for measure, value in measures.items()]
    before, after = ([answer for pair in scored for answer in pair[side]] for side in (0, 1))
    return compare_measures(before, after, confidence=confidence, seed=seed)


def _dimensions(
    sides: Sides, instrument: str, version: str, confidence: float, seed: int
) -> tuple[ComparisonRow, ...]:
    names = dict.fromkeys(name for side in sides for answer in side for name in answer.scores)
    measures = {
        Measure(instrument, version, name): _dimension(name) for name in sorted(names) if name != TOTAL
    }
    return _rows(sides, measures, confidence, seed)


def _dimension(name: str) -> Callable[[ComparedAnswer], float | None]:
    return lambda answer: answer.scores.get(name)


def _figures(sides: Sides, confidence: float, seed: int) -> tuple[ComparisonRow, ...]:
    measures: dict[Measure, Callable[[ComparedAnswer], float | None]] = {
        Measure(GENERATION, "1", "mean_entropy_nats"): lambda answer: answer.mean_entropy_nats,
        Measure(GENERATION, "1", "tokens"): lambda answer: answer.n_tokens,
        Measure(GENERATION, "1", "cut_off"): _cut_off,
    }
    return _rows(sides, measures, confidence, seed)


def _cut_off(answer: ComparedAnswer) -> float | None:
    return None if answer.finish_reason is None else float(answer.finish_reason == "length")


def _capability(
    left: Sequence[ComparedAnswer], right: Sequence[ComparedAnswer], confidence: float, seed: int
) -> Capability | None:
    """Over the probes checked on both sides, each once: rephrasings and samples are folded."""
    base: dict[str, list[float]] = defaultdict(list)
    tuned: dict[str, list[float]] = defaultdict(list)
    for before, after in zip(left, right, strict=True):
        if before.correct is not None and after.correct is not None:
            base[before.cluster].append(before.correct)
            tuned[before.cluster].append(after.correct)
    if not base:
        return None
    before_shares, after_shares = ([fmean(values) for values in side.values()] for side in (base, tuned))
    test: PairedTest
    if all(len(values) == 1 for values in base.values()):
        n = len(base)
        rates = [wilson(sum(shares), n, confidence=confidence) for shares in (before_shares, after_shares)]
        test = mcnemar_test(
            [share == 1 for share in before_shares],
            [share == 1 for share in after_shares],
            confidence=confidence,
        )
    else:
        rates = [
            mean_interval(shares, confidence=confidence, seed=seed)
            for shares in (before_shares, after_shares)
        ]
        changes = [after - before for before, after in zip(before_shares, after_shares, strict=True)]
        test = sign_flip_test(changes, confidence=confidence, seed=seed)
    return Capability(
        instrument=capability.NAME, version=capability.VERSION, base=rates[0], tuned=rates[1], test=test
    )


def _needed(battery: BatterySummary) -> PowerRow | None:
    share = battery.win_rate.decisive.value
    if share is None or max(share, 1 - share) < LEAST_WIN_RATE:
        return None
    return pairs_needed(max(share, 1 - share))
