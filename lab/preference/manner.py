"""How a rater judges: speed against reading, sides, and agreement with oneself on swapped repeats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from lab.preference.verdicts import preferred
from store.records import JudgementRecord

if TYPE_CHECKING:
    from lab.measure.statistics import Estimate

READING_WORDS_PER_MINUTE = 238.0
"""Silent reading of English prose; Brysbaert 2019, a mean over 190 studies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """One rater's figures. Shares are None where nothing decides them."""

    judged: int
    decisive: int
    unblinded: int
    median_s: float | None
    faster_than_reading: int
    left_wins: Estimate | None
    repeats: int
    agreeing_repeats: int


def reading_s(words: int) -> float:
    """Seconds that reading `words` words takes an average reader."""
    return words / READING_WORDS_PER_MINUTE * 60.0


def manner(verdicts: Iterable[JudgementRecord], words_to_read: dict[str, int]) -> Manner:
    """The figures of a rater's standing verdicts; `words_to_read` by pair is what was new on its card."""
    from lab.measure.statistics import wilson

    given = list(verdicts)
    times = [one.reading_ms / 1e3 for one in given if one.reading_ms is not None]
    hasty = [
        one
        for one in given
        if one.reading_ms is not None and one.reading_ms / 1e3 < reading_s(words_to_read.get(one.pair_id, 0))
    ]
    decisive = [one for one in given if preferred(one) is not None]
    agreeing, repeats = agreement(given)
    return Manner(
        judged=len(given),
        decisive=len(decisive),
        unblinded=sum(not one.blind for one in given),
        median_s=median(times) if times else None,
        faster_than_reading=len(hasty),
        left_wins=wilson(sum(one.verdict == "left" for one in decisive), len(decisive)) if decisive else None,
        repeats=repeats,
        agreeing_repeats=agreeing,
    )


def agreement(verdicts: Iterable[JudgementRecord]) -> tuple[int, int]:
    """How many later passes of a pair say what its first verdict says, and how many there are; no skips."""
    given = list(verdicts)
    first = {one.pair_id: one for one in given if one.pass_number == 0}
    again = [
        (first[one.pair_id], one)
        for one in given
        if one.pass_number > 0
        and one.pair_id in first
        and "skip" not in (one.verdict, first[one.pair_id].verdict)
    ]
    return sum(_meaning(before) == _meaning(now) for before, now in again), len(again)


def _meaning(judgement: JudgementRecord) -> str | None:
    """What a verdict says apart from where the answers stood."""
    return preferred(judgement) or judgement.verdict
