"""The window that writes an experiment down: its hypothesis first, then what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Label, Static

from lab.safetext import encodable, safe_line
from screens.dialogs import Dialog
from store.ids import new_id, utc_now
from store.records import ExperimentRecord

if TYPE_CHECKING:
    from store.queries.gates import Experiment

FIELDS = (
    ("name", "name", "a short name"),
    ("hypothesis", "hypothesis", "what will happen, and why"),
    ("verdict", "verdict", "what happened"),
    ("next_change", "next change", "what to change next"),
)


class ExperimentDialog(Dialog[ExperimentRecord]):
    """A new experiment, or a further entry of `experiment`; nothing that was written is overwritten."""

    BINDINGS: ClassVar[list[Any]] = [Binding("ctrl+s", "keep", "Keep", priority=True, show=False)]
    DEFAULT_CSS = """
    ExperimentDialog > Vertical { width: 84; }
    ExperimentDialog .row { height: 1; }
    ExperimentDialog Label { width: 13; color: $foreground 80%; }
    ExperimentDialog Input { width: 1fr; }
    """

    def __init__(self, experiment: Experiment | None = None) -> None:
        super().__init__()
        self._experiment = experiment

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content("A new experiment" if self._experiment is None else "What came of it")
            for name, label, hint in FIELDS:
                with Horizontal(classes="row"):
                    yield Label(label)
                    yield Input(self._known(name), id=name, placeholder=hint)
            note = "Every entry is kept; the newest of each line is what the experiment says now."
            yield Static(Content(note), classes="note")
            yield Static(classes="fault")
            with Horizontal(classes="buttons"):
                yield Button(Content("Keep"), id="keep", variant="primary", compact=True)
                yield Button(Content("Cancel"), id="cancel", compact=True)

    def on_mount(self) -> None:
        first = "hypothesis" if self._experiment is None else "verdict"
        self.query_one(f"#{first}", Input).focus()

    def _known(self, name: str) -> str:
        value = getattr(self._experiment, name) if self._experiment is not None else None
        return safe_line(value) if value else ""

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "keep":
            self.action_keep()
        else:
            self.dismiss(None)

    @on(Input.Submitted)
    def action_keep(self) -> None:
        """What is new or changed becomes an entry; one without a hypothesis is no experiment."""
        said: dict[str, Any] = {
            name: encodable(text)
            for name, _, _ in FIELDS
            if (text := self.query_one(f"#{name}", Input).value.strip()) and text != self._known(name)
        }
        if self._experiment is None and "hypothesis" not in said:
            self.query_one(".fault", Static).update(Content("A hypothesis is missing: what will happen?"))
            return
        if not said:
            self.dismiss(None)
            return
        identity = new_id()
        experiment_id = identity if self._experiment is None else self._experiment.id
        self.dismiss(ExperimentRecord(id=identity, experiment_id=experiment_id, at=utc_now(), **said))
