"""What lies below a window: the screen as it is, dimmed once when the window opens.

Textual renders and tints the whole screen below for every frame of a window over it; that costs more than the
window. Screens rest while they are below, so one picture of them is enough.
"""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.screen import Screen
from textual.strip import Strip


def dimmed(below: Screen[object], tint: Color) -> list[Strip]:
    """The lines of `below` under a tint (with alpha), without what the mouse could do there."""
    styles: dict[Style | None, Style] = {}
    lines = []
    for strip in below._compositor.render_strips():
        segments = []
        for text, style, _ in strip:
            if (dim := styles.get(style)) is None:
                dim = styles[style] = _tinted(style, tint)
            segments.append(Segment(text, dim))
        lines.append(Strip(segments, strip.cell_length))
    return lines


def _tinted(style: Style | None, tint: Color) -> Style:
    plain = Style() if style is None else style.clear_meta_and_links()
    front, back = plain.color, plain.bgcolor
    return plain + Style.from_color(
        (Color.from_rich_color(front) + tint).rich_color if front is not None else None,
        (Color.from_rich_color(back) + tint).rich_color if back is not None else None,
    )
