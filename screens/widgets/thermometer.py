"""The word-entropy thermometer: H_w on the zone scale, always with n and with what qualifies it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from screens.formats import join_fitting, nats, plural, share
from screens.widgets.gauge import heading

if TYPE_CHECKING:
    from lab.measure.words import WordEntropy
    from lab.measure.zones import Zone, ZoneTable

_BAND_STYLES = ("$secondary 30%", "$secondary 50%", "$primary 45%", "$error 45%")


def bounds_nats(table: ZoneTable | None) -> list[float]:
    """Where one zone ends and the next begins."""
    return [zone.lower for zone in table.zones[1:]] if table else []


def zone_scale(table: ZoneTable | None, width: int, marks: Mapping[float, str]) -> Content:
    """A line from 0 to one nat above the last bound, banded by zone, with a sign at each marked value."""
    bounds = bounds_nats(table)
    signs = {_column(value, bounds, width): sign for value, sign in marks.items()}
    parts = []
    for x in range(width):
        zone = sum(1 for bound in bounds if x >= _column(bound, bounds, width))
        style = _BAND_STYLES[zone % len(_BAND_STYLES)] if table else "$faint"
        sign = signs.get(x)
        parts.append((sign, f"bold $text on {style}") if sign else (" ", f"on {style}"))
    return Content.assemble(*parts)


def _column(value: float, bounds: Sequence[float], width: int) -> int:
    top = max(bounds, default=6.0) + 1.0
    return min(width - 1, max(0, round(value / top * width)))


class WordThermometer(Widget):
    """A bar from 0 to one nat above the last bound, banded by zone, with a mark at H_w."""

    DEFAULT_CSS = """
    WordThermometer { height: 6; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._table: ZoneTable | None = None
        self._reading: WordEntropy | None = None
        self._zone: Zone | None = None

    def set_table(self, table: ZoneTable) -> None:
        """The zones to draw; `table` is data and may be a person's own."""
        self._table = table
        self.refresh()

    def show(self, reading: WordEntropy | None, zone: Zone | None = None) -> None:
        """A text's word entropy and its zone; None for the zone means too short to name one."""
        if reading != self._reading or zone != self._zone:
            self._reading, self._zone = reading, zone
            self.refresh()

    @property
    def _bounds_nats(self) -> list[float]:
        return bounds_nats(self._table)

    def render(self) -> Content:
        rows = [
            heading("Word entropy H_w", "nats", self.size.width),
            self._value(),
            self._scale(),
            Content.styled(self._bounds(), "$muted"),
            self._statement(),
            self._companion(),
        ]
        return Content("\n").join(rows)

    def _column(self, value: float) -> int:
        return _column(value, self._bounds_nats, self.size.width)

    def _value(self) -> Content:
        reading = self._reading
        if reading is None:
            return Content.styled("–", "$muted")
        parts = [f"n {plural(reading.words, 'word')}", f"{reading.types:,} distinct"]
        detail = "  " + join_fitting(parts, self.size.width - 7, ", ")
        return Content.assemble((nats(reading.word_entropy_nats), "bold"), (detail, "$foreground 70%"))

    def _scale(self) -> Content:
        marks = {} if self._reading is None else {self._reading.word_entropy_nats: "◆"}
        return zone_scale(self._table, self.size.width, marks)

    def _bounds(self) -> str:
        cells = [" "] * self.size.width
        for value in (0.0, *self._bounds_nats):
            text = f"{value:g}"
            start = min(self._column(value), len(cells) - len(text))
            cells[start : start + len(text)] = text
        return "".join(cells)

    def _statement(self) -> Content:
        if self._reading is None or self._table is None:
            return Content("")
        if self._zone is None:
            return Content.styled(f"too short to zone (n < {self._table.min_words})", "$warning")
        return Content.assemble(
            ("zone ", "$foreground 70%"),
            (self._zone.name, "bold $primary"),
            (f"  {_range(self._zone)}", "$muted"),
        )

    def _companion(self) -> Content:
        """The primary adjusted figure where it exists, else the share of ln n that was reached."""
        reading = self._reading
        if reading is None:
            return Content("")
        if reading.window_mean_nats is not None:
            label, figure = "100-word windows ", nats(reading.window_mean_nats)
        else:
            label, figure = "share of ln n ", share(reading.per_ln_n)
        return Content.assemble((label, "$foreground 70%"), (figure, "bold"))


def _range(zone: Zone) -> str:
    if math.isinf(zone.upper):
        return f"above {zone.lower:g}"
    return f"below {zone.upper:g}" if math.isinf(zone.lower) else f"{zone.lower:g}–{zone.upper:g}"
