"""The small windows: an error, a line of text, a choice. Escape closes them without doing anything.

A window is built once and filled again whenever it is opened (see `screens.windows`): what it shows is given
by `give`, with the constructor's arguments, and put into its widgets by `fill`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widgets import Button, Input, Label, SelectionList, Static
from textual.widgets.selection_list import Selection

from lab.safetext import safe_line, safe_text
from screens.backdrop import dimmed
from screens.quiet import QuietScreen

Result = TypeVar("Result")


class Dialog(ModalScreen[Result], QuietScreen[Result]):
    """A framed window in the middle; `None` means it was closed without an answer."""

    BINDINGS: ClassVar[list[Any]] = [Binding("escape", "close", "Close", show=False)]
    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 55%; }
    Dialog > Vertical {
        width: 64; max-width: 94%; height: auto; max-height: 90%;
        background: $surface; border: round $border; padding: 1 2;
        border-title-color: $primary; border-title-style: bold;
    }
    Dialog .note { color: $muted; height: auto; }
    Dialog .fault { color: $error; height: auto; }
    Dialog .buttons { height: auto; align-horizontal: right; margin-top: 1; }
    Dialog Button { min-width: 8; margin-left: 2; background: $foreground 12%; color: $foreground; }
    Dialog Button.-primary { background: $primary 85%; color: $background; }
    Dialog Button:focus { text-style: bold underline; background: $primary; color: $background; }
    Dialog Input { border: none; height: 1; padding: 0 1; background: $foreground 8%; }
    Dialog Input:focus { border: none; background: $foreground 15%; }
    Dialog Input.-invalid { background: $error 25%; }
    Dialog SelectionList { height: auto; border: none; padding: 0; background: $surface; }
    Dialog OptionList, Dialog SelectionList { background: $surface; }
    Dialog OptionList:focus, Dialog SelectionList:focus { background-tint: $foreground 0%; }
    Dialog OptionList > .option-list--option-highlighted {
        background: $foreground 8%; color: $foreground; text-style: none;
    }
    Dialog OptionList:focus > .option-list--option-highlighted {
        background: $primary 25%; color: $foreground; text-style: bold;
    }
    Dialog SelectionList {
        & > .selection-list--button { color: $foreground 15%; background: $surface; }
        & > .selection-list--button-highlighted { color: $foreground 15%; background: $surface; }
        & > .selection-list--button-selected { color: $primary; background: $surface; }
        & > .selection-list--button-selected-highlighted { color: $primary; background: $surface; }
    }
    Dialog RadioSet { height: auto; width: 100%; border: none; padding: 0; background: $surface; }
    Dialog RadioSet > RadioButton { background: $surface; }
    Dialog RadioSet > RadioButton > .toggle--button { color: $faint; background: $surface; }
    Dialog RadioSet > RadioButton.-on > .toggle--button { color: $primary; background: $surface; }
    Dialog RadioSet > RadioButton.-selected > .toggle--label {
        background: $foreground 8%; color: $foreground;
    }
    Dialog RadioSet:focus > RadioButton.-selected > .toggle--label {
        background: $primary 25%; color: $foreground; text-style: bold;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._backdrop: list[Strip] = []

    def give(self, *given: Any) -> None:
        """What the window is about this time."""

    def fill(self) -> None:
        """Put what was given into the widgets."""

    def on_mount(self) -> None:
        if self.children:  # None where the app is leaving and composes nothing any more.
            self.fill()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self.wear_theme(event)
        below = self.app.screen_stack[-2:-1]
        self._backdrop = dimmed(below[0], self.styles.background) if below else []

    def on_screen_suspend(self) -> None:
        if self not in self.app.screen_stack:
            self.set_focus(None)

    def render_line(self, y: int) -> Strip:
        """What lies below, dimmed, as it was when the window opened."""
        if y < len(self._backdrop):
            return self._backdrop[y].crop_extend(0, self.size.width, self.rich_style)
        return Strip.blank(self.size.width, self.rich_style)

    def action_close(self) -> None:
        self.dismiss(None)


class ErrorDialog(Dialog[bool]):
    """A fault in words. With a remedy, its button returns True."""

    def __init__(self, title: str, message: str, remedy: str | None = None) -> None:
        super().__init__()
        self.give(title, message, remedy)

    def give(self, title: str, message: str, remedy: str | None = None) -> None:
        self._title, self._message, self._remedy = safe_line(title), safe_text(message), remedy

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            with VerticalScroll(classes="message"):
                yield Static(id="message")
            with Horizontal(classes="buttons"):
                yield Button("", id="remedy", variant="primary", compact=True)
                yield Button(Content("Close"), id="close", compact=True)

    def fill(self) -> None:
        self.query_one("#box").border_title = Content(self._title)
        self.query_one("#message", Static).update(Content(self._message))
        remedy = self.query_one("#remedy", Button)
        remedy.display = self._remedy is not None
        remedy.label = Content(self._remedy or "")

    DEFAULT_CSS = """
    ErrorDialog > Vertical { border: round $error; border-title-color: $error; width: 84; }
    ErrorDialog .message { height: auto; max-height: 16; }
    """

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "remedy")


class LineDialog(Dialog[str]):
    """One line of text: a path, a model. Empty text is no answer unless `may_be_empty`."""

    def __init__(
        self, title: str, note: str, value: str = "", placeholder: str = "", may_be_empty: bool = False
    ) -> None:
        super().__init__()
        self.give(title, note, value, placeholder, may_be_empty)

    def give(
        self, title: str, note: str, value: str = "", placeholder: str = "", may_be_empty: bool = False
    ) -> None:
        self._title, self._note, self._value, self._placeholder = title, note, safe_line(value), placeholder
        self._may_be_empty = may_be_empty

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(id="note", classes="note")
            yield Label("")
            yield Input()

    def fill(self) -> None:
        self.query_one("#box").border_title = Content(self._title)
        self.query_one("#note", Static).update(Content(self._note))
        box = self.query_one(Input)
        box.placeholder, box.value = self._placeholder, self._value

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        if event.value.strip() or self._may_be_empty:
            self.dismiss(event.value.strip())


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a choice: what is returned, what is read, and a number beside it."""

    value: str
    label: str
    n: int | None = None


class ChoiceDialog(Dialog[tuple[str, ...]]):
    """Any number of entries of a list; Enter takes them, and none means no filter."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("enter", "take", "Take", priority=True, show=False),
        Binding("j", "next", show=False),
        Binding("k", "previous", show=False),
    ]
    DEFAULT_CSS = """
    ChoiceDialog SelectionList { max-height: 20; margin-bottom: 1; }
    """

    def __init__(self, title: str, choices: Sequence[Choice], chosen: Sequence[str]) -> None:
        super().__init__()
        self.give(title, choices, chosen)

    def give(self, title: str, choices: Sequence[Choice], chosen: Sequence[str]) -> None:
        self._title, self._choices, self._chosen = title, choices, frozenset(chosen)

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield SelectionList[str](compact=True)
            yield Static(Content("Space selects · Enter takes · none selected shows all"), classes="note")

    def fill(self) -> None:
        self.query_one("#box").border_title = Content(self._title)
        widest = max((len(safe_line(choice.label)) for choice in self._choices), default=0)
        rows = self.query_one(SelectionList[Any])
        rows.clear_options()
        rows.add_options(
            Selection(self._prompt(choice, widest), choice.value, choice.value in self._chosen)
            for choice in self._choices
        )
        rows.highlighted = 0 if self._choices else None

    def _prompt(self, choice: Choice, widest: int) -> Content:
        label = Content(safe_line(choice.label).ljust(widest))
        return label if choice.n is None else label + Content.styled(f"  {choice.n:>6,}", "$muted")

    def action_take(self) -> None:
        self.dismiss(tuple(self.query_one(SelectionList[Any]).selected))

    def action_next(self) -> None:
        self.query_one(SelectionList[Any]).action_cursor_down()

    def action_previous(self) -> None:
        self.query_one(SelectionList[Any]).action_cursor_up()


class ConfirmDialog(Dialog[bool]):
    """Whether something is really to be done: Y or the button says yes."""

    BINDINGS: ClassVar[list[Any]] = [Binding("y", "confirm", "Yes", show=False)]

    def __init__(self, title: str, text: str, yes: str, no: str) -> None:
        super().__init__()
        self._title, self._text, self._yes, self._no = title, text, yes, no

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content(self._title)
            yield Static(Content(self._text))
            with Horizontal(classes="buttons"):
                yield Button(Content(self._yes), id="yes", variant="primary", compact=True)
                yield Button(Content(self._no), id="cancel", compact=True)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_confirm(self) -> None:
        self.dismiss(True)
