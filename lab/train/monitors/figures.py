"""What the answers of one look at the pinned probes come to. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from lab.measure import degeneration
from lab.measure.words import measure
from lab.measure.zones import TOO_SHORT, ZoneTable, zone_of
from store.records import GenerationRecord


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over answers, each answer counting the same; entropies in nats.

    `entropy_nats` is H_t, with the least and greatest mean of an answer around it. `word_entropy_nats` is H_w
    over all answers, `long_word_entropy_nats` over those that the zone table takes for long enough (None
    without one), whose number is `long`. `window_nats` is the mean of 100-word windows over the answers that
    have one. `zones` and `degenerate` (reasons) count answers.
    """

    answers: int
    entropy_nats: float | None
    least_entropy_nats: float | None
    greatest_entropy_nats: float | None
    word_entropy_nats: float
    words: float
    long: int
    long_word_entropy_nats: float | None
    window_nats: float | None
    zones: Mapping[str, int]
    degenerate: Mapping[str, int]
    degenerate_answers: int


def figures(generations: Sequence[GenerationRecord], table: ZoneTable) -> Figures:
    """The figures of one look."""
    entropies = [g.mean_entropy_nats for g in generations if g.mean_entropy_nats is not None]
    texts = [measure(g.text) for g in generations]
    found = [degeneration.measure(g.text, g.finish_reason, g.n_tokens) for g in generations]
    long = [text.word_entropy_nats for text in texts if text.words >= table.min_words]
    windows = [text.window_mean_nats for text in texts if text.window_mean_nats is not None]
    zones = [zone_of(text.word_entropy_nats, text.words, table) for text in texts]
    return Figures(
        answers=len(generations),
        entropy_nats=fmean(entropies) if entropies else None,
        least_entropy_nats=min(entropies, default=None),
        greatest_entropy_nats=max(entropies, default=None),
        word_entropy_nats=fmean(text.word_entropy_nats for text in texts),
        words=fmean(text.words for text in texts),
        long=len(long),
        long_word_entropy_nats=fmean(long) if long else None,
        window_nats=fmean(windows) if windows else None,
        zones=dict(Counter(zone.name if zone else TOO_SHORT for zone in zones)),
        degenerate=dict(Counter(reason for one in found for reason in one.reasons)),
        degenerate_answers=sum(one.degenerate for one in found),
    )


def counted(counts: Mapping[str, int]) -> str:
    """ "LANTERN 3, too short to zone 1", the most frequent first."""
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items(), key=lambda item: -item[1]))
