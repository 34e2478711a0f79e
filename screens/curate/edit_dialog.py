"""A better answer, written over one of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from lab.errors import LabError
from lab.safetext import safe_line
from screens.dialogs import Dialog
from screens.widgets.prompt_box import SafeTextArea

NOTE = "^S saves · ^T the other one · ^E your editor"


class EditDialog(Dialog[tuple[int, str]]):
    """The result is which answer was written over (0 left, 1 right) and the text."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("ctrl+s", "take", "Save", priority=True, show=False),
        Binding("ctrl+t", "other", "Other", priority=True, show=False),
        Binding("ctrl+e", "editor", "Editor", priority=True, show=False),
    ]
    DEFAULT_CSS = """
    EditDialog > Vertical { width: 104; height: 90%; }
    EditDialog TextArea { height: 1fr; border: none; background: $foreground 8%; padding: 0 1; }
    EditDialog TextArea:focus { border: none; background: $foreground 12%; }
    EditDialog .note { width: 1fr; }
    EditDialog.-short > Vertical { padding: 0 2; height: 100%; }
    """

    def __init__(self, texts: Sequence[str], side: int = 0) -> None:
        super().__init__()
        self.give(texts, side)

    def give(self, texts: Sequence[str], side: int = 0) -> None:
        self._texts, self._side = list(texts), side

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield SafeTextArea(compact=True, soft_wrap=True, tab_behavior="focus")
            yield Static(Content(""), classes="fault")
            with Horizontal(classes="buttons"):
                yield Static(Content(NOTE), classes="note")
                yield Button(Content("Save"), id="save", variant="primary", compact=True)
                yield Button(Content("Cancel"), id="cancel", compact=True)

    def fill(self) -> None:
        self._put()
        self.query_one(".fault", Static).update("")
        self.query_one(SafeTextArea).focus()

    @property
    def _box(self) -> SafeTextArea:
        return self.query_one(SafeTextArea)

    def _put(self) -> None:
        side = ("left", "right")[self._side]
        self.query_one("#box").border_title = Content(f"A better answer, over the {side} one")
        self._box.put(self._texts[self._side])

    def action_other(self) -> None:
        """The other answer; what was written over this one is there when one comes back."""
        self._texts[self._side] = self._box.raw_text
        self._side = 1 - self._side
        self._put()

    def action_editor(self) -> None:
        """The text in the person's own editor; the lab steps back meanwhile."""
        from lab.editor import edit_text

        try:
            with self.app.suspend():
                text = edit_text(self._box.raw_text)
        except (LabError, SuspendNotSupported) as error:
            self.query_one(".fault", Static).update(Content(safe_line(str(error))))
        else:
            self._box.put(text.removesuffix("\n"))
        self.refresh(layout=True)

    def action_take(self) -> None:
        text = self._box.raw_text
        if text.strip():
            self.dismiss((self._side, text))
        else:
            self.query_one(".fault", Static).update(Content("The answer is empty."))

    @on(Button.Pressed, "#save")
    def _save(self) -> None:
        self.action_take()

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)
