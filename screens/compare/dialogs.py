"""The window that begins a comparison: two sides, what is asked of them, and by what they are judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widgets import Button, Input, Label, RadioButton, RadioSet, Static

from lab.compare.sides import Side, parse, words
from lab.errors import LabError
from lab.safetext import safe_line
from screens.dialogs import Dialog

GREATEST_SAMPLES = 100
Asked = Literal["battery", "chosen", "prompt"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the window was filled with. `battery` may name one domain: "core/Identity"."""

    left: Side
    right: Side
    asked: Asked
    battery: str
    prompt: str
    instrument: str
    samples: int
    seed: int


class CompareDialog(Dialog[Wanted]):
    """Two sides, written as on the command line, the probes, and the instrument that judges."""

    AUTO_FOCUS: ClassVar[str | None] = "#right"
    BINDINGS: ClassVar[list[Any]] = [Binding("ctrl+s", "take", "Compare", priority=True, show=False)]
    DEFAULT_CSS = """
    CompareDialog > Vertical { width: 78; }
    CompareDialog .row { height: 1; }
    CompareDialog Label { width: 12; color: $foreground 80%; }
    CompareDialog Input { width: 1fr; }
    CompareDialog .small { width: 8; }
    CompareDialog .wider { width: 14; }
    CompareDialog .says { color: $secondary; padding-left: 12; height: 1; }
    CompareDialog .buttons .note { width: 1fr; }
    CompareDialog .heading { color: $muted; margin-top: 1; }
    CompareDialog.-short > Vertical { padding: 0 2; max-height: 100%; }
    CompareDialog.-short .heading { margin-top: 0; }
    """

    def __init__(
        self,
        base: Side,
        base_name: str,
        suggestions: Sequence[str],
        batteries: Sequence[str],
        n_chosen: int,
        instruments: Sequence[str],
        battery: str,
        right: str = "",
    ) -> None:
        super().__init__()
        self._base, self._base_name = base, base_name
        self._suggestions, self._batteries = suggestions, batteries
        self._n_chosen, self._instruments = n_chosen, instruments
        self._battery, self._right = battery, right

    def compose(self) -> ComposeResult:
        sides = SuggestFromList([safe_line(text) for text in self._suggestions])
        with Vertical() as box:
            box.border_title = Content("Compare")
            note = "Sides: base, or changes to it: kernel=lantern, adapter=PATH, preset=greedy, model=PATH"
            yield Static(Content(note), classes="note")
            yield from self._row("left", Input("base", id="left", suggester=sides))
            yield Static(id="left-says", classes="says")
            yield from self._row("right", Input(safe_line(self._right), id="right", suggester=sides))
            yield Static(id="right-says", classes="says")
            yield Static(Content("Probes"), classes="heading")
            with RadioSet(compact=True):
                yield RadioButton(
                    Content("a battery (or one domain of it: core/Identity)"),
                    value=not self._n_chosen,
                    name="battery",
                )
                chosen = f"the probes selected on Probes: {self._n_chosen or 'none'}"
                yield RadioButton(
                    Content(chosen), value=bool(self._n_chosen), name="chosen", disabled=not self._n_chosen
                )
                yield RadioButton(Content("a prompt of your own"), name="prompt")
            batteries = SuggestFromList([safe_line(name) for name in self._batteries])
            yield from self._row(
                "battery", Input(safe_line(self._battery), id="battery", suggester=batteries)
            )
            yield from self._row("prompt", Input("", id="prompt", placeholder="what both sides are asked"))
            yield Static(Content("Judged"), classes="heading")
            names = SuggestFromList(self._instruments)
            yield from self._row("instrument", Input(self._instruments[0], id="instrument", suggester=names))
            with Horizontal(classes="row"):
                yield Label("samples")
                yield Input("1", id="samples", classes="small")
                yield Label("  first seed", classes="wider")
                yield Input("0", id="seed", classes="small")
            yield Static(Content(""), classes="fault")
            with Horizontal(classes="buttons"):
                yield Static(Content("→ completes · Ctrl+S begins"), classes="note")
                yield Button(Content("Compare"), id="compare", variant="primary", compact=True)
                yield Button(Content("Cancel"), id="cancel", compact=True)

    def _row(self, label: str, field: Input) -> ComposeResult:
        with Horizontal(classes="row"):
            yield Label(label)
            yield field

    def on_mount(self) -> None:
        self._say("left")
        self._say("right")

    @on(Input.Changed, "#left")
    @on(Input.Changed, "#right")
    def _side_changed(self, event: Input.Changed) -> None:
        self._say(event.input.id or "left")

    def _say(self, name: str) -> None:
        """Under each side, what it is, or what is wrong with it."""
        line = self.query_one(f"#{name}-says", Static)
        try:
            side = self._side(name)
        except LabError as error:
            line.update(Content.styled(safe_line(str(error)), "$warning"))
        else:
            adapter = side.adapter.rsplit("/", 1)[-1] if side.adapter else None
            model = self._base_name if side.model == self._base.model else side.model
            line.update(Content(safe_line(words(side, model, adapter))))

    def _side(self, name: str) -> Side:
        text = self.query_one(f"#{name}", Input).value.strip()
        if not text:
            raise LabError("what is it? For example kernel=lantern")
        return parse([text], self._base)

    def _asked(self) -> Asked:
        pressed = self.query_one(RadioSet).pressed_button
        return pressed.name if pressed else "battery"  # type: ignore[return-value]

    def wanted(self) -> Wanted:
        """What the fields say. Raises LabError naming the one at fault."""
        asked = self._asked()
        prompt, battery = (self.query_one(f"#{name}", Input).value.strip() for name in ("prompt", "battery"))
        if asked == "prompt" and not prompt:
            raise LabError("prompt: write what both sides are to be asked")
        if asked == "battery" and battery.partition("/")[0] not in self._batteries:
            raise LabError(f"battery: there is no {battery!r}; there are {', '.join(self._batteries)}")
        instrument = self.query_one("#instrument", Input).value.strip()
        if instrument not in self._instruments:
            raise LabError(
                f"instrument: there is no {instrument!r}; there are {', '.join(self._instruments)}"
            )
        return Wanted(
            left=self._side("left"),
            right=self._side("right"),
            asked=asked,
            battery=battery,
            prompt=prompt,
            instrument=instrument,
            samples=self._whole("samples", 1, GREATEST_SAMPLES),
            seed=self._whole("seed", 0, 2**31 - 1),
        )

    def _whole(self, name: str, low: int, high: int) -> int:
        text = self.query_one(f"#{name}", Input).value
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise LabError(f"{name}: a whole number from {low} to {high:,}")
        return value

    def action_take(self) -> None:
        try:
            self.dismiss(self.wanted())
        except LabError as error:
            self.query_one(".fault", Static).update(Content(safe_line(str(error))))

    @on(Input.Submitted)
    @on(Button.Pressed, "#compare")
    def _compare(self) -> None:
        self.action_take()

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)
