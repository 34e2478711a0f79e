"""A comparison as tables on a terminal; every table says n, instrument and version, and shows intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.cli.output import number, say, show, table
from lab.measure import degeneration, relevance
from lab.measure.comparison import CHANGE_THRESHOLD

if TYPE_CHECKING:
    from lab.compare.summary import Capability, ComparisonSummary
    from lab.measure.comparison import BatterySummary, ComparisonRow, Extremes, FailureTally
    from lab.measure.statistics import Estimate
    from store.queries import ComparisonRow as ListedComparison
    from store.records import ComparisonRecord

ID_CHARACTERS = 18
LEAST_P_SHOWN = 0.001


def show_summary(comparison: ComparisonRecord, summary: ComparisonSummary, *, brief: bool = False) -> None:
    """Everything that a comparison has to say, the one primary test first; in brief only that."""
    battery = summary.battery
    measure = battery.overall.measure
    what = f"{measure.instrument} {measure.version}"
    say(f"\nleft   {comparison.left.words}\nright  {comparison.right.words}")
    say(
        f"{what} on {comparison.battery}: n = {battery.overall.n} probes, "
        f"{summary.pairs} of {summary.planned} pairs answered on both sides; Δ = right − left\n"
    )
    if brief:
        show(_totals(battery.rows[:1]))
        _say_overall(battery, summary)
    else:
        say(f"Total by {what}, all probes and by domain")
        show(_totals(battery.rows))
        _say_overall(battery, summary)
        _show_details(summary, what)
    _show_extremes(battery.extremes, what)
    for caution in battery.cautions:
        say(f"! {caution}")


def _show_details(summary: ComparisonSummary, what: str) -> None:
    say(f"Dimensions of {what}")
    show(_means(summary.dimensions))
    say("What the answers are like (H_t in nats, tokens, share cut off)")
    show(_means(summary.figures))
    if summary.capability is not None:
        _say_capability(summary.capability)
    if not summary.battery.failure_modes:
        say(f"No failure mode (topic evasion, token loops, collapse) in {2 * summary.pairs} answers.\n")
        return
    say(
        f"Failure modes (degeneration {degeneration.VERSION}; topic evasion {relevance.VERSION}, "
        "the right answer against the left one)"
    )
    show(_failure_modes(summary.battery.failure_modes))


def show_list(rows: Sequence[ListedComparison]) -> None:
    """Comparisons, newest first; as much of their ids as tells them apart."""
    cells = [
        (
            row.id[:ID_CHARACTERS],
            row.at[:16].replace("T", " "),
            f"{row.left_words} | {row.right_words}",
            row.battery,
            f"{row.instrument} {row.version}",
            f"{row.finished}/{row.planned}",
        )
        for row in rows
    ]
    show(table(("id", "at (UTC)", "left | right", "asked", "instrument", "pairs"), cells, right=(5,)))


def interval(estimate: Estimate, digits: int = 2, *, signed: bool = False) -> str:
    """Such as +1.20 [0.40, 2.00]; the interval is left out where there is none."""
    if estimate.value is None:
        return "–"
    value = f"{estimate.value:+.{digits}f}" if signed else f"{estimate.value:.{digits}f}"
    if estimate.lower is None or estimate.upper is None:
        return value
    return f"{value} [{estimate.lower:.{digits}f}, {estimate.upper:.{digits}f}]"


def p_value(p: float | None) -> str:
    """Three decimals, "<0.001" below."""
    if p is None:
        return "–"
    return f"<{LEAST_P_SHOWN}" if p < LEAST_P_SHOWN else f"{p:.3f}"


_HEADERS = ("", "n", "left [95%]", "right [95%]", "Δ [95%]", "p", "p Holm")


def _p(p: float) -> str:
    return f"p {p_value(p)}" if p < LEAST_P_SHOWN else f"p = {p_value(p)}"


def _totals(rows: Sequence[ComparisonRow]) -> object:
    cells = [(*_cells(row), f"{row.improved}/{row.unchanged}/{row.regressed}") for row in rows]
    return table((*_HEADERS, "up/same/down"), cells, right=range(1, 8))


def _means(rows: Sequence[ComparisonRow]) -> object:
    return table(_HEADERS, [_cells(row) for row in rows], right=range(1, 7))


def _cells(row: ComparisonRow) -> tuple[str, ...]:
    return (
        row.label,
        str(row.n),
        interval(row.base),
        interval(row.tuned),
        interval(row.test.effect, signed=True),
        p_value(row.test.p_value),
        p_value(row.p_holm),
    )


def _say_overall(battery: BatterySummary, summary: ComparisonSummary) -> None:
    overall, wins = battery.overall, battery.win_rate
    say(
        f"Probes: {overall.improved} improved, {overall.regressed} regressed, {overall.unchanged} unchanged "
        f"(± {CHANGE_THRESHOLD}). Mean Δ {interval(overall.test.effect, signed=True)}, "
        f"{_p(overall.test.p_value)}"
    )
    say(f"  test: {overall.test.method}, two-sided; intervals and p of the table are of this test")
    say(f"  bootstrap: {interval(battery.bootstrap, signed=True)}, {battery.bootstrap.method}")
    say(
        f"  win rate of right: (W + ½T)/N = {_percent(wins.with_ties)} of n = {wins.n}; decided pairs "
        f"{_percent(wins.decisive)} of n = {wins.decisive.n}, {_p(wins.p_value)} "
        f"({wins.decisive.method}; {wins.method})"
    )
    if summary.needed is None:
        say("  n needed: the decided pairs are split too evenly for any number to show a difference\n")
    else:
        needed = summary.needed
        say(
            f"  n needed: {needed.n} decided pairs show a split as clear as this, {needed.win_rate:.0%} "
            f"({needed.method}, level {needed.level:.0%}, power {needed.power:.0%}); "
            f"there are {wins.decisive.n}\n"
        )


def _say_capability(capability: Capability) -> None:
    test = capability.test
    say(
        f"Right answers ({capability.instrument} {capability.version}, n = {test.n}): left "
        f"{_percent(capability.base)}, right {_percent(capability.tuned)}, "
        f"Δ {interval(test.effect, signed=True)}, {_p(test.p_value)} ({test.method})\n"
    )


def _failure_modes(tallies: Sequence[FailureTally]) -> object:
    cells = [
        (
            tally.mode,
            f"{tally.base_answers} of {tally.base_n}",
            f"{tally.tuned_answers} of {tally.tuned_n}",
            interval(tally.test.effect, signed=True),
            str(tally.test.n),
            p_value(tally.test.p_value),
            p_value(tally.p_holm),
        )
        for tally in tallies
    ]
    headers = ("failure mode", "left", "right", "Δ share [95%]", "n", "p", "p Holm")
    return table(headers, cells, right=range(1, 7))


def _show_extremes(extremes: Extremes, what: str) -> None:
    for name, probes in (("Worst", extremes.worst), ("Best", extremes.best)):
        if probes:
            cells = [
                (probe.probe_id, probe.domain, number(probe.base), number(probe.tuned), f"{probe.delta:+.2f}")
                for probe in probes
            ]
            say(f"{name} {len(probes)} of n = {extremes.n} by {what}; {extremes.note}")
            show(table(("probe", "domain", "left", "right", "Δ"), cells, right=(2, 3, 4)))


def _percent(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    if estimate.lower is None or estimate.upper is None:
        return f"{estimate.value:.0%}"
    return f"{estimate.value:.0%} [{estimate.lower:.0%}, {estimate.upper:.0%}]"
