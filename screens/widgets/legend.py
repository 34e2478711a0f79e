"""The key to the tape's colors: a sample of every level with the entropy at which it begins."""

from __future__ import annotations

from textual.content import Content
from textual.style import Style
from textual.widget import Widget

from lab.ramp import LEVEL_BOUNDS_NATS
from screens.theme.ramp import token_styles


class RampLegend(Widget):
    """One line: H_t in nats, level by level."""

    DEFAULT_CSS = """
    RampLegend { height: 1; }
    """

    def render(self) -> Content:
        styles = token_styles(self.background_colors[1], dark=self.app.current_theme.dark)
        bounds = ["0", *(f"{bound:g}" for bound in LEVEL_BOUNDS_NATS[:-1]), f"{LEVEL_BOUNDS_NATS[-1]:g}+"]
        wide = self.size.width >= 58
        parts: list[Content] = [Content.styled("H_t nats ", "$muted")]
        for style, bound in zip(styles, bounds, strict=True):
            sample = f" {bound} " if wide else bound
            parts += [Content.styled(sample, Style.from_rich_style(style)), Content(" ")]
        return Content("").join(parts)
