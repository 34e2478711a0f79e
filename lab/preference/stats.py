"""What the verdicts on pairs say: wins, agreement, biases of position and length, scorers, strengths. Pure.

A rater's verdict on a pair is the first standing showing; later ones measure steadiness. "Everyone" has one
verdict a pair, the majority's. Both bad counts as a tie, skips not at all. Every share carries its interval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, takewhile
from typing import TYPE_CHECKING

from lab.measure.statistics import (
    Agreement,
    Estimate,
    PowerRow,
    WinRate,
    cohen_kappa,
    krippendorff_alpha,
    power_table,
    wilson,
    win_rate,
)
from lab.measure.statistics.bradley_terry import Contest, Strength, bradley_terry
from lab.preference.judged import TIE, Curated, model_words
from lab.preference.manner import Manner, manner
from lab.preference.verdicts import preferred

if TYPE_CHECKING:
    from store.queries.pairs import JudgedAnswer, JudgedPair

GAPS = (("within 10 %", 0.10), ("10 to 25 %", 0.25), ("25 to 50 %", 0.50), ("over 50 %", 1.0))
"""By how much the shorter answer falls short of the longer one, in words."""

Choice = tuple["JudgedPair", str]
"""A pair and what is said of it: the id of the preferred answer, or a tie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthBias:
    """How often the longer of two answers is preferred, where their lengths differ: in all and by gap."""

    longer_wins: Estimate
    by_gap: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerAgreement:
    """How often an instrument's higher total is the preferred answer's; `equal` pairs had equal totals."""

    instrument: str
    version: str
    agrees: Estimate
    equal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterFigures:
    """One rater, or everyone together (`rater` None). `verdicts` counts all standing showings by verdict."""

    rater: str | None
    verdicts: Mapping[str, int]
    pairs: int
    manner: Manner
    steady: Estimate | None
    length: LengthBias
    scorers: tuple[ScorerAgreement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matchup:
    """Two models that were compared; wins are the second's."""

    first: str
    second: str
    rate: WinRate


@dataclass(frozen=True, slots=True, kw_only=True)
class Kappa:
    """Two raters on the pairs that both judged."""

    raters: tuple[str, str]
    agreement: Agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class PairStats:
    """Everything that the verdicts say. `one_model` counts pairs of one and the same side, which say nothing
    between sides; `undone` pairs have no standing verdict."""

    everyone: RaterFigures
    raters: tuple[RaterFigures, ...]
    matchups: tuple[Matchup, ...]
    one_model: int
    undone: int
    kappas: tuple[Kappa, ...]
    alpha: Agreement | None
    strengths: tuple[Strength, ...]
    power: tuple[PowerRow, ...]
    decided: int


def pair_stats(
    curated: Sequence[Curated], name: Callable[[JudgedAnswer], str] = model_words, *, seed: int = 0
) -> PairStats:
    """The figures of all judged pairs; `name` says of an answer whose it is."""
    words = {one.judged.pair.id: words_to_read(one.judged) for one in curated}
    everyone = [(one.judged, choice) for one in curated if (choice := one.consensus) is not None]
    names = sorted({verdict.rater for one in curated for verdict in one.standing})
    raters = tuple(_rater(rater, curated, words) for rater in names)
    between = [
        (name(pair.first), name(pair.second), pair, choice)
        for pair, choice in everyone
        if name(pair.first) != name(pair.second)
    ]
    return PairStats(
        everyone=_everyone(curated, everyone, raters, words),
        raters=raters,
        matchups=tuple(_matchups(between)),
        one_model=len(everyone) - len(between),
        undone=sum(not one.standing for one in curated),
        kappas=tuple(_kappas(curated, names)),
        alpha=_alpha(curated, names) if len(names) > 1 else None,
        strengths=bradley_terry(
            [
                Contest(first=first, second=second, score=_score(pair, choice), cluster=pair.first.cluster)
                for first, second, pair, choice in between
            ],
            seed=seed,
        ),
        power=power_table(),
        decided=sum(choice != TIE for _, choice in everyone),
    )


def words_to_read(judged: JudgedPair) -> int:
    """The words of a card: the question, and both answers with what they begin with in common once."""
    first, second = judged.first.text.split(), judged.second.text.split()
    alike = takewhile(lambda words: words[0] == words[1], zip(first, second, strict=False))
    return len(judged.first.prompt.split()) + len(first) + len(second) - sum(1 for _ in alike)


def length_bias(choices: Iterable[Choice]) -> LengthBias:
    """Among decided pairs whose answers differ in words: how often the longer one is preferred."""
    won: Counter[str] = Counter()
    met: Counter[str] = Counter()
    for pair, choice in choices:
        lengths = {answer.id: len(answer.text.split()) for answer in (pair.first, pair.second)}
        short, long = sorted(lengths.values())
        if choice == TIE or short == long:
            continue
        gap = next(label for label, most in GAPS if (long - short) / long <= most)
        met[gap] += 1
        won[gap] += lengths[choice] == long
    return LengthBias(
        longer_wins=wilson(won.total(), met.total()),
        by_gap={label: wilson(won[label], met[label]) for label, _ in GAPS if met[label]},
    )


def scorer_agreement(choices: Sequence[Choice]) -> tuple[ScorerAgreement, ...]:
    """Each instrument that scored both answers of a decided pair, against what people preferred."""
    agreed: Counter[tuple[str, str]] = Counter()
    met: Counter[tuple[str, str]] = Counter()
    equal: Counter[tuple[str, str]] = Counter()
    for pair, choice in choices:
        if choice == TIE:
            continue
        for by in pair.first.totals.keys() & pair.second.totals.keys():
            gap = pair.answer(choice).totals[by] - pair.other(choice).totals[by]
            if gap == 0.0:
                equal[by] += 1
            else:
                met[by] += 1
                agreed[by] += gap > 0.0
    return tuple(
        ScorerAgreement(instrument=by[0], version=by[1], agrees=wilson(agreed[by], met[by]), equal=equal[by])
        for by in sorted(met.keys() | equal.keys())
    )


def _rater(rater: str, curated: Sequence[Curated], words: dict[str, int]) -> RaterFigures:
    own = [verdict for one in curated for verdict in one.standing if verdict.rater == rater]
    choices = [
        (one.judged, preferred(verdict) or TIE)
        for one in curated
        if (verdict := one.firsts.get(rater)) is not None
    ]
    how = manner(own, words)
    return RaterFigures(
        rater=rater,
        verdicts=dict(Counter(str(verdict.verdict) for verdict in own)),
        pairs=len(choices),
        manner=how,
        steady=wilson(how.agreeing_repeats, how.repeats) if how.repeats else None,
        length=length_bias(choices),
        scorers=scorer_agreement(choices),
    )


def _everyone(
    curated: Sequence[Curated],
    choices: Sequence[Choice],
    raters: Sequence[RaterFigures],
    words: dict[str, int],
) -> RaterFigures:
    given = [verdict for one in curated for verdict in one.standing]
    # Verdicts that came in a file were not given on a card: their sides and times say nothing.
    on_cards = manner([verdict for verdict in given if verdict.reading_ms is not None], words)
    repeats = sum(one.manner.repeats for one in raters)
    agreeing = sum(one.manner.agreeing_repeats for one in raters)
    return RaterFigures(
        rater=None,
        verdicts=dict(Counter(str(verdict.verdict) for verdict in given)),
        pairs=len(choices),
        manner=replace(
            on_cards,
            judged=len(given),
            decisive=sum(preferred(verdict) is not None for verdict in given),
            unblinded=sum(not verdict.blind for verdict in given),
            repeats=repeats,
            agreeing_repeats=agreeing,
        ),
        steady=wilson(agreeing, repeats) if repeats else None,
        length=length_bias(choices),
        scorers=scorer_agreement(choices),
    )


def _matchups(between: Sequence[tuple[str, str, JudgedPair, str]]) -> list[Matchup]:
    counts: dict[tuple[str, str], Counter[float]] = {}
    for first, second, pair, choice in between:
        score = _score(pair, choice)
        names, seen_from_second = (
            ((first, second), 1.0 - score) if first < second else ((second, first), score)
        )
        counts.setdefault(names, Counter())[seen_from_second] += 1
    return [
        Matchup(first=names[0], second=names[1], rate=win_rate(tally[1.0], tally[0.5], tally[0.0]))
        for names, tally in sorted(counts.items())
    ]


def _score(pair: JudgedPair, choice: str) -> float:
    """1 where the first answer is preferred, 0 where the second, ½ for a tie."""
    return 0.5 if choice == TIE else float(choice == pair.first.id)


def _ratings(one: Curated) -> dict[str, str]:
    """Each rater's verdict as a category that all pairs share."""
    first = one.judged.first.id
    said = {rater: preferred(verdict) for rater, verdict in one.firsts.items()}
    return {
        rater: TIE if choice is None else "first" if choice == first else "second"
        for rater, choice in said.items()
    }


def _kappas(curated: Sequence[Curated], names: Sequence[str]) -> Iterable[Kappa]:
    ratings = [_ratings(one) for one in curated]
    for raters in combinations(names, 2):
        both = [
            (said[raters[0]], said[raters[1]]) for said in ratings if raters[0] in said and raters[1] in said
        ]
        if both:
            yield Kappa(raters=raters, agreement=cohen_kappa(*zip(*both, strict=True)))


def _alpha(curated: Sequence[Curated], names: Sequence[str]) -> Agreement:
    return krippendorff_alpha([[_ratings(one).get(name) for name in names] for one in curated])
