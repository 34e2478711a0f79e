"""A battery compared: what one side scores against the other, probe by probe, and how sure that is.

The unit is the probe. Rephrasings of a probe and repeated answers to it are averaged into it first, so that n
never counts one probe twice. A positive delta says that the tuned side scores higher.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal, NamedTuple

from lab.errors import LabError
from lab.measure.statistics import (
    SMALL_N,
    BootstrapMethod,
    Estimate,
    PairedTest,
    WinRate,
    cluster_means,
    holm,
    paired_bootstrap,
    sign_flip_tests,
    win_rate,
)

CHANGE_THRESHOLD = 0.5
"""A probe improved or regressed when its delta passes ± this; at it, it is unchanged (seeds 001 and 002)."""

ALL_PROBES = "all probes"
EXTREMES = 5
_ROUNDING = 1e-9

Verdict = Literal["improved", "regressed", "unchanged"]


@dataclass(frozen=True, slots=True)
class Measure:
    """What a score is a value of. Only scores of one and the same measure are ever subtracted."""

    instrument: str
    version: str
    dimension: str = "total"

    def __str__(self) -> str:
        return f"{self.instrument} {self.version} {self.dimension}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredAnswer:
    """One answer as scored.

    `probe_id` is unique among the probes compared. `source_probe` names the probe that this one rephrases.
    `score` is None where the instrument leaves it undefined. `failure_modes` are the names that detectors
    gave the answer (topic evasion, token loop, collapse, …); they are tallied as they come.
    """

    probe_id: str
    domain: str
    measure: Measure
    score: float | None
    source_probe: str | None = None
    failure_modes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeDelta:
    """One probe on both sides; `rephrasings` counts the wordings behind it, its own included."""

    probe_id: str
    domain: str
    base: float
    tuned: float
    delta: float
    verdict: Verdict
    rephrasings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """A line of a table: all probes, those of a domain, or all by one dimension.

    `base` and `tuned` are mean scores with intervals, `test.effect` is the mean delta with its interval.
    `p_holm` is p adjusted over the lines of its family (domains, or dimensions); None in the first line of a
    battery, which is the one primary test.
    """

    label: str
    measure: Measure
    n: int
    base: Estimate
    tuned: Estimate
    test: PairedTest
    improved: int
    regressed: int
    unchanged: int
    p_holm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureTally:
    """How often a failure mode was seen: answers that show it, of all answers to probes answered by both.

    `test.effect` is the change of the mean share per probe; `p_holm` is adjusted over the modes.
    """

    mode: str
    base_answers: int
    base_n: int
    tuned_answers: int
    tuned_n: int
    test: PairedTest
    p_holm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extremes:
    """The probes that lost and gained most, the most extreme first; they were picked by looking."""

    worst: tuple[ProbeDelta, ...]
    best: tuple[ProbeDelta, ...]
    n: int
    note: str = "selected after the fact: sample these probes again before believing their deltas"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A probe that could not be paired, and why."""

    probe_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatterySummary:
    """A battery compared; `probes` has one entry a probe, in the order of the base answers.

    Attributes:
        overall: the primary line. Its interval is the one of the sign-flip test, so the two never disagree.
        bootstrap: the same mean delta with the paired bootstrap's interval, as a second witness.
        win_rate: improved, unchanged and regressed probes as wins, ties and losses.
        domains: one line a domain, in alphabetical order.
        failure_modes: one entry a mode seen on either side, in alphabetical order.
        cautions: what must be shown beside the numbers, a line each.
    """

    overall: ComparisonRow
    bootstrap: Estimate
    win_rate: WinRate
    domains: tuple[ComparisonRow, ...]
    extremes: Extremes
    failure_modes: tuple[FailureTally, ...]
    probes: tuple[ProbeDelta, ...]
    left_out: tuple[LeftOut, ...]
    cautions: tuple[str, ...]

    @property
    def rows(self) -> tuple[ComparisonRow, ...]:
        """The lines of the table: all probes, then each domain."""
        return (self.overall, *self.domains)


def compare(
    base: Sequence[ScoredAnswer],
    tuned: Sequence[ScoredAnswer],
    *,
    confidence: float = 0.95,
    bootstrap_method: BootstrapMethod = "percentile",
    seed: int = 0,
) -> BatterySummary:
    """The summary of a battery answered by two sides.

    Raises LabError when the answers were not all scored by one instrument, version and dimension, or when no
    probe has a score on both sides.
    """
    measure = _one_measure((*base, *tuned))
    base_by_probe, tuned_by_probe = _by_probe(base), _by_probe(tuned)
    left_out = _left_out(base_by_probe, tuned_by_probe)
    probes = _probe_deltas(base_by_probe, tuned_by_probe, {entry.probe_id for entry in left_out})
    overall, *domains = _rows(
        [_Line(ALL_PROBES, measure, probes), *_domains(probes, measure)], confidence, seed
    )
    return BatterySummary(
        overall=overall,
        bootstrap=paired_bootstrap(
            [probe.delta for probe in probes], method=bootstrap_method, confidence=confidence, seed=seed
        ),
        win_rate=win_rate(overall.improved, overall.unchanged, overall.regressed, confidence=confidence),
        domains=_adjusted(domains),
        extremes=_extremes(probes),
        failure_modes=_failure_modes(base_by_probe, tuned_by_probe, confidence, seed),
        probes=probes,
        left_out=left_out,
        cautions=_cautions(overall.test, confidence, len(left_out)),
    )


def compare_measures(
    base: Sequence[ScoredAnswer],
    tuned: Sequence[ScoredAnswer],
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[ComparisonRow, ...]:
    """One line a measure, in the order of their first answers, with p adjusted over the lines (Holm).

    For the dimensions of an instrument, say: each is held only against itself. A measure without a probe that
    has a score on both sides has no line.
    """
    base_by_measure, tuned_by_measure = _by_measure(base), _by_measure(tuned)
    lines = []
    for measure in dict.fromkeys((*base_by_measure, *tuned_by_measure)):
        before = _by_probe(base_by_measure.get(measure, ()))
        after = _by_probe(tuned_by_measure.get(measure, ()))
        unpaired = {entry.probe_id for entry in _left_out(before, after)}
        if not unpaired >= before.keys():
            lines.append(_Line(measure.dimension, measure, _probe_deltas(before, after, unpaired)))
    return _adjusted(_rows(lines, confidence, seed))


def verdict_of(delta: float) -> Verdict:
    """Improved above +0.5, regressed below −0.5, else unchanged; the last digits' rounding does not count."""
    if delta > CHANGE_THRESHOLD + _ROUNDING:
        return "improved"
    return "regressed" if delta < -CHANGE_THRESHOLD - _ROUNDING else "unchanged"


_ByProbe = Mapping[str, Sequence[ScoredAnswer]]


def _one_measure(answers: Sequence[ScoredAnswer]) -> Measure:
    measures = list(dict.fromkeys(answer.measure for answer in answers))
    if not measures:
        raise LabError("compare: no scored answers; score both sides first")
    if len(measures) > 1:
        raise LabError(
            f"compare: {measures[0]} and {measures[1]} cannot be subtracted; score both sides with the same "
            "instrument, version and dimension"
        )
    return measures[0]


def _by_measure(answers: Iterable[ScoredAnswer]) -> dict[Measure, list[ScoredAnswer]]:
    grouped: dict[Measure, list[ScoredAnswer]] = {}
    for answer in answers:
        grouped.setdefault(answer.measure, []).append(answer)
    return grouped


def _by_probe(answers: Iterable[ScoredAnswer]) -> dict[str, list[ScoredAnswer]]:
    grouped: dict[str, list[ScoredAnswer]] = {}
    for answer in answers:
        grouped.setdefault(answer.probe_id, []).append(answer)
    return grouped


def _left_out(base: _ByProbe, tuned: _ByProbe) -> tuple[LeftOut, ...]:
    reasons = {probe_id: _why_unpaired(base, tuned, probe_id) for probe_id in dict.fromkeys((*base, *tuned))}
    return tuple(LeftOut(probe_id=probe_id, reason=reason) for probe_id, reason in reasons.items() if reason)


def _why_unpaired(base: _ByProbe, tuned: _ByProbe, probe_id: str) -> str:
    for name, side in (("base", base), ("tuned", tuned)):
        if probe_id not in side:
            return f"no {name} answer"
        if all(answer.score is None for answer in side[probe_id]):
            return f"the {name} score is undefined"
    return ""


def _probe_deltas(base: _ByProbe, tuned: _ByProbe, skipped: set[str]) -> tuple[ProbeDelta, ...]:
    """One delta a probe: repeated answers are averaged, then the wordings answered on both sides."""
    wordings = [answers[0] for probe_id, answers in base.items() if probe_id not in skipped]
    if not wordings:
        raise LabError(
            "compare: no probe has a score on both sides; run the same probes on both and score them"
        )
    clusters = [_cluster(wording) for wording in wordings]
    base_means = cluster_means([_mean_score(base[w.probe_id]) for w in wordings], clusters, "base scores")
    tuned_means = cluster_means([_mean_score(tuned[w.probe_id]) for w in wordings], clusters, "tuned scores")
    domains = {_cluster(wording): wording.domain for wording in reversed(wordings)}
    return tuple(
        ProbeDelta(
            probe_id=cluster,
            domain=domains[cluster],
            base=before,
            tuned=after,
            delta=after - before,
            verdict=verdict_of(after - before),
            rephrasings=rephrasings,
        )
        for (cluster, rephrasings), before, after in zip(
            Counter(clusters).items(), base_means.tolist(), tuned_means.tolist(), strict=True
        )
    )


def _cluster(answer: ScoredAnswer) -> str:
    return answer.source_probe or answer.probe_id


def _mean_score(answers: Iterable[ScoredAnswer]) -> float:
    scores = [answer.score for answer in answers if answer.score is not None]
    return fmean(scores) if len(scores) > 1 else scores[0]


class _Line(NamedTuple):
    """A line of a table before its test."""

    label: str
    measure: Measure
    probes: Sequence[ProbeDelta]


def _rows(lines: Sequence[_Line], confidence: float, seed: int) -> list[ComparisonRow]:
    """All lines tested at once, so that what they share is drawn once."""
    columns = [
        [getattr(probe, side) for probe in line.probes]
        for line in lines
        for side in ("base", "tuned", "delta")
    ]
    tests = iter(sign_flip_tests(columns, confidence=confidence, seed=seed))
    return [_row(line, next(tests).effect, next(tests).effect, next(tests)) for line in lines]


def _row(line: _Line, base: Estimate, tuned: Estimate, test: PairedTest) -> ComparisonRow:
    verdicts = Counter(probe.verdict for probe in line.probes)
    return ComparisonRow(
        label=line.label,
        measure=line.measure,
        n=len(line.probes),
        base=base,
        tuned=tuned,
        test=test,
        improved=verdicts["improved"],
        regressed=verdicts["regressed"],
        unchanged=verdicts["unchanged"],
    )


def _domains(probes: Sequence[ProbeDelta], measure: Measure) -> list[_Line]:
    by_domain: dict[str, list[ProbeDelta]] = {}
    for probe in probes:
        by_domain.setdefault(probe.domain, []).append(probe)
    return [_Line(domain, measure, by_domain[domain]) for domain in sorted(by_domain)]


def _adjusted(rows: Sequence[ComparisonRow]) -> tuple[ComparisonRow, ...]:
    """The lines as one family of tests."""
    adjusted = holm({str(place): row.test.p_value for place, row in enumerate(rows)})
    return tuple(replace(row, p_holm=adjusted[str(place)].p_adjusted) for place, row in enumerate(rows))


def _extremes(probes: Sequence[ProbeDelta]) -> Extremes:
    rising = sorted(probes, key=lambda probe: probe.delta)
    return Extremes(
        worst=tuple(probe for probe in rising[:EXTREMES] if probe.delta < 0),
        best=tuple(probe for probe in rising[: -EXTREMES - 1 : -1] if probe.delta > 0),
        n=len(probes),
    )


def _failure_modes(base: _ByProbe, tuned: _ByProbe, confidence: float, seed: int) -> tuple[FailureTally, ...]:
    """Every mode over the probes answered on both sides, also where an answer is too broken for a score."""
    answered = [probe_id for probe_id in base if probe_id in tuned]
    modes = {
        mode
        for probe_id in answered
        for answer in (*base[probe_id], *tuned[probe_id])
        for mode in answer.failure_modes
    }
    clusters = [_cluster(base[probe_id][0]) for probe_id in answered]
    seen = {mode: (_shows(mode, base, answered), _shows(mode, tuned, answered)) for mode in sorted(modes)}
    changes = [cluster_means(_changes(*sides), clusters) for sides in seen.values()]
    tests = sign_flip_tests(changes, confidence=confidence, seed=seed)
    tallies = [_tally(mode, *seen[mode], test) for mode, test in zip(seen, tests, strict=True)]
    adjusted = holm({tally.mode: tally.test.p_value for tally in tallies})
    return tuple(replace(tally, p_holm=adjusted[tally.mode].p_adjusted) for tally in tallies)


_Shown = Sequence[Sequence[bool]]


def _changes(before: _Shown, after: _Shown) -> list[float]:
    return [fmean(tuned) - fmean(base) for base, tuned in zip(before, after, strict=True)]


def _tally(mode: str, before: _Shown, after: _Shown, test: PairedTest) -> FailureTally:
    return FailureTally(
        mode=mode,
        base_answers=sum(map(sum, before)),
        base_n=sum(map(len, before)),
        tuned_answers=sum(map(sum, after)),
        tuned_n=sum(map(len, after)),
        test=test,
    )


def _shows(mode: str, side: _ByProbe, answered: Iterable[str]) -> _Shown:
    return [[mode in answer.failure_modes for answer in side[probe_id]] for probe_id in answered]


def _cautions(test: PairedTest, confidence: float, left_out: int) -> tuple[str, ...]:
    cautions = []
    if test.n < SMALL_N:
        cautions.append(
            f"{test.n} probes: the bootstrap is over-confident below {SMALL_N}; read the exact test"
        )
        cautions.append(f"with {test.n} probes the least possible p is {test.least_p:.2g}")
    if test.least_p > 1 - confidence:
        cautions.append(f"too few probes to show any difference at {confidence:.0%}: run more")
    if left_out:
        cautions.append(f"{left_out} probes without a score on both sides are left out")
    return tuple(cautions)
