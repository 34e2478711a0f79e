"""Jump mode: a letter on every pane; pressing it moves the focus there."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.geometry import Offset
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Static

LETTERS = "asdfghjklqwertyuiop"


class JumpOverlay(ModalScreen[None]):
    """Letters over the panes of the screen below; any other key goes back."""

    DEFAULT_CSS = """
    JumpOverlay { background: $background 35%; layers: letters; }
    JumpOverlay Static {
        layer: letters; position: absolute; width: 3; height: 1;
        background: $primary; color: $background; text-style: bold; text-align: center;
    }
    """

    def __init__(self, below: Screen[object]) -> None:
        super().__init__()
        targets = [widget for widget in below.focus_chain if widget.region.area]
        self._targets: dict[str, Widget] = dict(zip(LETTERS, targets, strict=False))

    def compose(self) -> ComposeResult:
        for letter, widget in self._targets.items():
            mark = Static(Content(letter.upper()))
            mark.styles.offset = Offset(widget.region.x + 1, widget.region.y)
            yield mark

    def on_key(self, event: events.Key) -> None:
        event.stop()
        target = self._targets.get((event.character or "").lower())
        self.dismiss(None)
        if target is not None:
            target.focus()
