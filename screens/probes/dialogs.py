"""The Probes screen's windows: the conditions of a run, and the form of a probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Label, RadioButton, RadioSet, SelectionList, Static
from textual.widgets.selection_list import Selection

from lab.decode.types import Sampling
from lab.errors import LabError
from lab.safetext import safe_line
from screens.dialogs import Dialog
from screens.formats import plural
from screens.probes.plan import RunPlan
from screens.widgets.prompt_box import SafeTextArea

if TYPE_CHECKING:
    from lab.kernels import Kernel
    from store.records import ProbeRecord

GREATEST_BATCH = 64
GREATEST_SEEDS = 100
FORM_FIELDS = {"battery": "", "id": "", "domain": "", "subjects": "what it is about; commas"}


class RunDialog(Dialog[RunPlan]):
    """Under which conditions to run; says how many answers that makes before it is started."""

    BINDINGS: ClassVar[list[Any]] = [Binding("ctrl+s", "take", "Run", priority=True, show=False)]
    DEFAULT_CSS = """
    RunDialog > Vertical { width: 72; }
    RunDialog SelectionList { max-height: 6; }
    RunDialog .heading { color: $muted; margin-top: 1; }
    RunDialog #first { margin-top: 0; }
    RunDialog .row { height: 1; }
    RunDialog Label { width: 24; color: $foreground 80%; }
    RunDialog Input { width: 12; }
    RunDialog .sum { width: 1fr; color: $primary; }
    RunDialog.-short > Vertical { padding: 0 2; max-height: 100%; }
    RunDialog.-short .heading { margin-top: 0; }
    """

    def __init__(
        self, n_probes: int, kernels: Sequence[Kernel], presets: Mapping[str, Sampling], seed: int = 0
    ) -> None:
        super().__init__()
        self.give(n_probes, kernels, presets, seed)

    def give(
        self, n_probes: int, kernels: Sequence[Kernel], presets: Mapping[str, Sampling], seed: int = 0
    ) -> None:
        self._n_probes = n_probes
        self._kernels: dict[str, Kernel | None] = {"": None, **{kernel.name: kernel for kernel in kernels}}
        self._presets = presets
        self._seed = seed

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content("Conditions"), classes="heading", id="first")
            yield SelectionList[str](
                *(
                    Selection(Content(safe_line(name) or "baseline (no kernel)"), name, True)
                    for name in self._kernels
                ),
                compact=True,
            )
            yield Static(Content("Sampling"), classes="heading")
            with RadioSet(compact=True):
                for number, (name, sampling) in enumerate(self._presets.items()):
                    yield RadioButton(Content(_preset_words(name, sampling)), value=number == 0, name=name)
            yield Static(Content("Size"), classes="heading")
            yield from self._row("answers per condition", "n-seeds", "1")
            yield from self._row("first seed", "first-seed", "0")
            yield from self._row("answers at once (batch)", "batch", "8")
            with Horizontal(classes="buttons"):
                yield Static(Content(""), classes="sum")
                yield Button(Content("Run"), id="run", variant="primary", compact=True)
                yield Button(Content("Cancel"), id="cancel", compact=True)

    def _row(self, label: str, field_id: str, value: str) -> ComposeResult:
        with Horizontal(classes="row"):
            yield Label(label)
            yield Input(value, id=field_id, type="integer")

    def fill(self) -> None:
        """The number of probes and the seed are of this time; the rest stays as it was last chosen."""
        self.query_one("#box").border_title = Content(f"Run {plural(self._n_probes, 'probe')}")
        self.query_one("#first-seed", Input).value = str(self._seed)
        self._sum_up()

    @on(SelectionList.SelectedChanged)
    @on(Input.Changed)
    @on(RadioSet.Changed)
    def _sum_up(self) -> None:
        try:
            plan = self._plan()
        except LabError as error:
            text = str(error)
        else:
            total = plan.n_answers(self._n_probes)
            text = (
                f"{plural(self._n_probes, 'probe')} × {plural(len(plan.kernels), 'condition')} × "
                f"{plural(plan.n_seeds, 'seed')} = {plural(total, 'answer')}"
            )
        self.query_one(".sum", Static).update(Content(text))

    def _plan(self) -> RunPlan:
        chosen: list[str] = self.query_one(SelectionList[Any]).selected
        if not chosen:
            raise LabError("choose at least one condition (Space)")
        pressed = self.query_one(RadioSet).pressed_button
        return RunPlan(
            kernels=tuple(kernel for name, kernel in self._kernels.items() if name in chosen),
            sampling=self._presets[pressed.name or ""] if pressed else Sampling(),
            batch_size=self._whole("batch", 1, GREATEST_BATCH),
            n_seeds=self._whole("n-seeds", 1, GREATEST_SEEDS),
            first_seed=self._whole("first-seed", 0, 2**31 - 1),
        )

    def _whole(self, field_id: str, low: int, high: int) -> int:
        text = self.query_one(f"#{field_id}", Input).value
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise LabError(f"{field_id.replace('-', ' ')}: a whole number from {low} to {high:,}")
        return value

    def action_take(self) -> None:
        try:
            self.dismiss(self._plan())
        except LabError:
            self.app.bell()

    @on(Input.Submitted)
    @on(Button.Pressed, "#run")
    def _run(self) -> None:
        self.action_take()

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)


def _preset_words(name: str, sampling: Sampling) -> str:
    if sampling.temperature == 0:
        return f"{name} · greedy, up to {sampling.max_tokens} tokens"
    return (
        f"{name} · T {sampling.temperature:g}, top-p {sampling.top_p:g}, up to {sampling.max_tokens} tokens"
    )


class ProbeForm(Dialog["ProbeRecord"]):
    """A probe as a form. Editing makes a new revision under the same id; the answers to older ones stay."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("ctrl+s", "take", "Save", priority=True, show=False),
        Binding("ctrl+e", "editor", "Editor", priority=True, show=False),
    ]
    DEFAULT_CSS = """
    ProbeForm > Vertical { width: 90; }
    ProbeForm .row { height: 1; margin-bottom: 1; }
    ProbeForm Label { width: 12; color: $foreground 80%; }
    ProbeForm Input { width: 1fr; }
    ProbeForm Input:disabled { color: $muted; }
    ProbeForm TextArea { height: 10; border: none; background: $foreground 8%; padding: 0 1; }
    ProbeForm TextArea:focus { border: none; background: $foreground 12%; }
    """

    def __init__(self, probe: ProbeRecord | None, battery: str) -> None:
        super().__init__()
        self.give(probe, battery)

    def give(self, probe: ProbeRecord | None, battery: str) -> None:
        self._probe, self._battery = probe, battery

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            for name, hint in FORM_FIELDS.items():
                with Horizontal(classes="row"):
                    yield Label(name)
                    yield Input(placeholder=hint, id=f"field-{name}")
            yield SafeTextArea(compact=True, soft_wrap=True, tab_behavior="focus")
            yield Static(Content(""), classes="fault")
            with Horizontal(classes="buttons"):
                yield Static(Content("Ctrl+S saves · Ctrl+E your editor · Escape leaves it"), classes="note")
                yield Button(Content("Save"), id="save", variant="primary", compact=True)
                yield Button(Content("Cancel"), id="cancel", compact=True)

    def fill(self) -> None:
        probe = self._probe
        self.query_one("#box").border_title = Content("Edit the probe" if probe else "A new probe")
        values = {"battery": self._battery, "id": "", "domain": "", "subjects": ""}
        if probe is not None:
            values = {"battery": probe.battery, "id": probe.id, "domain": probe.domain}
            values["subjects"] = ", ".join(probe.subjects)
        for name, value in values.items():
            box = self.query_one(f"#field-{name}", Input)
            box.value = safe_line(value)
            box.disabled = probe is not None and name in ("battery", "id")
        self.query_one(SafeTextArea).put(probe.prompt if probe else "")
        self.query_one(".fault", Static).update("")

    def action_editor(self) -> None:
        """The prompt in the person's own editor; the lab steps back meanwhile and the engine goes on."""
        from lab.editor import edit_text

        box = self.query_one(SafeTextArea)
        try:
            with self.app.suspend():
                text = edit_text(box.raw_text)
        except (LabError, SuspendNotSupported) as error:
            self.query_one(".fault", Static).update(Content(safe_line(str(error))))
        else:
            box.put(text.removesuffix("\n"))
        self.refresh(layout=True)

    def action_take(self) -> None:
        """Save if the probe is good; else say which field is not."""
        from lab.probes import edited, make

        fields: dict[str, Any] = {
            name: self.query_one(f"#field-{name}", Input).value for name in ("battery", "id", "domain")
        }
        subjects = self.query_one("#field-subjects", Input).value
        fields["subjects"] = [part.strip() for part in subjects.split(",") if part.strip()]
        fields["prompt"] = self.query_one(SafeTextArea).raw_text
        try:
            if self._probe is None:
                self.dismiss(make(fields, battery=self._battery, origin="user"))
            else:
                self.dismiss(edited(self._probe, **fields))
        except LabError as error:
            self.query_one(".fault", Static).update(Content(str(error)))

    @on(Button.Pressed, "#save")
    def _save(self) -> None:
        self.action_take()

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)
