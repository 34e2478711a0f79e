"""The entropy ramp as styles of the terminal: the lab's colors on a widget's background."""

from __future__ import annotations

from rich.style import Style
from textual.color import Color

from lab.ramp import LEVELS, is_bold, is_underlined, level_color

_TINT_ON_DARK = (0.0, 0.0, 0.0, 0.04, 0.07, 0.10, 0.15, 0.20)
_TINT_ON_LIGHT = (0.0, 0.0, 0.0, 0.0, 0.0, 0.04, 0.08, 0.12)


def token_styles(background: Color, *, dark: bool) -> tuple[Style, ...]:
    """One style a level: the hue as text, from level 3 a breath of it behind, then underline, then bold."""
    tints = _TINT_ON_DARK if dark else _TINT_ON_LIGHT
    return tuple(
        Style(
            color=level_color(level, dark=dark),
            bgcolor=background.blend(Color.parse(level_color(level, dark=dark)), tints[level]).hex6,
            underline=is_underlined(level),
            bold=is_bold(level),
        )
        for level in range(LEVELS)
    )
