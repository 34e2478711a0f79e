"""Jump mode: a letter on every pane; pressing it moves the focus there."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from screens.dialogs import Dialog

LETTERS = "asdfghjklqwertyuiop"


class JumpOverlay(Dialog[None]):
    """Letters over the panes of the screen below; any other key goes back."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"jump--letter"}
    DEFAULT_CSS = """
    JumpOverlay { background: $background 35%; }
    JumpOverlay .jump--letter { background: $primary; color: $background; text-style: bold; }
    """

    def __init__(self, below: Screen[object] | None) -> None:
        super().__init__()
        self.give(below)

    def give(self, below: Screen[object] | None) -> None:
        targets = [widget for widget in below.focus_chain if widget.region.area] if below else []
        self._targets: dict[str, Widget] = dict(zip(LETTERS, targets, strict=False))

    def render_line(self, y: int) -> Strip:
        line = super().render_line(y)
        style = self.get_component_rich_style("jump--letter")
        for letter, widget in self._targets.items():
            if widget.region.y == y:
                start, end = widget.region.x + 1, widget.region.x + 4
                mark = Strip([Segment(f" {letter.upper()} ", style)], 3)
                line = Strip.join([line.crop(0, start), mark, line.crop(end)])
        return line

    def on_key(self, event: events.Key) -> None:
        event.stop()
        target = self._targets.get((event.character or "").lower())
        self.dismiss(None)
        if target is not None:
            target.focus()
