"""Commands to a run, and the events that answer them."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

from lab.errors import LabError
from screens.training.start import Wanted, begin

if TYPE_CHECKING:
    from lab.train.control import Command, CommandName
    from lab.train.folder import Presence
    from lab.train.outlook import Outlook
    from screens.app import LanternApp
    from screens.training.book import RunBook
    from screens.training.source import RunLine, RunSource

RECIPE = "sft"


class Steering:
    """What the keys of the Train screen do to runs. Runs live by themselves: only commands go to them."""

    def __init__(self, lab: LanternApp, source: RunSource, choose: Callable[[str], None]) -> None:
        self._lab, self._source, self._choose = lab, source, choose
        self._unanswered: dict[str, str] = {}
        self._started: list[subprocess.Popen[bytes]] = []
        self.wanted = Wanted(RECIPE, "", lab.bench.model_name, "run")

    @property
    def is_waiting(self) -> bool:
        """Whether a command is not answered yet."""
        return bool(self._unanswered)

    def tell_answers(self, book: RunBook) -> None:
        """Say what the run answered; it does so with its next step."""
        for command in [command for command in self._unanswered if command in book.answers]:
            del self._unanswered[command]
            event = book.answers[command]
            severity = "warning" if event.level != "info" else "information"
            self._lab.tell(f"step {event.step:,}: {event.name}: {event.words}", severity=severity)

    def reap(self) -> None:
        """Take note of runs started here that are over, so that they leave the table of processes."""
        self._started = [process for process in self._started if process.poll() is None]

    # -- commands --------------------------------------------------------------------------------------------

    def pause_or_resume(self, run: RunLine) -> None:
        """What of the two: the heartbeat says it, which the list may be a second behind."""
        self.send(run, "resume" if self._presence(run) == "paused" else "pause")

    def stop(self, run: RunLine) -> None:
        """Ask whether, then ask the run."""
        from screens.training.dialogs import StopDialog

        def stop(wanted: bool | None) -> None:
            if wanted:
                self.send(run, "stop")

        if self._hears(run):
            self._lab.push_screen(StopDialog(run.name, run.step), stop)

    def change(self, run: RunLine, book: RunBook) -> None:
        """Ask for a key and a value, then ask the run."""
        from screens.training.dialogs import ChangeDialog
        from screens.training.settable import settable

        def change(command: Command | None) -> None:
            if command is not None:
                self._send(run, command)

        if not self._hears(run):
            return
        try:
            self._lab.push_screen(ChangeDialog(settable(book)), change)
        except LabError as error:
            self._lab.tell(str(error), severity="warning")

    def send(self, run: RunLine, name: CommandName) -> None:
        from lab.train.control import Command

        if self._hears(run):
            self._send(run, Command(name=name))

    def _hears(self, run: RunLine) -> bool:
        hears = self._presence(run) in ("running", "paused")
        if not hears:
            self._lab.tell(f"{run.name} is not running: nobody hears it. C goes on with it.")
        return hears

    def _presence(self, run: RunLine) -> Presence | None:
        folder = self._source.folder(run.id)
        return folder.presence() if folder else None

    def _send(self, run: RunLine, command: Command) -> None:
        self._lab.spawn(self._append(run, command), f"{command.name} a run")

    async def _append(self, run: RunLine, command: Command) -> None:
        from lab.train.control import send

        folder = self._source.folder(run.id)
        if folder is None:
            raise LabError(f"{run.name} has no folder any more")
        self._unanswered[await asyncio.to_thread(send, folder, command)] = run.id

    # -- starting --------------------------------------------------------------------------------------------

    def go_on(self, run: RunLine) -> None:
        """Go on with a run that was stopped or died, from its last checkpoint."""
        if self._presence(run) in ("running", "paused"):
            self._lab.tell(f"{run.name} is running.")
        elif run.ending == "finished":
            self._lab.tell(f"{run.name} has finished: there is nothing to go on with.")
        else:
            self._lab.spawn(self._go_on(run), "go on with a run")

    async def _go_on(self, run: RunLine) -> None:
        from lab.train.launch import launch

        folder = self._source.folder(run.id)
        if folder is None:
            raise LabError(f"{run.name} has no folder any more: it cannot be gone on with")
        self._started.append(await asyncio.to_thread(launch, self._lab.home, folder))
        self._source.forget(run.id)
        self._lab.tell(f"{run.name} goes on from its last checkpoint")

    def roll_back(self, run: RunLine) -> None:
        """Ask, then put the adapter of before the run in its place."""
        from screens.training.dialogs import RollBackDialog

        def answered(wanted: bool | None) -> None:
            if wanted:
                self._lab.spawn(self._roll_back(run), "roll a run back")

        if self._presence(run) in ("running", "paused"):
            self._lab.tell(f"{run.name} is running: stop it first.")
        else:
            self._lab.push_screen(RollBackDialog(run.name), answered)

    async def _roll_back(self, run: RunLine) -> None:
        from lab.train.rollback import roll_back

        folder = self._source.folder(run.id)
        if folder is None:
            raise LabError(f"{run.name} has no folder any more: there is nothing to go back to")
        done = await asyncio.to_thread(roll_back, self._lab.home, folder)
        self._lab.tell(f"{done.adapter} is {done.words}")

    def new(self) -> None:
        self._lab.spawn(self._ask_new(), "start a run")

    async def _ask_new(self) -> None:
        from lab.train.recipe import preset_names
        from screens.training.dialogs import StartDialog

        recipes = await asyncio.to_thread(preset_names)
        earlier = await self._source.earlier()

        def start(made: Outlook | None) -> None:
            if made is not None:
                self._lab.spawn(self._start(made), "start a run")

        on_gpu = "gpu" in self._lab.bench.device.lower()
        dialog = StartDialog(self.wanted, recipes, earlier, self._lab.home, on_gpu)
        self._lab.push_screen(dialog, start)

    async def _start(self, made: Outlook) -> None:
        self.wanted = Wanted(RECIPE, made.settings.data, made.settings.model, made.settings.name)
        run_id, process = await asyncio.to_thread(begin, self._lab.home, made.settings)
        self._started.append(process)
        self._choose(run_id)
        self._lab.tell(
            f"{made.settings.name} is on its way ({run_id[-8:]}); it goes on without this terminal"
        )
