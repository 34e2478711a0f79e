"""The frame around every screen: tabs above, status and keys below, and the clock for drawing panes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.dom import DOMNode
from textual.style import Style
from textual.widget import Widget

from lab.safetext import safe_line
from screens import formats
from screens.actions import ACTIONS, SCREENS, Action
from screens.quiet import QuietScreen
from screens.widgets.bars import bar_content

if TYPE_CHECKING:
    from screens.app import LanternApp
    from screens.workbench import Answer, Job

TICK_S = 1 / 20
STATUS_EVERY = 5
SEPARATOR = "   "
PANE_SCOPES = ("list", "tape", "pair", "text")


class ActionBar(Widget):
    """A line of actions; a click does the one under the mouse."""

    async def on_click(self, event: events.Click) -> None:
        if action_id := event.style.meta.get("do"):
            await self.app.run_action(f"app.do('{action_id}')")


class TopBar(ActionBar):
    """The lab's name and a tab for each screen."""

    DEFAULT_CSS = """
    TopBar {
        dock: top; height: 1; background: $panel; padding: 0 1;
    }
    """

    def __init__(self, current: str) -> None:
        super().__init__()
        self._current = current

    def render(self) -> Content:
        tabs: list[Content] = []
        for spec in SCREENS:
            chosen = spec.id == self._current
            taken = spec.key in cast("LabScreen", self.screen).taken_digits
            style = "bold $background on $primary" if chosen else "$foreground 75%"
            tab = Content.styled(f" {'⎋' if taken else ''}{spec.key} {spec.title} ", style)
            tabs += [tab.stylize(_click(f"app.show-{spec.id}")), Content(" ")]
        name = Content.styled("◈ Lantern Lab", "bold $primary") + Content("   ")
        left = Content("").join([name, *tabs])
        if left.cell_length > self.size.width + 1:
            left = Content("").join([Content.styled("◈ ", "bold $primary"), *tabs])
        right = Content.assemble(("F1", "$primary"), (" help  ", "$muted"), ("^P", "$primary"))
        right += Content.styled(" palette", "$muted")
        gap = self.size.width - left.cell_length - right.cell_length
        return left if gap < 1 else left + Content(" " * gap) + right


class StatusLine(Widget):
    """Model, engine, device, store and memory at the left; the work under way at the right."""

    DEFAULT_CSS = """
    StatusLine { height: 1; background: $surface; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._left: tuple[tuple[str, str], ...] = ()
        self._work = Content("")

    def show(self, left: Iterable[tuple[str, str]], work: Content) -> None:
        """`left` holds (text, style) parts, the most important first: what does not fit is left out."""
        parts = tuple(left)
        if parts != self._left or not work.is_same(self._work):
            self._left, self._work = parts, work
            self.refresh()

    def render(self) -> Content:
        room = self.size.width - self._work.cell_length - 2
        shown: list[Content] = []
        for text, style in self._left:
            part = Content.styled(safe_line(text), style)
            room -= part.cell_length + len(SEPARATOR)
            if room < -len(SEPARATOR):
                break
            shown.append(part)
        left = Content(SEPARATOR).join(shown)
        gap = max(1, self.size.width - left.cell_length - self._work.cell_length)
        return left + Content(" " * gap) + self._work


class KeyBar(ActionBar):
    """The keys that work here and now, from the action registry and the person's keymap."""

    DEFAULT_CSS = """
    KeyBar {
        height: 1; background: $panel; padding: 0 1;
    }
    """

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.refresh())

    def render(self) -> Content:
        here, everywhere = self._items()
        right = Content("  ").join(everywhere)
        room = self.size.width - right.cell_length - 2
        shown: list[Content] = []
        for item in here:
            room -= item.cell_length + 2
            if room < -2:
                break
            shown.append(item)
        left = Content("  ").join(shown)
        gap = max(2, self.size.width - left.cell_length - right.cell_length)
        return left + Content(" " * gap) + right

    def _items(self) -> tuple[list[Content], list[Content]]:
        """What can be done on this screen and pane, and what can be done everywhere."""
        keys: dict[str, tuple[str, bool]] = {}
        for active in self.screen.active_bindings.values():
            key = self.app.get_key_display(active.binding)
            action_id = active.binding.id or ""
            if action_id not in keys or len(key) < len(keys[action_id][0]):
                keys[action_id] = (key, active.enabled)
        typing = getattr(self.screen.focused, "takes_text", False)
        here: list[Content] = []
        everywhere: list[Content] = []
        for action in sorted(ACTIONS, key=lambda action: action.scope in PANE_SCOPES):
            if not action.footer or action.id not in keys:
                continue
            key, enabled = keys[action.id]
            if not (typing and len(key) == 1):
                (everywhere if action.scope == "app" else here).append(_item(action, key, enabled))
        return here, everywhere


def _item(action: Action, key: str, enabled: bool) -> Content:
    key_style = "bold $primary" if enabled else "$faint"
    label_style = "$foreground 85%" if enabled else "$faint"
    return Content.assemble((key, key_style), (f" {action.label}", label_style)).stylize(_click(action.id))


def _click(action_id: str) -> Style:
    return Style.from_meta({"do": action_id})


def lab_of(node: DOMNode) -> LanternApp:
    """The app of a pane, as the lab that it is."""
    return cast("LanternApp", node.app)


class LabScreen(QuietScreen[None]):
    """A screen of the lab. It draws on a tick of its own, which rests while another screen is in front."""

    ID: ClassVar[str] = ""
    DEFAULT_CSS = """
    LabScreen { layout: vertical; background: $background; }
    LabScreen #body { height: 1fr; }
    """

    taken_digits: frozenset[str] = frozenset()
    """Keys of screens that do something else here now; behind Escape they open their screens."""

    def compose(self) -> ComposeResult:
        yield TopBar(self.ID)
        with Container(id="body"):
            yield from self.compose_body()
        yield StatusLine()
        yield KeyBar()

    def compose_body(self) -> ComposeResult:
        raise NotImplementedError

    @property
    def lab(self) -> LanternApp:
        return lab_of(self)

    def on_mount(self) -> None:
        self._ticks = 0
        self._clock = self.set_interval(TICK_S, self._tick, pause=not self.is_current)
        self.set_ready()

    def set_ready(self) -> None:
        """Once the screen is mounted."""

    def on_screen_suspend(self, _: events.ScreenSuspend) -> None:
        self._clock.pause()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self.wear_theme(event)
        if self.is_current:
            self._clock.resume()
            self.tick()

    def _tick(self) -> None:
        self._ticks += 1
        with self.app.batch_update():
            self.tick()
            if self._ticks % STATUS_EVERY == 0:
                self.show_status()

    def tick(self) -> None:
        """Draw what has changed; called twenty times a second while this screen is in front."""

    def show_status(self) -> None:
        self.query_one(StatusLine).show(status_parts(self.lab), work_content(self.lab.bench.current_job))

    def copy_text(self) -> str | None:
        """What `y` copies when nothing is selected."""
        return None

    async def answer_shown(self) -> Answer | None:
        """The answer that this screen shows, for the Score screen."""
        return None

    def base_text(self) -> str | None:
        """The base model's answer to the same, for instruments that ask for it."""
        return None

    def on_app_blur(self) -> None:
        self.lab.remember()


_ENGINE_STYLES = {"ready": "$success", "empty": "bold $error", "dead": "bold $error"}
_ENGINE_WORDS = {
    "off": "engine off",
    "starting": "engine starting",
    "loading": "loading model",
    "ready": "ready",
    "empty": "no model: ^L loads one",
    "dead": "engine down: ^R restarts",
}


def status_parts(lab: LanternApp) -> list[tuple[str, str]]:
    """The left of the status line, most important first."""
    bench, store = lab.bench, lab.store
    name = str(bench.model["name"]) if bench.model else bench.model_name
    parts = [
        (name, "bold $foreground"),
        (_ENGINE_WORDS[bench.engine_state], _ENGINE_STYLES.get(bench.engine_state, "$warning")),
    ]
    if bench.backend or bench.device:
        parts.append((device_words(bench.device, bench.backend), "$foreground 70%"))
    words = {"ready": "store ready", "failed": "store failed", "reading": "store reads journals"}
    style = "$error" if store.state == "failed" else "$foreground 70%"
    parts.append((words.get(store.state, "store opening"), style))
    if (used := lab.memory_bytes) is not None:
        parts.append((f"mem {formats.size(used)}", "$foreground 70%"))
    return parts


def device_words(device: str, backend: str) -> str:
    """Where the model runs, without saying a word twice: "cpu openblas 0.3.21"."""
    return backend if backend.startswith(device) else f"{device} {backend}".strip()


def work_content(job: Job | None) -> Content:
    """ "battery 14/101 · 86 tok/s · ETA 0:42", with a small bar for batteries."""
    if job is None:
        return Content.styled("idle", "$muted")
    if job.cancelling:
        return Content.styled("stopping…", "$warning")
    title = safe_line(job.title)
    if not job.is_battery:
        return Content.assemble(
            (title, "$foreground 85%"), (f" · {formats.rate(job.tokens_per_second)}", "$muted")
        )
    return Content.assemble(
        (f"{title} ", "$foreground 85%"),
        (f"{job.done}/{job.total} ", "bold"),
        bar_content(job.done, job.total, 8, "$primary"),
        (f" {formats.rate(job.tokens_per_second)} · ETA {formats.clock(job.eta_s)}", "$muted"),
    )
