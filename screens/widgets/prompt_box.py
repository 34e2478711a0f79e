"""Text boxes for prompts: they show safe text, and hold the text as it came until it is edited."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.widgets import TextArea

from lab.safetext import safe_text


class SafeTextArea(TextArea):
    """A text box that never hands the terminal a control code of foreign text."""

    _raw = ""
    _shown = ""

    def put(self, text: str) -> None:
        """Show foreign text; `raw_text` gives it back unchanged unless a person edits it."""
        self._raw, self._shown = text, safe_text(text)
        self.text = self._shown

    @property
    def raw_text(self) -> str:
        return self._raw if self.text == self._shown else self.text


class PromptBox(SafeTextArea):
    """Where a prompt is written: Enter sends, Ctrl+J breaks the line, Escape leaves.

    While it has the focus every letter is text.
    """

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
            self.post_message(self.Sent(self.raw_text) if event.key == "enter" else self.Left())
        elif event.key in ("ctrl+j", "shift+enter", "alt+enter"):
            event.stop()
            event.prevent_default()
            self.insert("\n")
        else:
            await super()._on_key(event)
