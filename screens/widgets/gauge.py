"""The gauge of predictive entropy: now, mean and p90 on one scale, said in words and units."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content
from textual.widget import Widget

from lab.ramp import entropy_level, level_color
from screens.formats import nats, share
from screens.widgets.bars import bar_content
from screens.widgets.chart import nice_top

LEAST_SCALE_NATS = 2.0


@dataclass(frozen=True, slots=True)
class EntropyReading:
    """Predictive entropy of an answer so far, in nats. `max_nats` is the most the model could reach, ln V."""

    now_nats: float | None = None
    mean_nats: float | None = None
    p90_nats: float | None = None
    greatest_nats: float | None = None
    max_nats: float | None = None


class EntropyGauge(Widget):
    """Three bars of H_t. The scale follows the observed range; the share of ln V: how near to uniform."""

    DEFAULT_CSS = """
    EntropyGauge { height: 5; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._reading = EntropyReading()

    def show(self, reading: EntropyReading) -> None:
        if reading != self._reading:
            self._reading = reading
            self.refresh()

    def render(self) -> Content:
        reading = self._reading
        scale = nice_top(max(LEAST_SCALE_NATS, reading.greatest_nats or 0.0))
        rows = [
            heading("Predictive entropy H_t", "nats", self.size.width),
            self._row("now", reading.now_nats, scale),
            self._row("mean", reading.mean_nats, scale),
            self._row("p90", reading.p90_nats, scale),
            Content.styled(self._foot(scale), "$muted"),
        ]
        return Content("\n").join(rows)

    def _row(self, label: str, value: float | None, scale: float) -> Content:
        width = self.size.width - 11
        color = level_color(entropy_level(value or 0.0), dark=self.app.current_theme.dark)
        return Content.assemble(
            (f"{label:<5}", "$foreground 70%"),
            (f"{nats(value):>5} ", "bold"),
            bar_content(value or 0.0, scale, width, color),
        )

    def _foot(self, scale: float) -> str:
        reading = self._reading
        if reading.mean_nats is None or not reading.max_nats:
            return f"bars from 0 to {scale:g}"
        of_max = share(reading.mean_nats / reading.max_nats)
        return f"bars 0–{scale:g} · mean {of_max} of ln V"


def heading(title: str, unit: str, width: int) -> Content:
    """A pane's title at the left and its unit at the right."""
    gap = " " * max(1, width - len(title) - len(unit))
    return Content.assemble((title, "bold $foreground 90%"), gap, (unit, "$muted"))
