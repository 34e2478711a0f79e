"""What to make pairs of: whose answers, to which probes, how many."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Label, Static

from lab.errors import LabError
from lab.safetext import safe_line
from screens.curate.suggesting import WantedPairs
from screens.dialogs import Dialog

FIELDS = {
    "model": "wick, a folder or a hub id",
    "adapter": "none; or a folder, or a checkpoint file",
    "batteries": "general and direction, which no gate asks",
    "probes": "so many of them",
    "pairs": "so many at most",
}
NOTE = (
    "Each probe is answered at several temperatures by a process of its own; pairs are chosen by score gap, "
    "some of matched length, some that the scorer cannot tell apart. Every answer is kept."
)


class SuggestDialog(Dialog[WantedPairs]):
    """The result is what to make."""

    BINDINGS: ClassVar[list[Any]] = [Binding("ctrl+s", "take", "Begin", priority=True, show=False)]
    DEFAULT_CSS = """
    SuggestDialog > Vertical { width: 76; }
    SuggestDialog .row { height: 1; }
    SuggestDialog Label { width: 12; color: $foreground 80%; }
    SuggestDialog Input { width: 1fr; }
    SuggestDialog #note { margin-bottom: 1; }
    """

    def __init__(self, wanted: WantedPairs) -> None:
        super().__init__()
        self.give(wanted)

    def give(self, wanted: WantedPairs) -> None:
        self._wanted = wanted

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content(NOTE), classes="note", id="note")
            for name, hint in FIELDS.items():
                with Horizontal(classes="row"):
                    yield Label(name)
                    number = "integer" if name in ("probes", "pairs") else "text"
                    yield Input(placeholder=hint, id=f"suggest-{name}", type=number)  # type: ignore[arg-type]
            yield Static(Content(""), classes="fault")
            with Horizontal(classes="buttons"):
                yield Button(Content("Begin"), id="begin", variant="primary", compact=True)
                yield Button(Content("Cancel"), id="cancel", compact=True)

    def fill(self) -> None:
        self.query_one("#box").border_title = Content("Suggest pairs")
        for name in FIELDS:
            self._field(name).value = safe_line(str(getattr(self._wanted, name)))
        self.query_one(".fault", Static).update("")
        self._field("probes").focus()

    def _field(self, name: str) -> Input:
        return self.query_one(f"#suggest-{name}", Input)

    def _whole(self, name: str) -> int:
        text = self._field(name).value
        if not text.isdecimal() or int(text) < 1:
            raise LabError(f"{name}: a whole number from 1")
        return int(text)

    def action_take(self) -> None:
        model = self._field("model").value.strip()
        try:
            if not model:
                raise LabError("model: which one answers?")
            wanted = WantedPairs(
                model,
                self._field("adapter").value.strip(),
                self._field("batteries").value.strip(),
                self._whole("probes"),
                self._whole("pairs"),
            )
        except LabError as error:
            self.query_one(".fault", Static).update(Content(str(error)))
        else:
            self.dismiss(wanted)

    @on(Input.Submitted)
    @on(Button.Pressed, "#begin")
    def _begin(self) -> None:
        self.action_take()

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)
