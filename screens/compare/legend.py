"""The key to the colors of both tapes, whatever they show."""

from __future__ import annotations

from textual.content import Content
from textual.style import Style

from screens.compare.diff import DiffMode
from screens.compare.heat import HEATS, LEVELS, HeatKind, heat_styles
from screens.formats import clip
from screens.widgets.legend import RampLegend


class PairLegend(RampLegend):
    """One line: the entropy ramp, the overlay's scale, or what the diff brings out."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._diff: DiffMode = "off"
        self._kind: HeatKind = "off"
        self._plain = False

    def show(self, diff: DiffMode, kind: HeatKind, plain: bool) -> None:
        if (diff, kind, plain) != (self._diff, self._kind, self._plain):
            self._diff, self._kind, self._plain = diff, kind, plain
            self.refresh()

    def render(self) -> Content:
        if self._diff != "off":
            said = f"diff by {self._diff}: what the other side has not is brought out"
            return Content.styled(clip(said, self.size.width), "$muted")
        if self._kind != "off":
            return self._heat()
        if self._plain:
            return Content.styled(
                clip("blind: colors, scores and names are hidden", self.size.width), "$muted"
            )
        return super().render()

    def _heat(self) -> Content:
        heat = HEATS[self._kind]
        base = self.background_colors[1]
        styles = heat_styles(base, self.styles.color, dark=self.app.current_theme.dark)
        levels = range(-LEVELS if heat.signed else 0, LEVELS + 1)
        parts = [Content.styled(f"{heat.symbol} nats ", "bold")]
        for level in levels:
            bound = 0.0 if not level else heat.bounds_nats[abs(level) - 1]
            sample = f" {'−' if level < 0 else '+' if level and heat.signed else ''}{bound:g} "
            parts += [Content.styled(sample, Style.from_rich_style(styles[level])), Content(" ")]
        shown = Content("").join(parts)
        room = self.size.width - shown.cell_length - 1
        return shown + Content.styled(f" {clip(heat.meaning, room)}", "$muted") if room > 20 else shown
