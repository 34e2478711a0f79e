"""The drawings of a report: pure functions from numbers to SVG. Left is drawn as `left`, right as `right`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from lab.measure.comparison import CHANGE_THRESHOLD, ProbeDelta
from lab.report.svg import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Scale,
    circle,
    drawing,
    element,
    label,
    legend,
    line,
    padded,
    path,
    rectangle,
    shortened,
    tick_label,
    ticks,
    x_axis,
    y_axis,
)
from lab.report.words import number, signed

if TYPE_CHECKING:
    from lab.measure.comparison import ComparisonRow
    from store.queries.reports import CurvePoint

BINS = 24
_Z_95 = 1.959963984540054
_ROW_HEIGHT = 24.0


def distributions(left: Sequence[float], right: Sequence[float], names: tuple[str, str], unit: str) -> Markup:
    """How the scores of both sides lie: left upward, right downward, on one scale, their means marked."""
    low, high = padded(min(*left, *right), max(*left, *right), 0.02)
    x = Scale(low, high, LEFT, WIDTH - RIGHT)
    counts = [_histogram(values, low, high) for values in (left, right)]
    most = max(max(side) for side in counts)
    bottom = HEIGHT - BOTTOM
    upper, middle, lower = TOP + 22, (TOP + bottom) / 2, bottom - 22
    y = Scale(0.0, float(most), middle, upper)
    shapes = [
        *_bars(counts[0], names[0], x, middle, middle - upper, most, "left"),
        *_bars(counts[1], names[1], x, middle, upper - middle, most, "right"),
        line(x.start, middle, x.end, middle, "axis"),
    ]
    for values, class_, end, at in (
        (left, "left", upper - 8, upper - 12),
        (right, "right", lower + 6, lower + 18),
    ):
        mean = math.fsum(values) / len(values)
        shapes.append(line(x(mean), middle, x(mean), end, f"mean-{class_}"))
        shapes.append(label(x(mean), at, f"mean {number(mean)}", f"value-{class_}", _anchor(x(mean))))
    for count in ticks(0, most, 2):
        shapes += [
            label(LEFT - 8, at + 4, tick_label(count), anchor="end")
            for at in dict.fromkeys((y(count), 2 * middle - y(count)))
        ]
    return drawing(
        f"Distribution of {unit}",
        f"Histograms of both sides: {names[0]} upward, {names[1]} downward.",
        *shapes,
        label(2, 10, "probes", "axis-title", anchor="start"),
        x_axis(x, bottom + 4, unit),
    )


def _bars(
    counts: Sequence[int], name: str, x: Scale, middle: float, reach: float, most: int, class_: str
) -> list[Markup]:
    """The bars of one side; a negative `reach` makes them hang."""
    wide, step = (x.end - x.start) / BINS, (x.high - x.low) / BINS
    bars = []
    for place, count in enumerate(counts):
        if not count:
            continue
        tall = abs(reach) * count / most
        begin = x.low + place * step
        tip = f"{name}: {count} from {number(begin)} to {number(begin + step)}"
        top = middle - tall if reach > 0 else middle
        bars.append(rectangle(x.start + place * wide + 0.5, top, wide - 1, tall, f"fill-{class_}", tip))
    return bars


def _histogram(values: Sequence[float], low: float, high: float) -> list[int]:
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int((value - low) / (high - low) * BINS))] += 1
    return counts


def _anchor(x: float) -> str:
    """Text near an edge stays inside."""
    if x < LEFT + 40:
        return "start"
    return "end" if x > WIDTH - RIGHT - 40 else "middle"


def slopes(probes: Sequence[ProbeDelta], names: tuple[str, str], unit: str) -> Markup:
    """A line a probe from its left to its right score, colored by what became of it, and their mean."""
    values = [value for probe in probes for value in (probe.base, probe.tuned)]
    y = Scale(*padded(min(values), max(values)), HEIGHT - BOTTOM + 8, TOP + 8)
    x1, x2 = LEFT + 50, WIDTH - 66
    ordered = sorted(probes, key=lambda probe: probe.verdict != "unchanged")
    lines = [
        line(x1, y(probe.base), x2, y(probe.tuned), f"slope {probe.verdict}", _slope_tip(probe))
        for probe in ordered
    ]
    base = math.fsum(probe.base for probe in probes) / len(probes)
    tuned = math.fsum(probe.tuned for probe in probes) / len(probes)
    bottom = HEIGHT - 10
    return drawing(
        f"Every probe from left to right, {unit}",
        f"{len(probes)} lines from the score of {names[0]} to that of {names[1]}; the thick one is the mean.",
        y_axis(y, LEFT, WIDTH - RIGHT, unit),
        *lines,
        line(x1, y(base), x2, y(tuned), "slope mean", f"mean {number(base)} to {number(tuned)}"),
        circle(x1, y(base), 4, "dot-left"),
        circle(x2, y(tuned), 4, "dot-right"),
        label(x1 - 8, y(base) + 4, number(base), "value-left", "end"),
        label(x2 + 8, y(tuned) + 4, number(tuned), "value-right", "start"),
        label(LEFT, bottom, shortened(names[0], 28), "label", "start"),
        label(WIDTH - RIGHT, bottom, shortened(names[1], 28), "label", "end"),
    )


def _slope_tip(probe: ProbeDelta) -> str:
    return f"{probe.probe_id}: {number(probe.base)} to {number(probe.tuned)} ({signed(probe.delta)})"


def deltas(probes: Sequence[ProbeDelta], unit: str) -> Markup:
    """Every probe's delta, from the largest loss to the largest gain; the band counts as unchanged."""
    ordered = sorted(probes, key=lambda probe: probe.delta)
    reach = [probe.delta for probe in ordered] + [-CHANGE_THRESHOLD, CHANGE_THRESHOLD]
    y = Scale(*padded(min(reach), max(reach)), HEIGHT - BOTTOM + 8, TOP + 8)
    step = (WIDTH - RIGHT - LEFT) / len(ordered)
    bars = []
    for place, probe in enumerate(ordered):
        top, bottom = sorted((y(0.0), y(probe.delta)))
        bars.append(
            rectangle(
                LEFT + place * step + min(step * 0.1, 1),
                top,
                max(step - min(step * 0.2, 2), 0.4),
                max(bottom - top, 0.8),
                f"bar {probe.verdict}",
                _slope_tip(probe),
            )
        )
    return drawing(
        f"Change of every probe, {unit}",
        f"{len(ordered)} bars from the largest loss to the largest gain.",
        rectangle(
            LEFT,
            y(CHANGE_THRESHOLD),
            WIDTH - RIGHT - LEFT,
            y(-CHANGE_THRESHOLD) - y(CHANGE_THRESHOLD),
            "band",
        ),
        y_axis(y, LEFT, WIDTH - RIGHT, f"change of {unit}"),
        *bars,
        line(LEFT, y(0.0), WIDTH - RIGHT, y(0.0), "axis"),
        label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, f"{len(ordered)} probes, sorted", "axis-title"),
    )


def entropy_curves(points: Sequence[CurvePoint], names: tuple[str, str]) -> Markup:
    """Mean H_t along the answers with about 95 % of its sampling error, and how many answers still go on."""
    x = Scale(0.0, float(max(point.first + point.width for point in points)), LEFT, WIDTH - RIGHT)
    highest = max(point.mean_nats + _Z_95 * (point.standard_error_nats or 0.0) for point in points)
    bottom = HEIGHT - BOTTOM
    y = Scale(0.0, highest * 1.05 or 1.0, bottom, TOP + 40)
    shapes = []
    for side in ("left", "right"):
        here = [point for point in points if point.side == side]
        if not here:
            continue
        middle = [(x(point.first + point.width / 2), point) for point in here]
        upper = [(at, y(p.mean_nats + _Z_95 * (p.standard_error_nats or 0.0))) for at, p in middle]
        lower = [(at, y(max(0.0, p.mean_nats - _Z_95 * (p.standard_error_nats or 0.0)))) for at, p in middle]
        shapes.append(path([*upper, *reversed(lower)], f"area-{side}", closed=True))
        shapes.append(path([(at, y(point.mean_nats)) for at, point in middle], f"curve-{side}"))
        shapes += [circle(at, y(point.mean_nats), 5, "target", _curve_tip(point)) for at, point in middle]
    return drawing(
        "Predictive entropy along the answers",
        f"Mean H_t in nats by token for {names[0]} and {names[1]}, with a band of 1.96 standard errors.",
        y_axis(y, LEFT, WIDTH - RIGHT, "mean H_t, nats"),
        *shapes,
        legend([("fill-left", names[0]), ("fill-right", names[1])], LEFT + 170, 12),
        x_axis(x, bottom, "token of the answer"),
    )


def _curve_tip(point: CurvePoint) -> str:
    last = point.first + point.width - 1
    return f"tokens {point.first} to {last}: {number(point.mean_nats, 3)} nats over {point.answers} answers"


def forest(rows: Sequence[ComparisonRow], unit: str) -> Markup:
    """The mean delta of every row with its interval, about the line of no change."""
    bounds = [0.0]
    for row in rows:
        effect = row.test.effect
        bounds += [bound for bound in (effect.lower, effect.value, effect.upper) if bound is not None]
    names_end = 170.0
    x = Scale(*padded(min(bounds), max(bounds)), names_end + 10, WIDTH - RIGHT)
    top = TOP + 4
    bottom = top + _ROW_HEIGHT * len(rows)
    shapes = [
        line(x(value), top - 4, x(value), bottom, "grid") for value in ticks(x.low, x.high, 5) if value != 0
    ]
    shapes.append(line(x(0.0), top - 4, x(0.0), bottom, "axis"))
    for place, row in enumerate(rows):
        shapes.append(_forest_row(row, x, top + _ROW_HEIGHT * (place + 0.5), names_end))
    return drawing(
        f"Mean change by row, {unit}",
        f"{len(rows)} mean changes with their intervals; right of zero the right side is higher.",
        *shapes,
        label(names_end, 10, "n", "axis-title", anchor="end"),
        x_axis(x, bottom + 2, f"change of {unit}"),
        height=bottom + 44,
    )


def _forest_row(row: ComparisonRow, x: Scale, y: float, names_end: float) -> Markup:
    effect = row.test.effect
    shapes = [
        label(names_end - 36, y + 4, shortened(row.label, 20), anchor="end"),
        label(names_end, y + 4, str(row.n), "axis-title", anchor="end"),
    ]
    dot = "dot-open"
    if effect.lower is not None and effect.upper is not None:
        shapes.append(line(x(effect.lower), y, x(effect.upper), y, "whisker"))
        dot = "dot-right"
    if effect.value is not None:
        tip = f"{row.label}: {signed(effect.value)}, n = {row.n}"
        shapes.append(circle(x(effect.value), y, 4.5, dot, tip))
    return element("g", *shapes)


def verdict_bar(improved: int, unchanged: int, regressed: int) -> Markup:
    """How many probes got better, stayed, got worse, as one bar twice as wide as other drawings."""
    total = improved + unchanged + regressed
    wide, height = 2 * WIDTH, 34.0
    shapes, begin = [], 0.0
    for count, name in ((improved, "improved"), (unchanged, "unchanged"), (regressed, "regressed")):
        width = wide * count / total if total else 0.0
        if count:
            shapes.append(rectangle(begin, 0, width - 2, height, f"share {name}", f"{count} {name}"))
        if width >= 40:
            said = f"{count} {name}" if width >= 150 else str(count)
            shapes.append(label(begin + width / 2, height / 2 + 6, said, "share-label"))
        begin += width
    return drawing(
        "Improved, unchanged, regressed",
        f"{improved} improved, {unchanged} unchanged, {regressed} regressed.",
        *shapes,
        height=height,
        width=wide,
    )
