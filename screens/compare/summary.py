"""The battery as a whole, in words and tables: the same numbers as the command and the report. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from lab.safetext import safe_line
from screens.formats import MISSING, clip, plural

if TYPE_CHECKING:
    from lab.compare.summary import Capability, ComparisonSummary
    from lab.measure.comparison import BatterySummary, ComparisonRow, FailureTally, ProbeDelta
    from lab.measure.statistics import Estimate
    from screens.compare.ratings import RatedScale

N, MEAN, DELTA, INTERVAL, P = 5, 7, 8, 17, 8
WITH_MEANS = 66
LEAST_LABEL = 14
BAR = 40
HISTOGRAM_BINS = 21
READABLE_WIDTH = 110
_LEVELS = " ▁▂▃▄▅▆▇█"


def summary_content(summary: ComparisonSummary, ratings: Sequence[RatedScale], width: int) -> Content:
    """Everything that is known of a comparison as a whole, the primary line first."""
    width = min(width, READABLE_WIDTH)
    sections = [
        _headline(summary, width),
        _table("Domains", "mean Δ by domain; p after Holm", summary.battery.domains, width),
        _table(
            "Dimensions",
            "what each dimension counted, right less left; p after Holm",
            summary.dimensions,
            width,
            dimension=True,
        ),
        _failures(summary.battery.failure_modes, width),
        _capability(summary.capability, width),
        _table(
            "The answers",
            "H_t in nats, tokens, share cut at the limit; p after Holm",
            summary.figures,
            width,
            dimension=True,
        ),
        _extremes(summary.battery, width),
        _ratings(ratings, width),
        _needed(summary),
    ]
    return Content("\n\n").join([section for section in sections if section is not None])


def _headline(summary: ComparisonSummary, width: int) -> Content:
    battery, row = summary.battery, summary.battery.overall
    test, wins = row.test, battery.win_rate
    measure = f"{row.measure.instrument} {row.measure.version}"
    lines = [
        Content.assemble(
            (f"{row.n:,} probes", "bold"),
            (f" · {safe_line(measure)} · {summary.pairs:,} of {summary.planned:,} pairs", "$muted"),
        ),
        _verdicts(row, width),
        Content.assemble(
            ("mean Δ ", "$muted"),
            (signed(test.effect.value), f"bold {_color(test.effect.value)}"),
            (f"  {interval(test.effect)}", ""),
            (f"  p {p_words(test.p_value)}", "bold"),
        ),
        Content.styled(clip(f"{test.method}; n {test.n}, least p {p_words(test.least_p)}", width), "$muted"),
        Content.assemble(
            ("mean ", "$muted"),
            (f"{figure(row.base.value)} → {figure(row.tuned.value)}", "bold"),
            ("   bootstrap Δ ", "$muted"),
            interval(battery.bootstrap),
        ),
        Content.assemble(
            ("win rate, ties as half ", "$muted"),
            (share(wins.with_ties.value), "bold"),
            f"  {interval(wins.with_ties, share)}",
            (f"  n {wins.with_ties.n}", "$muted"),
        ),
    ]
    lines += _histogram(battery, width)
    lines += [
        Content.styled(clip(f"⚠ {safe_line(caution)}", width), "$warning") for caution in battery.cautions
    ]
    return Content("\n").join(lines)


def _verdicts(row: ComparisonRow, width: int) -> Content:
    """Improved, unchanged and regressed as one bar with its numbers."""
    room = min(BAR, max(6, width - 40))
    parts = [
        (row.improved, "$success", "improved"),
        (row.unchanged, "$foreground 60%", "unchanged"),
        (row.regressed, "$error", "regressed"),
    ]
    bar = Content("").join([Content.styled("━" * _cells(n, row.n, room), style) for n, style, _ in parts])
    words = [
        Content.assemble((f"{n}", f"bold {style}" if n else "$muted"), (f" {word}", "$muted"))
        for n, style, word in parts
    ]
    said = Content("  ").join(words)
    return said + Content("  ") + bar if said.cell_length + bar.cell_length + 2 <= width else said


def _cells(n: int, total: int, room: int) -> int:
    return 0 if not n else max(1, round(n / max(1, total) * room))


def _histogram(battery: BatterySummary, width: int) -> list[Content]:
    """How the probes' deltas are spread, from the greatest loss to the greatest gain."""
    deltas = [probe.delta for probe in battery.probes]
    reach = max((abs(delta) for delta in deltas), default=0.0)
    if len(deltas) < 2 or reach == 0 or width < HISTOGRAM_BINS + 30:
        return []
    counts = [0] * HISTOGRAM_BINS
    for delta in deltas:
        counts[min(HISTOGRAM_BINS - 1, int((delta + reach) / (2 * reach) * HISTOGRAM_BINS))] += 1
    most = max(counts)
    middle = HISTOGRAM_BINS // 2
    bars = [
        Content.styled(
            _LEVELS[0 if not n else max(1, round(n / most * 8))],
            "$error" if at < middle else "$success" if at > middle else "$foreground 60%",
        )
        for at, n in enumerate(counts)
    ]
    return [
        Content.assemble(
            ("Δ of the probes ", "$muted"),
            f"{-reach:+.1f} ",
            Content("").join(bars),
            f" {reach:+.1f}",
        )
    ]


def _table(
    title: str, note: str, rows: Sequence[ComparisonRow], width: int, *, dimension: bool = False
) -> Content | None:
    if not rows:
        return None
    with_means = width >= WITH_MEANS
    numbers = N + DELTA + INTERVAL + P + (2 * MEAN if with_means else 0)
    label_width = max(LEAST_LABEL, width - numbers)
    means = f"{'left':>{MEAN}}{'right':>{MEAN}}" if with_means else ""
    header = f"{'':<{label_width}}{'n':>{N}}{means}{'mean Δ':>{DELTA}}{'95 %':>{INTERVAL}}{'p':>{P}}"
    lines = [_title(title, note, width), Content.styled(clip(header, width), "$muted")]
    for row in rows:
        label = row.measure.dimension.replace("_", " ") if dimension else row.label
        test = row.test
        between = f"{figure(row.base.value):>{MEAN}}{figure(row.tuned.value):>{MEAN}}" if with_means else ""
        p = test.p_value if row.p_holm is None else row.p_holm
        sure = p < 0.05
        lines.append(
            Content.assemble(
                f"{clip(safe_line(label), label_width - 1):<{label_width}}",
                (f"{row.n:>{N}}", "$muted"),
                (between, "$foreground 80%"),
                (
                    f"{signed(test.effect.value):>{DELTA}}",
                    f"{'bold ' if sure else ''}{_color(test.effect.value)}",
                ),
                (f"{interval(test.effect):>{INTERVAL}}", "$foreground 80%"),
                (f"{p_words(p):>{P}}", "bold" if sure else "$muted"),
            ).truncate(width)
        )
    return Content("\n").join(lines)


def _failures(tallies: Sequence[FailureTally], width: int) -> Content | None:
    if not tallies:
        return Content.assemble(("Failure modes", "bold $primary"), ("  none seen on either side", "$muted"))
    lines = [_title("Failure modes", "answers that show it, of all; p after Holm", width)]
    for tally in tallies:
        p = tally.test.p_value if tally.p_holm is None else tally.p_holm
        lines.append(
            Content.assemble(
                f"{clip(safe_line(tally.mode), 18):<19}",
                (_of(tally.base_answers, tally.base_n), "bold"),
                (" → ", "$muted"),
                (_of(tally.tuned_answers, tally.tuned_n), "bold"),
                (f"  p {p_words(p)}", "$muted"),
            ).truncate(width)
        )
    return Content("\n").join(lines)


def _of(answers: int, n: int) -> str:
    return f"{answers:>4}/{n:<5}"


def _capability(found: Capability | None, width: int) -> Content | None:
    if found is None:
        return None
    before, after = (f"{share(side.value)} {interval(side, share)}" for side in (found.base, found.tuned))
    lines = [
        _title("Right answers", f"{found.instrument} {found.version}, n {found.base.n}", width),
        Content(clip(f"{before} → {after}", width)),
        Content.styled(clip(f"p {p_words(found.test.p_value)} · {found.test.method}", width), "$muted"),
    ]
    return Content("\n").join(lines)


def _extremes(battery: BatterySummary, width: int) -> Content | None:
    extremes = battery.extremes
    if not (extremes.worst or extremes.best):
        return None
    lines = [_title("Worst 5 and best 5", "selected after the fact", width)]
    lines += [_extreme(probe, width) for probe in extremes.worst]
    lines.append(Content.styled("…", "$muted"))
    lines += [_extreme(probe, width) for probe in reversed(extremes.best)]
    lines.append(Content.styled(clip(safe_line(extremes.note), width), "$muted"))
    return Content("\n").join(lines)


def _extreme(probe: ProbeDelta, width: int) -> Content:
    room = max(8, width - 28)
    return Content.assemble(
        f"{clip(safe_line(probe.probe_id), room - 1):<{room}}",
        (f"{probe.base:>8.2f} → {probe.tuned:<7.2f}", "$foreground 80%"),
        (f"{probe.delta:>+8.2f}", _color(probe.delta)),
    ).truncate(width)


def _ratings(ratings: Sequence[RatedScale], width: int) -> Content | None:
    if not ratings:
        return None
    lines = [_title("Ratings by people", "1 to 5, right less left over pairs rated on both sides", width)]
    for rated in ratings:
        means = f"{figure(rated.left):>6} → {figure(rated.right):<6}{signed(rated.effect.value):>7}"
        behind = f"{interval(rated.effect)}  n {rated.effect.n}, {rated.n_blind} blind"
        lines.append(Content(clip(f"{rated.scale:<12}{means} {behind}", width)))
    return Content("\n").join(lines)


def _needed(summary: ComparisonSummary) -> Content | None:
    needed = summary.needed
    if needed is None:
        return None
    words = (
        f"{plural(needed.n, 'decided pair')} would show a win rate of {share(needed.win_rate)} "
        f"with a power of {share(needed.power)} at {share(needed.level)}"
    )
    return Content.assemble(("n needed  ", "bold $primary"), (words, "$foreground 80%"))


def _title(title: str, note: str, width: int) -> Content:
    return Content.assemble(
        (title, "bold $primary"), (f"  {clip(note, max(0, width - len(title) - 2))}", "$muted")
    )


def _color(value: float | None) -> str:
    if not value:
        return "$foreground 80%"
    return "$success" if value > 0 else "$error"


def figure(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"


def signed(value: float | None) -> str:
    return MISSING if value is None else f"{value:+.2f}"


def share(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.0f} %"


def p_words(p: float) -> str:
    return "<0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.01 else f"{p:.3f}"


def interval(estimate: Estimate, write: object = None) -> str:
    """The bounds in brackets, or what there is instead of them."""
    if estimate.lower is None or estimate.upper is None:
        return "[no interval]"
    if write is share:
        return f"[{100 * estimate.lower:.0f}, {100 * estimate.upper:.0f}] %"
    return f"[{estimate.lower:+.2f}, {estimate.upper:+.2f}]"
