"""A run's series as a drawing: up to three lines over steps, rules across, linear or by powers of ten."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

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
    label,
    legend,
    line,
    padded,
    path,
    x_axis,
    y_axis,
)

Points = Sequence[tuple[int, float]]
COLORS = ("left", "right", "third")
MOST_POINTS = 400
MOST_DOTS = 40


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its name and (step, value) by rising steps."""

    name: str
    points: Points


def series_plot(
    title: str,
    unit: str,
    lines: Sequence[Series],
    *,
    rules: Sequence[tuple[str, float]] = (),
    log: bool = False,
) -> Markup:
    """The lines over steps. `log` draws powers of ten and leaves out what is not above 0."""
    drawn = [Series(one.name, _above(one.points) if log else one.points) for one in lines[: len(COLORS)]]
    drawn = [Series(one.name, thinned(one.points)) for one in drawn if one.points]
    if not drawn:
        return Markup("")
    show = math.log10 if log else float
    values = [show(value) for one in drawn for _, value in one.points]
    values += [show(value) for _, value in rules if not log or value > 0]
    steps = [step for one in drawn for step, _ in one.points]
    x = Scale(float(min(steps)), float(max(steps)), LEFT, WIDTH - RIGHT)
    bottom = HEIGHT - BOTTOM
    y = Scale(*_range(min(values), max(values)), bottom, TOP + 16 * len(drawn) + 8)
    shapes = [
        mark
        for name, value in rules
        if not log or value > 0
        for mark in (
            line(LEFT, y(show(value)), WIDTH - RIGHT, y(show(value)), "rule"),
            label(WIDTH - RIGHT, y(show(value)) - 4, name, "axis-title", "end"),
        )
    ]
    for one, color in zip(drawn, COLORS, strict=False):
        places = [(x(step), y(show(value))) for step, value in one.points]
        if len(places) > 1:
            shapes.append(path(places, f"curve-{color}"))
        if len(places) <= MOST_DOTS:
            shapes += [
                circle(px, py, 3, f"dot-{color}", f"{one.name}, step {step:,}: {value:.6g}")
                for (px, py), (step, value) in zip(places, one.points, strict=True)
            ]
    names = [(f"fill-{color}", one.name) for one, color in zip(drawn, COLORS, strict=False)]
    return drawing(
        title,
        f"{' and '.join(one.name for one in drawn)} over the steps of the run, in {unit}.",
        y_axis(y, LEFT, WIDTH - RIGHT, f"{unit}, powers of ten" if log else unit),
        *shapes,
        legend(names, LEFT + 190, 12),
        x_axis(x, bottom, "step"),
    )


def thinned(points: Points, most: int = MOST_POINTS) -> Points:
    """At most so many points: of every stretch the least and the greatest, so that no peak is lost."""
    if len(points) <= most:
        return points
    stretch = math.ceil(2 * len(points) / most)
    kept: list[tuple[int, float]] = []
    for first in range(0, len(points), stretch):
        part = points[first : first + stretch]
        extremes = {min(part, key=_value), max(part, key=_value)}
        kept += sorted(extremes)
    return kept


def _range(low: float, high: float) -> tuple[float, float]:
    """A little wider than the values; a line that never moves is drawn against zero."""
    return (min(low, 0.0) * 1.1, max(high, 0.0) * 1.1) if low == high and low else padded(low, high)


def _value(point: tuple[int, float]) -> float:
    return point[1]


def _above(points: Points) -> Points:
    return [(step, value) for step, value in points if value > 0]
