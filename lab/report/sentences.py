"""What a comparison comes to, in sentences that say no more than the numbers do. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.report.words import interval, number, p_value, percent, plural, sentence, signed

if TYPE_CHECKING:
    from lab.compare.summary import ComparisonSummary
    from lab.judging import StoredJudgement
    from lab.report.data import CompareReport


def headline(summary: ComparisonSummary, left: str, right: str) -> str:
    """Which side scores higher, or that none was shown to."""
    effect = summary.battery.overall.test.effect
    if effect.lower is None or effect.upper is None:
        return f"Too little to tell {right} from {left}"
    if effect.lower > 0:
        return f"{right} scores higher than {left}"
    if effect.upper < 0:
        return f"{right} scores lower than {left}"
    return f"No difference shown between {left} and {right}"


def primary(report: CompareReport) -> str:
    """The one primary test in a sentence."""
    overall = report.summary.battery.overall
    effect = overall.test.effect
    return (
        f"Mean change {signed(effect.value)} points of {report.instrument} {report.version} "
        f"({percent(effect.confidence)} interval {interval(effect)}; p {_is(p_value(overall.test.p_value))}; "
        f"n = {plural(overall.n, 'probe')}; {overall.test.method})."
    )


def counted(summary: ComparisonSummary) -> str:
    """How many probes got better, stayed, got worse."""
    overall = summary.battery.overall
    return (
        f"{overall.improved} improved, {overall.unchanged} unchanged and {overall.regressed} regressed of "
        f"{plural(overall.n, 'probe')}, at ± 0.5 points."
    )


def won(summary: ComparisonSummary) -> str:
    """The win rate with ties, and what would show one like it."""
    rate = summary.battery.win_rate
    text = (
        f"Win rate (W + ½T)/N = {percent(rate.with_ties.value)} "
        f"({percent(rate.with_ties.confidence)} interval {interval(rate.with_ties, share=True)}), "
        f"{percent(rate.decisive.value)} of the {rate.wins + rate.losses} decided."
    )
    if summary.needed is not None:
        text += (
            f" To show a rate as far from one half takes {plural(summary.needed.n, 'decided pair')} "
            f"(power {percent(summary.needed.power)})."
        )
    return text


def unfinished(summary: ComparisonSummary) -> str | None:
    """A warning while pairs are missing."""
    if summary.pairs >= summary.planned:
        return None
    return f"Not finished: {summary.pairs} of {summary.planned} pairs have both answers."


def cautions(report: CompareReport) -> tuple[str, ...]:
    """What must be read beside the numbers, the most important first."""
    missing = unfinished(report.summary)
    bootstrap = report.summary.battery.bootstrap
    notes = (bootstrap.note,) if bootstrap.note else ()
    found = ((missing,) if missing else ()) + report.summary.battery.cautions + notes
    return tuple(dict.fromkeys(map(sentence, found)))


def judged(judgement: StoredJudgement) -> str:
    """What a judge made of the pairs, and how far to trust it."""
    summary = judgement.summary
    rate = summary.win_rate
    if rate.n == 0:
        return (
            f"No pair could be judged: {plural(summary.errors, 'pair')} without a verdict that can be read."
        )
    text = (
        f"Right wins {rate.wins}, ties {rate.ties}, loses {rate.losses} of {plural(rate.n, 'probe')}: "
        f"{percent(rate.with_ties.value)} ({percent(rate.with_ties.confidence)} interval "
        f"{interval(rate.with_ties, share=True)}; p {_is(p_value(rate.p_value))}). "
        f"The two orders disagree on {summary.disagreements} of {plural(summary.judged, 'pair')}, which "
        f"count as ties; the answer shown first is preferred in {percent(summary.first_shown.value)} of "
        f"{summary.first_shown.n} decided replies."
    )
    if summary.equal_texts:
        text += f" {plural(summary.equal_texts, 'pair')} of equal texts count as ties."
    if summary.errors:
        text += f" {plural(summary.errors, 'pair')} left out: no verdict that can be read."
    agreement = summary.agreement
    if agreement is not None:
        text += f" Agreement with the instrument: {agreement.coefficient} {number(agreement.value)}"
        text += f" ({interval(agreement)})." if agreement.lower is not None else f" ({agreement.note})."
    return text


def _is(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"
