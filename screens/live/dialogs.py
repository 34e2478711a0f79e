"""Live's windows: sampling settings, and the choice of another token to go on from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from lab.decode.types import Alternative, Sampling, TokenStat
from screens.dialogs import Dialog
from screens.formats import nats, probability
from screens.live.setup import GREATEST_TEMPERATURE
from screens.live.token_panel import visible
from screens.widgets.bars import bar_content


class _Field:
    """A setting: its label, what may be typed, and the rule in words."""

    def __init__(self, label: str, whole: bool, low: float, high: float, rule: str) -> None:
        self.label, self.whole, self.low, self.high, self.rule = label, whole, low, high, rule

    def parse(self, text: str) -> float:
        """The number typed. Raises ValueError with the rule when it is none or out of range."""
        try:
            value = int(text) if self.whole else float(text)
        except ValueError:
            raise ValueError(f"{self.label}: {self.rule}") from None
        if not (math.isfinite(value) and self.low <= value <= self.high):
            raise ValueError(f"{self.label}: {self.rule}")
        return value


FIELDS: Mapping[str, _Field] = {
    "temperature": _Field("temperature", False, 0, GREATEST_TEMPERATURE, "0 (greedy) to 2"),
    "top_p": _Field("top-p", False, 0.01, 1, "0.01 to 1 (off)"),
    "top_k": _Field("top-k", True, 0, 1_000_000, "a whole number, 0 is off"),
    "min_p": _Field("min-p", False, 0, 0.99, "0 (off) to 0.99"),
    "max_tokens": _Field("most tokens", True, 1, 8192, "1 to 8192"),
    "seed": _Field("seed", True, 0, 2**31 - 1, "a whole number from 0"),
}


class SamplingDialog(Dialog[tuple[Sampling, int]]):
    """The sampling settings as fields, filled from a preset at a click."""

    AUTO_FOCUS: ClassVar[str | None] = "#temperature"
    BINDINGS: ClassVar[list[Any]] = [Binding("ctrl+s", "take", "Take", priority=True, show=False)]
    DEFAULT_CSS = """
    SamplingDialog > Vertical { width: 58; }
    SamplingDialog .row { height: 1; }
    SamplingDialog Label { width: 14; color: $foreground 80%; }
    SamplingDialog Input { width: 12; }
    SamplingDialog .rule { width: 1fr; padding-left: 2; color: $muted; }
    SamplingDialog .presets { height: 1; margin-bottom: 1; }
    SamplingDialog .presets Button { min-width: 4; margin: 0 1 0 0; }
    """

    def __init__(self, sampling: Sampling, seed: int, presets: Mapping[str, Sampling]) -> None:
        super().__init__()
        self.give(sampling, seed, presets)

    def give(self, sampling: Sampling, seed: int, presets: Mapping[str, Sampling]) -> None:
        self._sampling, self._seed, self._presets = sampling, seed, presets

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content("Sampling")
            with Horizontal(classes="presets"):
                for name in self._presets:
                    yield Button(Content(name), name=name, classes="preset", compact=True)
            for key, field in FIELDS.items():
                with Horizontal(classes="row"):
                    yield Label(field.label)
                    yield Input(id=key)
                    yield Static(Content(field.rule), classes="rule")
            yield Static(Content(""), classes="fault")
            with Horizontal(classes="buttons"):
                yield Button(Content("Use"), id="use", variant="primary", compact=True)
                yield Button(Content("Cancel"), id="cancel", compact=True)

    def fill(self) -> None:
        for key in FIELDS:
            value = self._seed if key == "seed" else getattr(self._sampling, key)
            self.query_one(f"#{key}", Input).value = f"{value:g}" if isinstance(value, float) else str(value)
        self.query_one(".fault", Static).update("")

    def action_take(self) -> None:
        """Take the settings if every field is good; else say which is not."""
        values: dict[str, float] = {}
        for key, field in FIELDS.items():
            box = self.query_one(f"#{key}", Input)
            try:
                values[key] = field.parse(box.value.strip())
            except ValueError as error:
                self.query_one(".fault", Static).update(Content(str(error)))
                box.focus()
                return
        seed = int(values.pop("seed"))
        whole = {key: int(values[key]) for key in ("top_k", "max_tokens")}
        real = {key: float(values[key]) for key in ("temperature", "top_p", "min_p")}
        self.dismiss((Sampling(**real, **whole), seed))  # type: ignore[arg-type]

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.action_take()

    @on(Button.Pressed, ".preset")
    def _preset(self, event: Button.Pressed) -> None:
        preset = self._presets[event.button.name or ""]
        for key in FIELDS:
            if key != "seed":
                self.query_one(f"#{key}", Input).value = f"{getattr(preset, key):g}"

    @on(Button.Pressed, "#use")
    def _use(self) -> None:
        self.action_take()

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)


class BranchDialog(Dialog[Alternative]):
    """The alternatives of one token; the chosen one begins the branch."""

    DEFAULT_CSS = """
    BranchDialog OptionList { height: auto; max-height: 12; border: none; background: $surface; padding: 0; }
    """

    def __init__(self, token: TokenStat | None) -> None:
        super().__init__()
        self.give(token)

    def give(self, token: TokenStat | None) -> None:
        self._token = token
        others = token.alternatives if token else ()
        self._options = [item for item in others if token and item.token_id != token.token_id]

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(id="token", classes="note")
            yield OptionList(compact=True)
            yield Static(Content("A number or Enter branches · Escape leaves it"), classes="note")

    def fill(self) -> None:
        if self._token is None:
            return
        self.query_one("#box").border_title = Content(f"Branch at token {self._token.index + 1}")
        token = f"“{visible(self._token.text, 20)}” (H_t {nats(self._token.entropy_nats)} nats)"
        self.query_one("#token", Static).update(Content(f"Instead of {token} go on with"))
        rows = self.query_one(OptionList)
        rows.set_options(self._option(n, item) for n, item in enumerate(self._options, start=1))
        rows.highlighted = 0 if self._options else None

    def _option(self, number: int, alternative: Alternative) -> Option:
        return Option(
            Content.assemble(
                (f"{number}  ", "$muted"),
                (probability(alternative.p), "bold"),
                "  ",
                bar_content(alternative.p, 1.0, 16, "$secondary"),
                "  ",
                visible(alternative.text, 20),
            )
        )

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._options[event.option_index])

    def on_key(self, event: events.Key) -> None:
        if event.character and event.character.isdigit() and 1 <= int(event.character) <= len(self._options):
            event.stop()
            self.dismiss(self._options[int(event.character) - 1])
