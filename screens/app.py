"""The terminal lab: the app that holds the engine, the store and the screens.

Cheap to import and quick to paint: screens are imported when opened, the engine and the store start after the
first paint, and no model code is ever loaded into this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import traceback
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual.app import App
from textual.worker import Worker, WorkerState

from lab.errors import LabError
from lab.safetext import safe_line, safe_text
from screens.actions import BY_ID, SCREENS, ScreenSpec, bindings, screen_spec
from screens.collector import Collector
from screens.config import LabState, lasting_name, load_keymap, load_state, save_state
from screens.keys_in_turn import KeysInTurn
from screens.memory import resident_bytes
from screens.prepare import prepare_all
from screens.shell import LabScreen
from screens.store_link import StoreLink
from screens.stylesheet import LabStylesheet
from screens.theme.themes import DEFAULT, SHIPPED, VARIABLE_DEFAULTS, user_themes
from screens.windows import Windows
from screens.workbench import Answer, Job, Workbench
from store.errors import StoreError

if TYPE_CHECKING:
    from textual.driver import Driver

    from screens.quiet import QuietScreen
    from screens.score.screen import ScoreScreen
    from store.home import Home

HOUSEKEEPING_EVERY_S = 1.0
CLOSE_WITHIN_S = 6.0
FALLBACK_MODEL = "wick"


class LanternApp(App[None]):
    """Lantern Lab on a terminal."""

    TITLE = "Lantern Lab"
    BINDINGS: ClassVar[list[Any]] = bindings("app")
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH = "lab.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-compact"), (100, "-regular"), (160, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall"), (46, "-taller")]  # noqa: RUF012

    def __init__(
        self,
        home: Home,
        model: str | None = None,
        start: str | None = None,
        demo: bool = False,
        *,
        engine_command: Sequence[str] | None = None,
        open_service: Callable[[Home], Any] | None = None,
        prepare: bool = True,
    ) -> None:
        super().__init__()
        self.stylesheet = LabStylesheet(variables=self.get_css_variables())
        self.home = home
        self.demo = demo
        self.state: LabState = load_state(home.config)
        self._restored = model is None and self.state.model not in ("", FALLBACK_MODEL)
        self.bench = Workbench(home.path, model or self.state.model or FALLBACK_MODEL, command=engine_command)
        self.store = StoreLink(home, open_service)
        self.windows = Windows(self)
        self._score: ScoreScreen | None = None
        self.collector = Collector()
        self._keys = KeysInTurn(self, super().on_event)
        self.memory_bytes: int | None = None
        self._prepare = prepare
        self._start_screen = self._first_screen(start)
        self._engine_worker: Worker[None] | None = None
        self._next_of: dict[str, Callable[[], Coroutine[Any, Any, None]] | None] = {}
        if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
            self.animation_level = "none"

    # -- start and end ---------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        for theme in SHIPPED:
            self.register_theme(theme)
        self.theme = self.state.theme if self.state.theme in self.available_themes else DEFAULT
        for spec in SCREENS:
            self.add_mode(spec.id, partial(self._make_screen, spec))
        self.switch_mode(self._start_screen)
        self.call_after_refresh(self._begin)

    def _make_screen(self, spec: ScreenSpec) -> LabScreen:
        screen = spec.make()
        # Styled as it is mounted: no reason to read all styles again when it is first brought to the front.
        screen._css_update_count = self._css_update_count
        return cast(LabScreen, screen)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Text that steps back, and text that almost vanishes: a theme may name its own."""
        return dict(VARIABLE_DEFAULTS)

    def _first_screen(self, start: str | None) -> str:
        wanted = start or ("live" if self.demo else self.state.screen)
        return wanted if screen_spec(wanted) else SCREENS[0].id

    def _begin(self) -> None:
        """After the first paint: engine, store, the person's own settings."""
        self.bench.on_finished.append(lambda _: self.store.ingest_soon())
        self.bench.on_job_over.append(self._job_over)
        self.bench.on_fault.append(self._engine_fault)
        self.store.on_notice.append(lambda notice: self.tell(notice, severity="warning"))
        self.start_engine()
        self.spawn(self.store.run(), "store")
        self.set_interval(HOUSEKEEPING_EVERY_S, self._keep_house)
        self._read_settings()
        if not self.is_headless:  # Without a terminal it is a guest in a process that is not the lab's.
            self.collector.begin()
        if self._prepare:
            self.spawn(prepare_all(self), "prepare")
        if not self.is_headless:
            for sign, leave in ((signal.SIGTERM, self._leave), (signal.SIGHUP, self._vanish)):
                with contextlib.suppress(ValueError, NotImplementedError, RuntimeError):
                    asyncio.get_running_loop().add_signal_handler(sign, leave)
        if self.demo:
            from screens.demo import run_demo

            self.spawn(run_demo(self), "demo")

    def _read_settings(self) -> None:
        for theme in user_themes(self.home.config / "themes"):
            if isinstance(theme, str):
                self.tell(theme, severity="warning")
            else:
                self.register_theme(theme)
                if theme.name == self.state.theme:
                    self.theme = theme.name
        keymap, faults = load_keymap(self.home.config)
        self.set_keymap(keymap)
        if faults:
            more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            self.tell(faults[0] + more, severity="warning")

    def get_driver_class(self) -> type[Driver]:
        """Textual's choice, but for its terminal driver the one that answers Escape at once."""
        chosen = super().get_driver_class()
        if chosen.__name__ != "LinuxDriver":
            return chosen
        from screens.driver import LabDriver

        return LabDriver

    def delay_update(self, delay: float = 0.05) -> None:
        """Nothing: Textual holds a switch of screens back, for screens yet to be built; ours are there."""

    async def mount_mode(self, mode: str) -> None:
        """Build a screen behind the one in front."""
        if mode not in self._screen_stacks:
            await self._init_mode(mode)
            await cast(LabScreen, self._screen_stacks[mode][0]).prepare(self.size)

    async def mount_hidden(self, window: QuietScreen[Any]) -> None:
        """Build, style and lay out a window without showing it; what opens later only has to paint."""
        _, mounted = self._get_screen(window)
        self._load_screen_css(window)
        await mounted
        window.set_focus(None)
        await window.prepare(self.size)

    def start_engine(self) -> None:
        self._engine_worker = self.spawn(self.bench.run(), "engine")

    async def action_quit(self) -> None:
        """Leave: the engine is asked to end, the store let go of, neither waited for long."""
        self.remember()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await asyncio.gather(self.bench.close(), self.store.close(), return_exceptions=True)
        self.exit()

    def on_unmount(self) -> None:
        self.collector.end()

    def _leave(self) -> None:
        self.remember()
        self.exit()

    def _vanish(self) -> None:
        """The terminal is gone: to wait for its last frame would hang. The engine ends with its pipe."""
        self.remember()
        os._exit(128 + signal.SIGHUP)

    def remember(self) -> None:
        """Write down the state for the next start; a full disk is no reason to fail here."""
        self.state.screen = self.current_mode
        self.state.theme = self.theme
        if self.bench.model is not None and not self.demo:
            self.state.model = lasting_name(self.bench.model_name)
        with contextlib.suppress(OSError):
            save_state(self.home.config, self.state)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.InputEvent):
            self.collector.key()
        if isinstance(event, events.Paste):
            # The one door by which control codes could get into a text box.
            event.text = safe_text(event.text)
        if isinstance(event, events.Key) and not event.is_forwarded:
            await self._keys.take(event)
        else:
            await super().on_event(event)

    # -- work ------------------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> Worker[None]:
        """Run work in the background; if it fails, a window says so."""
        return self.run_worker(work, name=name, exit_on_error=False)

    def latest(self, name: str, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Like `spawn`, but one of a name at a time: of calls that come meanwhile the last is done next."""
        under_way = name in self._next_of
        self._next_of[name] = partial(work, *arguments)
        if not under_way:
            self.spawn(self._work_off(name), name)

    async def _work_off(self, name: str) -> None:
        try:
            while begin := self._next_of[name]:
                self._next_of[name] = None
                await begin()
        finally:
            del self._next_of[name]

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            self.show_error(event.worker.error, event.worker.name)

    def show_error(self, error: BaseException, during: str) -> None:
        """One window for every fault: expected ones in their own words, others with their trace."""
        from screens.dialogs import ErrorDialog

        if isinstance(error, LabError | StoreError):
            self.windows.open(ErrorDialog, None, f"{during}: not possible", str(error))
        else:
            said = "".join(traceback.format_exception_only(error))
            trace = "".join(traceback.format_exception(error)[-6:])
            self.windows.open(ErrorDialog, None, f"{during}: an unexpected fault", f"{said}\n{trace}")

    def tell(self, message: str, *, severity: Any = "information") -> None:
        """A short notice; the message is data, never markup."""
        self.notify(safe_line(message), severity=severity, markup=False)

    def _engine_fault(self, message: str, fatal: bool) -> None:
        from screens.dialogs import ErrorDialog

        if self._restored and not fatal and self.bench.engine_state == "empty":
            # The model of last time is gone: that is no reason to begin with none.
            self._restored = False
            self.tell(f"{message}; {FALLBACK_MODEL} is loaded instead", severity="warning")
            self.spawn(self.bench.load(FALLBACK_MODEL), "load model")
            return

        def restart(wanted: bool | None) -> None:
            if wanted:
                self.action_restart_engine()

        title = "The engine ended" if fatal else "The engine says"
        self.windows.open(ErrorDialog, restart, title, message, "Restart" if fatal else None)

    def _job_over(self, job: Job) -> None:
        self.store.ingest_soon()
        if job.is_battery and job.state != "failed":
            how = "stopped" if job.state == "cancelled" else "done"
            self.tell(f"{job.title} {how}: {job.done} of {job.total} answers are stored")

    def _keep_house(self) -> None:
        self._measure_memory()
        self.collector.look()

    def _measure_memory(self) -> None:
        pid = self.bench.pid
        self.memory_bytes = resident_bytes(pid) if pid else None
        if self.memory_bytes is None:
            self.memory_bytes = _last_peak(self.bench.answers)

    # -- actions ---------------------------------------------------------------------------------------------

    async def action_do(self, action_id: str) -> None:
        """Do an action of the registry by its id, wherever it lives."""
        action = BY_ID[action_id]
        focused = ("list", "tape", "card")
        namespace = "app" if action.scope == "app" else "focused" if action.scope in focused else "screen"
        await self.run_action(f"{namespace}.{action.command}")

    async def action_show_probes(self) -> None:
        await self.show_screen("probes")

    async def action_show_live(self) -> None:
        await self.show_screen("live")

    async def action_show_compare(self) -> None:
        await self.show_screen("compare")

    async def action_show_training(self) -> None:
        await self.show_screen("training")

    async def action_show_curate(self) -> None:
        await self.show_screen("curate")

    async def action_show_runs(self) -> None:
        await self.show_screen("runs")

    async def show_screen(self, screen_id: str) -> LabScreen:
        """Bring a screen to the front and return it, mounted."""
        while len(self.screen_stack) > 1:
            await self.pop_screen()
        await self.switch_mode(screen_id)
        return cast(LabScreen, self.screen)

    def live_keys(self) -> dict[str, tuple[str, ...]]:
        """The keys that work here and now, by the id of what they do."""
        live: dict[str, tuple[str, ...]] = {}
        for active in self.screen.active_bindings.values():
            if active.binding.id in BY_ID:
                key = self.get_key_display(active.binding)
                live[active.binding.id] = (*live.get(active.binding.id, ()), key)
        return live

    def action_palette(self) -> None:
        from screens.palette import PaletteDialog

        def do(action_id: str | None) -> None:
            if action_id is not None:
                self.call_later(self.action_do, action_id)

        self.windows.open(PaletteDialog, do, getattr(self.screen, "ID", ""), self.live_keys())

    def action_help(self) -> None:
        from screens.help import HelpDialog, pane_help

        title, text = pane_help(self.focused, self.screen)
        self.windows.open(HelpDialog, None, title, text, self.live_keys())

    def action_stop(self) -> None:
        job = self.bench.current_job
        if job is None:
            self.tell("Nothing is running.")
        else:
            self.spawn(self.bench.cancel(job), "stop")

    def copy_to_clipboard(self, text: str) -> None:
        """Hand the text to the terminal, and where that is known to take none, to the platform."""
        from screens.clipboard import copy_locally, takes_osc52

        super().copy_to_clipboard(text)
        if not (self.is_headless or takes_osc52(os.environ)):
            self.spawn(asyncio.to_thread(copy_locally, text), "copy")

    def action_copy(self) -> None:
        text = self.screen.get_selected_text()
        if not text and isinstance(self.screen, LabScreen):
            text = self.screen.copy_text()
        if text:
            self.copy_to_clipboard(text.encode("utf-8", "replace").decode("utf-8"))
            self.tell(f"{len(text):,} characters copied")
        else:
            self.tell("Nothing to copy here.")

    def action_score(self) -> None:
        self.spawn(self._explain_score(), "score")

    async def _explain_score(self) -> None:
        if isinstance(self.screen, LabScreen):
            answer, base_text = await self.screen.answer_shown(), self.screen.base_text()
            if answer is None:
                self.tell("There is no answer here to score.")
                return
            screen = await self.prepare_score()
            screen.explain(answer, base_text)
            await self.push_screen(screen)

    async def prepare_score(self) -> ScoreScreen:
        """The one Score screen, built out of sight the first time."""
        if self._score is None:
            from screens.score.screen import ScoreScreen

            self._score = ScoreScreen()
            self.install_screen(self._score, ScoreScreen.ID)
            await self.mount_hidden(self._score)
        return self._score

    def action_theme(self) -> None:
        own = [name for name in self.available_themes if name.startswith("lantern-")]
        names = own + sorted(set(self._own_themes()) - set(own))
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]
        self.remember()
        self.tell(f"Theme {self.theme}")

    def _own_themes(self) -> list[str]:
        from textual.theme import BUILTIN_THEMES

        return [name for name in self.available_themes if name not in BUILTIN_THEMES]

    def action_screenshot(self) -> None:  # type: ignore[override]
        folder = self.home.path / "screenshots"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{datetime.now():%Y%m%d-%H%M%S}-{self.current_mode}.svg"
        self.save_screenshot(path.name, str(folder))
        path.chmod(0o600)
        self.tell(f"Saved {path}")

    def action_restart_engine(self) -> None:
        self.spawn(self._restart(), "restart engine")

    async def _restart(self) -> None:
        await self.bench.close()
        if self._engine_worker is not None and self._engine_worker.is_running:
            self._engine_worker.cancel()
        self.start_engine()

    def action_model(self) -> None:
        from screens.dialogs import LineDialog

        def load(name: str | None) -> None:
            if name:
                self.spawn(self.bench.load(name), "load model")

        note = "A folder in mlx-lm format, a hub id, or wick, the lab's own small model."
        self.windows.open(LineDialog, load, "Load a model", note, self.bench.model_name)

    def action_jump(self) -> None:
        from screens.jump import JumpOverlay

        self.windows.open(JumpOverlay, None, self.screen)

    def key_ctrl_c(self) -> None:
        """Ctrl+C copies a selection, as everywhere; without one it says how to leave."""
        if not self.screen.get_selected_text():
            self.tell("Press Q to leave, X to stop what is running.")


def _last_peak(answers: Sequence[Answer]) -> int | None:
    for answer in reversed(answers):
        if answer.record is not None:
            return int(answer.record["peak_memory_bytes"])
    return None
