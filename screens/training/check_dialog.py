"""The window that looks at a run before it starts: real rows, what is only read dimmed; a measured step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Static

from lab.errors import LabError
from lab.safetext import safe_line, safe_text
from lab.train.check import shortened
from screens.dialogs import Dialog
from screens.formats import clock, plural, rate, share, size
from screens.training.start import look_closely

if TYPE_CHECKING:
    from lab.train.check import Check, ShownRow
    from lab.train.settings import TrainSettings
    from store.home import Home

ROW_CHARACTERS = 4000


class CheckDialog(Dialog[bool]):
    """A real batch and a measured step; True starts the run."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("ctrl+s", "start", "Start", priority=True, show=False),
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False),
    ]
    DEFAULT_CSS = """
    CheckDialog > Vertical { width: 100; height: 96%; max-height: 96%; padding: 0 2; }
    CheckDialog VerticalScroll { height: 1fr; scrollbar-size-vertical: 1; }
    CheckDialog #seen, CheckDialog #rows { height: auto; }
    CheckDialog #rows { margin-top: 1; }
    CheckDialog .buttons { margin-top: 0; }
    """

    def __init__(self, home: Home, settings: TrainSettings) -> None:
        super().__init__()
        self._home, self._settings = home, settings

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content(f"A look at {safe_line(self._settings.name)}")
            with VerticalScroll(can_focus=False):
                yield Static(Content("Loading the model, reading the data, measuring one step …"), id="seen")
                yield Static(classes="fault")
                yield Static(id="rows")
            with Horizontal(classes="buttons"):
                yield Button(Content("Start"), id="start", variant="primary", compact=True, disabled=True)
                yield Button(Content("Back"), id="cancel", compact=True)

    def on_mount(self) -> None:
        self.run_worker(self._look(), exclusive=True, exit_on_error=False)

    async def _look(self) -> None:
        try:
            seen = await look_closely(self._home, self._settings)
        except LabError as error:
            self.query_one("#seen", Static).update(Content("The run could not start as it is:"))
            self.query_one(".fault", Static).update(Content(safe_text(str(error))))
            return
        self.query_one("#seen", Static).update(figures(seen))
        self.query_one("#rows", Static).update(rows(seen))
        start = self.query_one("#start", Button)
        start.disabled = False
        start.focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "start")

    def action_start(self) -> None:
        if not self.query_one("#start", Button).disabled:
            self.dismiss(True)

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_page(self, pages: int) -> None:
        scroll = self.query_one(VerticalScroll)
        scroll.scroll_relative(y=pages * max(1, scroll.size.height - 1), animate=False)


def figures(seen: Check) -> Content:
    """What was counted and measured, and what speaks against the run."""
    measured = seen.measured
    lines = [
        _figure(
            "data",
            f"{plural(seen.examples, 'example')}, {seen.held_out:,} held out, {seen.replay:,} replay; "
            f"{share(seen.padded_share)} padding",
        ),
        _figure("learned", f"{seen.tokens:,} tokens in {plural(seen.steps, 'update')}"),
        _figure("trainable", f"{seen.trainable_parameters:,} weights"),
        _figure(
            "measured",
            f"{measured.step_ms:,.0f} ms for the largest batch ({measured.batch_tokens:,} tokens), "
            f"{rate(measured.tokens_per_second)}",
        ),
        _figure("memory", f"{size(measured.peak_memory_bytes)} at the peak"),
        _figure("time", f"about {clock(measured.run_seconds)}, evaluations not counted"),
    ]
    lines += [Content.styled(f"▲ {safe_line(notice)}", "$warning") for notice in seen.notices]
    lines += [Content.styled(f"▲ gives away: {safe_line(line)}", "$warning") for line in seen.overlaps]
    return Content("\n").join(lines)


def rows(seen: Check) -> Content:
    """The first batch, row by row."""
    head = Content.styled("The first batch: what is dim is only read, the rest is learned.", "$muted")
    return Content("\n\n").join([head, *(_row(row) for row in seen.batch)])


def _row(row: ShownRow) -> Content:
    said = Content.styled(row.title, "bold $primary")
    pieces = [
        Content.styled(
            safe_text(shortened(piece.text, ROW_CHARACTERS)), "" if piece.learned else "$muted italic"
        )
        for piece in row.pieces
    ]
    return Content.assemble(said, "\n", *pieces)


def _figure(label: str, text: str) -> Content:
    return Content.assemble((f"{label:<11}", "$muted"), safe_line(text))
