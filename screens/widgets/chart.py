"""A braille line chart: axes, target bands, and down-sampling that keeps every column's minimum and maximum.

The drawing is pure (`plot`); the widget only colors it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BLANK = 0x2800


@dataclass(frozen=True, slots=True)
class Band:
    """A target band of the y axis, in the series' unit."""

    lower: float
    upper: float
    label: str = ""


def columns_min_max(series: Sequence[float], columns: int) -> list[tuple[float, float]]:
    """For each of `columns` dot columns the least and greatest value that falls into it.

    Fewer values than columns are spread out, each holding until the next.
    """
    n = len(series)
    if not n or columns <= 0:
        return []
    ranges = []
    for column in range(columns):
        start = column * n // columns
        end = max(start + 1, (column + 1) * n // columns)
        part = series[start:end]
        ranges.append((min(part), max(part)))
    return ranges


def plot(series: Sequence[float], width: int, height: int, top: float) -> list[str]:
    """`height` rows of `width` braille cells, the y axis from 0 at the bottom to `top`."""
    grid = [[0] * width for _ in range(height)]
    dots_high = height * 4

    def level(value: float) -> int:
        return min(dots_high - 1, max(0, round(value / top * (dots_high - 1)))) if top > 0 else 0

    previous: tuple[int, int] | None = None
    for x, (least, greatest) in enumerate(columns_min_max(series, width * 2)):
        low, high = level(least), level(greatest)
        if previous is not None:
            # Columns touch: the line has no gaps where it jumps.
            joined_low, joined_high = min(low, previous[1] + 1), max(high, previous[0] - 1)
        else:
            joined_low, joined_high = low, high
        previous = (low, high)
        for y in range(joined_low, joined_high + 1):
            grid[height - 1 - y // 4][x // 2] |= _DOTS[x % 2][3 - y % 4]
    return ["".join(chr(_BLANK + cell) for cell in row) for row in grid]


def nice_top(greatest: float) -> float:
    """The next round number (1, 2, 3, 4, 5, 6, 8 times a power of ten) at or above `greatest`."""
    if not 1e-9 < greatest < math.inf:
        return 1.0
    power = 10.0 ** math.floor(math.log10(greatest))
    return next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= greatest * (1 - 1e-9))


class LineChart(Widget):
    """One series along its index, with a y axis in `unit`, a marked position and an optional band."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"chart--axis", "chart--line", "chart--band", "chart--marker"}
    DEFAULT_CSS = """
    LineChart {
        height: 6;
        .chart--axis { color: $muted; }
        .chart--line { color: $secondary; }
        .chart--band { background: $primary 12%; }
        .chart--marker { background: $primary 45%; }
    }
    """
    AXIS_WIDTH = 5

    def __init__(
        self,
        *,
        unit: str = "",
        index_name: str = "token",
        least_top: float = 1.0,
        color_of: Callable[[float], str] | None = None,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._series: Sequence[float] = ()
        self._marker: int | None = None
        self._band: Band | None = None
        self._unit = unit
        self._index_name = index_name
        self._least_top = least_top
        self._color_of = color_of
        self._rows: list[str] = []
        self._peaks: list[float] = []
        self._column_styles: list[Style] = []
        self._top = least_top

    def set_color_of(self, color_of: Callable[[float], str] | None) -> None:
        self._color_of = color_of
        self._column_styles = []
        self.refresh()

    def show(self, series: Sequence[float], marker: int | None = None, band: Band | None = None) -> None:
        """Draw `series` (its caller keeps it unchanged until the next call)."""
        self._series, self._marker, self._band = series, marker, band
        self._plot()
        self.refresh()

    def on_resize(self) -> None:
        self._plot()
        self.refresh()

    def _plot(self) -> None:
        self._top = nice_top(max(self._least_top, max(self._series, default=0.0)))
        width, height = self.size.width - self.AXIS_WIDTH, self.size.height - 1
        self._rows = plot(self._series, width, height, self._top) if width > 0 and height > 0 else []
        self._peaks = [high for _, high in columns_min_max(self._series, width)]
        self._column_styles = []

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._column_styles = []

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        axis = self.get_component_rich_style("chart--axis")
        if y < len(self._rows):
            strip = Strip([Segment(self._label(y), axis), *self._columns(y)])
        else:
            strip = Strip([Segment(self._foot(), axis)])
        return strip.crop_extend(0, self.size.width, base)

    def _label(self, y: int) -> str:
        last = len(self._rows) - 1
        if y == 0:
            return f"{self._top:>{self.AXIS_WIDTH - 1}.3g}┤"
        if y == last:
            return f"{0:>{self.AXIS_WIDTH - 1}}┤"
        if last >= 4 and y * 2 == last:
            return f"{self._top / 2:>{self.AXIS_WIDTH - 1}.3g}┤"
        return " " * (self.AXIS_WIDTH - 1) + "│"

    def _foot(self) -> str:
        width = max(0, self.size.width - self.AXIS_WIDTH)
        n = len(self._series)
        left = f"{self._index_name} 1" if n else f"no {self._index_name}s yet"
        right = f"{n:,}" if n > 1 else ""
        gap = " " * max(1, width - len(left) - len(right))
        return (" " * self.AXIS_WIDTH + left + gap + right)[: self.size.width]

    def _columns(self, y: int) -> list[Segment]:
        line = self.get_component_rich_style("chart--line")
        band = self.get_component_rich_style("chart--band")
        marked = self.get_component_rich_style("chart--marker")
        row = self._rows[y]
        marker = self._marker_column(len(row))
        in_band = self._in_band(y)
        colors = self._colors(len(row)) if self._color_of else None
        segments: list[Segment] = []
        for x, character in enumerate(row):
            style = line if colors is None else colors[x]
            if in_band:
                style = style + Style(bgcolor=band.bgcolor)
            if x == marker:
                style = style + Style(bgcolor=marked.bgcolor)
            if segments and segments[-1].style is style:
                segments[-1] = Segment(segments[-1].text + character, style)
            else:
                segments.append(Segment(character, style))
        return segments

    def _colors(self, width: int) -> list[Style]:
        """A style for every column, the same object for the same color; made once a drawing."""
        if not self._column_styles:
            assert self._color_of is not None
            base = self.rich_style
            colors = [self._color_of(peak) for peak in self._peaks]
            styles = {color: base + Style(color=color) for color in set(colors)}
            self._column_styles = [styles[color] for color in colors] or [base] * width
        return self._column_styles

    def _marker_column(self, width: int) -> int | None:
        if self._marker is None or not self._series:
            return None
        return min(width - 1, self._marker * width // len(self._series))

    def _in_band(self, y: int) -> bool:
        if self._band is None:
            return False
        rows = len(self._rows)
        lower, upper = self._top * (rows - 1 - y) / rows, self._top * (rows - y) / rows
        return upper > self._band.lower and lower < self._band.upper
