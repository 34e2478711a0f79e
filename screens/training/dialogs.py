"""The Train screen's windows: stop a run, change a setting of it, start one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widgets import Button, Input, Label, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import WorkType

from lab.errors import LabError
from lab.safetext import safe_line, safe_text
from lab.train.control import Command, parse_set
from lab.train.outlook import Earlier, Outlook, outlook
from screens.dialogs import ConfirmDialog, Dialog
from screens.formats import clock, compact_number, plural, share, size
from screens.training.start import Wanted, settings_of

if TYPE_CHECKING:
    from store.home import Home

LOOK_AFTER_S = 0.3


class StopDialog(ConfirmDialog):
    """Whether a run is to be stopped."""

    BINDINGS: ClassVar[list[Any]] = [Binding("t,y", "confirm", "Stop", show=False)]

    def __init__(self, name: str, step: int) -> None:
        text = f"{safe_line(name)} stops after step {step:,} with everything saved; C goes on with it later."
        super().__init__("Stop the run?", text, "Stop it", "Let it run")


class RollBackDialog(ConfirmDialog):
    """Whether what stood before a run is to stand there again."""

    BINDINGS: ClassVar[list[Any]] = [Binding("z,y", "confirm", "Roll back", show=False)]

    def __init__(self, name: str) -> None:
        text = (
            f"The adapter of before {safe_line(name)} takes the place of the run's own, which stays among "
            "its checkpoints."
        )
        super().__init__("Roll the run back?", text, "Roll back", "Leave it")


class ChangeDialog(Dialog[Command]):
    """A key of the run and its new value; takes effect with the next step."""

    DEFAULT_CSS = """
    ChangeDialog OptionList { height: auto; max-height: 9; border: none; padding: 0; margin-bottom: 1; }
    """

    def __init__(self, keys: Sequence[tuple[str, str, str]]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        widest = max((len(key) for key, _, _ in self._keys), default=0)
        with Vertical() as box:
            box.border_title = Content("Change a setting")
            yield OptionList(
                *(
                    Option(
                        Content(f"{safe_line(key):<{widest}}  ") + Content.styled(safe_line(value), "$muted"),
                        id=str(n),
                    )
                    for n, (key, value, _) in enumerate(self._keys)
                ),
                compact=True,
            )
            # What is filled in stays when the line gets the focus.
            yield Input(placeholder="learning_rate=2e-5", select_on_focus=False)
            yield Static(Content("Enter on a key takes it; Enter in the line sends it."), classes="note")
            yield Static(classes="fault")

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        box = self.query_one(Input)
        box.value = self._keys[event.option_index][2]
        box.focus()
        box.cursor_position = len(box.value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        try:
            self.dismiss(parse_set(event.value))
        except LabError as error:
            self.query_one(".fault", Static).update(Content(safe_text(str(error))))


class StartDialog(Dialog[Outlook]):
    """A run before it starts: what it is made of, how hard it would press, what speaks against it."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("ctrl+s", "take", "Start", priority=True, show=False),
        Binding("ctrl+k", "check", "Look closer", priority=True, show=False),
    ]
    DEFAULT_CSS = """
    StartDialog > Vertical { width: 84; }
    StartDialog .row { height: 1; }
    StartDialog Label { width: 11; color: $foreground 80%; }
    StartDialog Input { width: 1fr; }
    StartDialog VerticalScroll { height: auto; max-height: 14; margin-top: 1; }
    StartDialog.-short > Vertical { padding: 0 2; max-height: 100%; }
    StartDialog.-short VerticalScroll { max-height: 9; }
    """

    def __init__(
        self,
        wanted: Wanted,
        recipes: Sequence[str],
        earlier: Mapping[str, Sequence[Earlier]],
        home: Home,
        on_gpu: bool = False,
    ) -> None:
        super().__init__()
        self._wanted, self._recipes, self._earlier = wanted, recipes, earlier
        self._home, self._float_bytes = home, 2 if on_gpu else 4
        self._outlook: Outlook | None = None
        self._looked_at: Wanted | None = None

    def compose(self) -> ComposeResult:
        wanted = self._wanted
        with Vertical() as box:
            box.border_title = Content("Start a run")
            suggester = SuggestFromList(self._recipes)
            yield from self._row("recipe", "recipe", wanted.recipe, ", ".join(self._recipes), suggester)
            yield from self._row("data", "data", wanted.data, "a directory with train.jsonl and valid.jsonl")
            yield from self._row("model", "model", wanted.model, "wick, a folder or a hub id")
            yield from self._row("name", "name", wanted.name, "what to call it")
            yield from self._row("changes", "changes", wanted.changes, "batch_size=8 learning_rate=1e-4 …")
            with VerticalScroll(can_focus=False):
                yield Static(id="figures")
                yield Static(classes="fault")
            with Horizontal(classes="buttons"):
                yield Button(Content("Look closer"), id="check", compact=True, disabled=True)
                yield Button(Content("Start"), id="start", variant="primary", compact=True, disabled=True)
                yield Button(Content("Cancel"), id="cancel", compact=True)

    def _row(
        self, label: str, field_id: str, value: str, hint: str, suggester: SuggestFromList | None = None
    ) -> ComposeResult:
        with Horizontal(classes="row"):
            yield Label(label)
            yield Input(safe_line(value), id=field_id, placeholder=hint, suggester=suggester)

    def on_mount(self) -> None:
        empty = next((box for box in self.query(Input) if not box.value), None)
        if empty is not None:
            empty.focus()
        self._look()

    @property
    def wanted(self) -> Wanted:
        fields = ("recipe", "data", "model", "name", "changes")
        return Wanted(*(self.query_one(f"#{name}", Input).value.strip() for name in fields))

    @on(Input.Changed)
    def _look(self) -> None:
        self._outlook = None
        self._enable(False)
        self._work(self._look_soon)

    def _enable(self, enabled: bool) -> None:
        for name in ("#start", "#check"):
            self.query_one(name, Button).disabled = not enabled

    def _work(self, work: WorkType[None]) -> None:
        self.run_worker(work, exclusive=True, exit_on_error=False)

    async def _look_soon(self) -> None:
        await asyncio.sleep(LOOK_AFTER_S)
        await self._see()

    async def _see(self) -> None:
        wanted, fault, text = self.wanted, "", Content("")
        try:
            made = await asyncio.to_thread(self._outlook_of, wanted)
        except LabError as error:
            self._outlook, fault = None, str(error)
        else:
            self._outlook, text = made, figures(made)
        self._looked_at = wanted
        self.query_one("#figures", Static).update(text)
        self.query_one(".fault", Static).update(Content(safe_text(fault)))
        self._enable(self._outlook is not None)

    def _outlook_of(self, wanted: Wanted) -> Outlook:
        settings = settings_of(wanted)
        return outlook(settings, self._earlier.get(settings.model, ()), float_bytes=self._float_bytes)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "start":
            self.action_take()
        elif event.button.id == "check":
            self.action_check()
        else:
            self.dismiss(None)

    @on(Input.Submitted)
    def action_take(self) -> None:
        """Start, where what is written has been looked at and is in order; otherwise look first."""
        if self._outlook is not None and self._looked_at == self.wanted:
            self.dismiss(self._outlook)
        else:
            self._work(self._see)

    def action_check(self) -> None:
        """Load the model and look at real rows; from there the run can be started too."""
        made = self._outlook
        if made is None or self._looked_at != self.wanted:
            return
        from screens.training.check_dialog import CheckDialog

        def seen(start: bool | None) -> None:
            if start:
                self.dismiss(made)

        self.app.push_screen(CheckDialog(self._home, made.settings), seen)


def figures(made: Outlook) -> Content:
    """What the run would do, and warnings below."""
    pressure, settings = made.pressure, made.settings
    lines = [
        _figure("data", f"{plural(made.examples, 'example')}, {made.held_out:,} held out"),
        _figure(
            "updates",
            f"{made.steps:,} of {settings.batch_size} × {settings.grad_accumulation_steps} rows: "
            f"{pressure.examples_seen:,} rows seen, {pressure.data_share:.2g} × the data",
        ),
        _figure("layers", _layers(made)),
        _figure(
            "lr × updates",
            f"{compact_number(pressure.learning_rate)} mean × {made.steps:,} = "
            f"{compact_number(pressure.lr_updates)}",
        ),
        _figure("pressure", f"{compact_number(pressure.pressure)}  lr × examples × share of layers"),
    ]
    if made.memory is not None:
        memory = made.memory
        lines.append(
            _figure(
                "memory",
                f"about {size(memory.total)} (model {size(memory.weights)}, "
                f"activations {size(memory.activations)})",
            )
        )
    if made.seconds is not None:
        lines.append(_figure("time", f"about {clock(made.seconds)}, by an earlier run's updates"))
    lines += [
        Content.styled(f"▲ {safe_line(warning)}", "$warning")
        for warning in made.data_warnings + made.pressure_warnings
    ]
    return Content("\n").join(lines)


def _layers(made: Outlook) -> str:
    kind = made.settings.fine_tune_type
    if made.layers is None:
        return f"{kind}; the model is not on this disk, so its layers are not known: all are assumed"
    trained, total = made.layers
    rank = "" if kind == "full" else f", rank {made.settings.lora_parameters.rank}"
    return f"{trained} of {total} ({share(trained / total)}), {kind}{rank}"


def _figure(label: str, text: str) -> Content:
    return Content.assemble((f"{label:<13}", "$muted"), safe_line(text))
