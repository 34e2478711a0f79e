"""Drawing series over steps in braille cells: several lines, rules, bands, a linear or log axis. Pure.

Every column of dots spans the least and the greatest value that falls into it, so nothing is lost by joining.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from screens.formats import compact_number
from screens.widgets.chart import Band

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BLANK = 0x2800
_RULE = "┈"
_MARK = "•"
LEAST_DECADES = 0.2
RAW_DECADES = 1.0
CELLS_PER_MARK = 4


class StretchLike(Protocol):
    """The values of a stretch of steps."""

    @property
    def step(self) -> int: ...
    @property
    def mean(self) -> float: ...
    @property
    def least(self) -> float: ...
    @property
    def greatest(self) -> float: ...


class SeriesLike(Protocol):
    """What can be drawn: stretches in order, and the one at a step."""

    @property
    def points(self) -> Sequence[StretchLike]: ...
    @property
    def last(self) -> float | None: ...
    def at(self, step: int) -> StretchLike | None: ...


@dataclass(frozen=True, slots=True)
class Line:
    """A series under a label. `dots` marks its points where they are few.

    With `exponent` its values are ln of what is drawn, and it stretches the axis by a decade at most: what a
    controller wishes for, before it is clipped, can be anywhere.
    """

    label: str
    series: SeriesLike | None
    style: str
    show: Callable[[float], str] = compact_number
    dots: bool = False
    exponent: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A level across the chart."""

    value: float
    label: str
    style: str


@dataclass(frozen=True, slots=True)
class ChartData:
    """What a chart draws; `band_style` is "band" where values should lie in its bands, or "warn"."""

    lines: tuple[Line, ...] = ()
    rules: tuple[Rule, ...] = ()
    bands: tuple[Band, ...] = ()
    band_style: str = "band"
    log: bool = False
    from_zero: bool = False
    axis: Callable[[float], str] = compact_number

    @property
    def last_step(self) -> int:
        """The last step of any line."""
        return max(
            (line.series.points[-1].step for line in self.lines if line.series and line.series.points),
            default=0,
        )


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn chart: rows of characters with a style name each, axis labels by row, rows with a band."""

    rows: list[list[str]] = field(default_factory=list)
    styles: list[list[str]] = field(default_factory=list)
    labels: dict[int, str] = field(default_factory=dict)
    banded: frozenset[int] = frozenset()


def plot_steps(data: ChartData, width: int, height: int, last_step: int) -> Picture:
    """`height` rows of `width` cells; the x axis from step 0 to `last_step`."""
    span = _range(data)
    if width < 1 or height < 1 or span is None:
        return Picture()
    canvas = _Canvas(width, height, *span)
    for line in data.lines:
        if line.series is not None and line.series.points:
            canvas.line(line, data.log, max(1, last_step))
    for rule in data.rules:
        if not data.log or rule.value > 0:
            canvas.rule(rule, data.log)
    banded = frozenset(
        row for band in data.bands for row in canvas.rows_between(band.lower, band.upper, data.log)
    )
    return Picture(canvas.chars, canvas.styles, _labels(data, canvas), banded)


class _Canvas:
    """Cells and the scale from values to rows of dots."""

    def __init__(self, width: int, height: int, low: float, high: float) -> None:
        self.width, self.height, self.low, self.high = width, height, low, high
        self.bits = [[0] * width for _ in range(height)]
        self.chars = [[" "] * width for _ in range(height)]
        self.styles = [[""] * width for _ in range(height)]

    def level(self, value: float) -> int:
        """The row of dots of a value in the axis' own scale, 0 at the bottom, kept inside."""
        top = self.height * 4 - 1
        share = (value - self.low) / (self.high - self.low)
        return min(top, max(0, round(share * top)))

    def row_of(self, value: float) -> int:
        return self.height - 1 - self.level(value) // 4

    def rows_between(self, lower: float, upper: float, log: bool) -> range:
        low, high = _scaled(lower, log), _scaled(upper, log)
        if low is None or high is None or high < self.low or low > self.high:
            return range(0)
        return range(self.row_of(high), self.row_of(low) + 1)

    def line(self, line: Line, log: bool, last_step: int) -> None:
        """Where values of one column differ, their reach is drawn softly and the mean runs through it."""
        columns = self._columns(line, log, last_step)
        soft = f"{line.style}-soft"
        self._path([(x, least, greatest) for x, (least, greatest, _, _) in columns.items()], soft)
        self._path([(x, total / n, total / n) for x, (_, _, total, n) in columns.items()], line.style)
        if line.dots and len(columns) * CELLS_PER_MARK <= self.width:
            for x, (_, _, total, n) in columns.items():
                row = self.row_of(total / n)
                self.chars[row][x // 2], self.styles[row][x // 2] = _MARK, line.style

    def _path(self, columns: Sequence[tuple[int, float, float]], style: str) -> None:
        before: tuple[int, int, int] | None = None
        for x, least, greatest in columns:
            now = (x, self.level(least), self.level(greatest))
            if before is None:
                self._bar(*now, style)
            else:
                self._join(before, now, style)
            before = now

    def _columns(self, line: Line, log: bool, last_step: int) -> dict[int, tuple[float, float, float, int]]:
        """Least and greatest value, sum of means and their number for each column of dots that has any."""
        assert line.series is not None
        dots_wide = self.width * 2 - 1
        columns: dict[int, tuple[float, float, float, int]] = {}
        for point in line.series.points:
            least, mean, greatest = (
                _of_line(value, line, log) for value in (point.least, point.mean, point.greatest)
            )
            if least is None or mean is None or greatest is None:
                continue
            x = min(dots_wide, point.step * dots_wide // last_step)
            if x in columns:
                low, high, total, n = columns[x]
                columns[x] = (min(low, least), max(high, greatest), total + mean, n + 1)
            else:
                columns[x] = (least, greatest, mean, 1)
        return columns

    def _join(self, before: tuple[int, int, int], now: tuple[int, int, int], style: str) -> None:
        """A straight line over empty columns; neighbors touch."""
        (x0, low0, high0), (x1, low1, high1) = before, now
        if x1 == x0 + 1:
            self._bar(x1, min(low1, high0 + 1), max(high1, low0 - 1), style)
            return
        y0, y1 = (low0 + high0) / 2, (low1 + high1) / 2
        previous = round(y0)
        for x in range(x0 + 1, x1):
            y = round(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
            self._bar(x, min(y, previous + 1), max(y, previous - 1), style)
            previous = y
        self._bar(x1, min(low1, previous + 1), max(high1, previous - 1), style)

    def _bar(self, x: int, low: int, high: int, style: str) -> None:
        cell, side = divmod(x, 2)
        for y in range(low, high + 1):
            row = self.height - 1 - y // 4
            if not self._take_over(row, cell, style):
                continue
            self.bits[row][cell] |= _DOTS[side][3 - y % 4]
            self.chars[row][cell] = chr(_BLANK + self.bits[row][cell])
            self.styles[row][cell] = style

    def _take_over(self, row: int, cell: int, style: str) -> bool:
        """A line that crosses another is drawn over it; what is drawn softly stays behind."""
        owner = self.styles[row][cell]
        if not owner or owner.removesuffix("-soft") == style.removesuffix("-soft"):
            return not (owner and style.endswith("-soft") and owner == style.removesuffix("-soft"))
        if style.endswith("-soft"):
            return False
        self.bits[row][cell] = 0
        return True

    def rule(self, rule: Rule, log: bool) -> None:
        value = _scaled(rule.value, log)
        if value is None or not self.low <= value <= self.high:
            return
        row = self.row_of(value)
        for x, character in enumerate(self.chars[row]):
            if character == " ":
                self.chars[row][x], self.styles[row][x] = _RULE, rule.style
        start = self.width - len(rule.label) - 1
        room = range(start - 1, self.width)
        if rule.label and start > 1 and all(self.styles[row][x] == rule.style for x in room):
            for x, character in enumerate(f" {rule.label} ", start - 1):
                self.chars[row][x] = character


def _scaled(value: float, log: bool) -> float | None:
    """A value in the scale of the axis; on a log axis (of tens) only what is above 0 has a place."""
    if not log:
        return value
    return math.log10(value) if value > 0 else None


def _of_line(value: float, line: Line, log: bool) -> float | None:
    if line.exponent:
        return value / math.log(10) if log else math.exp(min(value, 700.0))
    return _scaled(value, log)


def _range(data: ChartData) -> tuple[float, float] | None:
    """The axis: all that is drawn with a little air, never of no height; None when nothing is there."""
    low, high = _extent(data, exponents=False)
    if low > high:
        return None
    raw_low, raw_high = _extent(data, exponents=True)
    if raw_low <= raw_high:
        low, high = min(low, max(raw_low, low - RAW_DECADES)), max(high, min(raw_high, high + RAW_DECADES))
    if not data.log:
        marks = [rule.value for rule in data.rules]
        marks += [edge for band in data.bands for edge in (band.lower, band.upper)]
        low, high = min([low, *marks]), max([high, *marks])
    if data.from_zero:
        low, high = min(0.0, low), max(0.0, high)
    least = LEAST_DECADES if data.log else max(abs(high), abs(low)) * 0.01 or 1.0
    air = max((high - low) * 0.04, (least - (high - low)) / 2, 0.0)
    return (low if data.from_zero and low == 0 else low - air), high + air


def _extent(data: ChartData, exponents: bool) -> tuple[float, float]:
    low, high = math.inf, -math.inf
    for line in data.lines:
        if line.series is None or line.exponent != exponents:
            continue
        for point in line.series.points:
            least, greatest = _of_line(point.least, line, data.log), _of_line(point.greatest, line, data.log)
            if least is not None and greatest is not None:
                low, high = min(low, least), max(high, greatest)
    return low, high


def _labels(data: ChartData, canvas: _Canvas) -> dict[int, str]:
    """Round numbers beside the rows where they lie; at least every third row stays free."""
    ticks = max(3, canvas.height // 3)
    labels: dict[int, str] = {}
    for value in _round_values(canvas.low, canvas.high, ticks, data.log):
        row = canvas.row_of(value)
        if row not in labels:
            labels[row] = data.axis(10**value if data.log else value)
    return labels


def _round_values(low: float, high: float, about: int, log: bool) -> list[float]:
    """Up to about `about` round values from `low` to `high`; on a log axis whole decades where there are."""
    if log and math.floor(high) > math.ceil(low):
        whole = [float(power) for power in range(math.ceil(low), math.floor(high) + 1)]
        return whole[:: -(-len(whole) // about)]
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]
