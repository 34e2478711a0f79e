"""A text box for prompts: Enter sends, Ctrl+J breaks the line, Escape leaves."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.widgets import TextArea


class PromptBox(TextArea):
    """Where a prompt is written. While it has the focus every letter is text."""

    takes_text = True

    DEFAULT_CSS = """
    PromptBox { border: none; padding: 0; background: $background; scrollbar-size-vertical: 1; }
    PromptBox:focus { border: none; }
    PromptBox .text-area--cursor-line { background: $background; }
    """

    class Sent(Message):
        """Enter was pressed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """Escape was pressed."""

    async def _on_key(self, event: events.Key) -> None:
        if event.key in ("enter", "escape"):
            event.stop()
            event.prevent_default()
            self.post_message(self.Sent(self.text) if event.key == "enter" else self.Left())
        elif event.key in ("ctrl+j", "shift+enter", "alt+enter"):
            event.stop()
            event.prevent_default()
            self.insert("\n")
        else:
            await super()._on_key(event)
