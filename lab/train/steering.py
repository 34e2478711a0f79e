"""Commands as a run obeys them: the first rank reads and decides, all of them act before the same step."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from lab.errors import LabError
from lab.train.control import Command, ControlReader
from lab.train.hooks import Hooks
from lab.train.pulse import Pulse
from lab.train.ranks import Ranks
from lab.train.runlog import RunLog

PAUSED_POLL_S = 0.05


def stateful(hooks: Hooks) -> dict[str, Any]:
    """Everything with a state and settings of its own, by the name that commands and checkpoints use."""
    found: dict[str, Any] = {"objective": hooks.objective}
    if hooks.regularizer is not None:
        found[hooks.regularizer.name] = hooks.regularizer
    return found | {monitor.name: monitor for monitor in hooks.monitors}


class Steering:
    """Obeys commands between two steps; `checkpoint` and what follows are the loop's."""

    def __init__(
        self,
        commands: ControlReader | None,
        ranks: Ranks,
        log: RunLog,
        pulse: Pulse,
        hooks: Mapping[str, Any],
        checkpoint: Callable[[str], None],
        set_learning_rate: Callable[[float], str],
        forget_held_out: Callable[[], None],
    ) -> None:
        self._commands, self._ranks, self._log, self._pulse = commands, ranks, log, pulse
        self._hooks, self._checkpoint, self._set_learning_rate = hooks, checkpoint, set_learning_rate
        self._forget_held_out = forget_held_out

    def obey(self, step: int, stop: str | None) -> str | None:
        """Do what was asked since the last call; the reason to stop, if there is one.

        `stop` is a reason that the first rank itself has found. A pause is waited out here.
        """
        paused = False
        while True:
            for command in self._heard(stop):
                match command.name:
                    case "stop":
                        words = str(command.value or "asked to stop")
                        self._log.event(step, "stopping", words, command=command)
                        return words
                    case "pause" | "resume":
                        paused = command.name == "pause"
                        said = "paused" if paused else "unpaused"
                        self._log.event(step, said, f"asked to {command.name}", command=command)
                    case "save":
                        self._checkpoint("asked")
                        self._log.event(step, "saved", "asked to save", command=command)
                    case "set":
                        self._set(step, command)
            if not paused:
                return None
            self._pulse.say("paused", step)
            time.sleep(PAUSED_POLL_S)

    def _heard(self, stop: str | None) -> Iterator[Command]:
        """The new commands, the same on every rank; a decision of the first rank's own is one of them."""
        message = b""
        if self._ranks.is_first:
            commands = self._commands.poll() if self._commands is not None else []
            if stop is not None:
                commands.append(Command(name="stop", value=stop))
            message = json.dumps([asdict(command) for command in commands]).encode() if commands else b""
        for fields in json.loads(self._ranks.from_first(message) or b"[]"):
            yield Command(**fields)

    def _set(self, step: int, command: Command) -> None:
        """Change a setting; it is in a checkpoint before it is used."""
        try:
            words = self._changed(command.key, command.value)
        except LabError as error:
            self._log.event(step, "refused", str(error), "warning", command=command)
            return
        self._checkpoint("set")
        self._log.event(step, "set", words, command=command)

    def _changed(self, key: str, value: Any) -> str:
        if key == "learning_rate":
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise LabError(f"learning_rate: {value!r}; expected a rate above 0")
            return self._set_learning_rate(float(value))
        owner, _, name = ("objective.loss" if key == "loss" else key).partition(".")
        if not name or owner not in self._hooks:
            known = ", ".join(["learning_rate", *(f"{hook}.…" for hook in self._hooks)])
            raise LabError(f"{key}: nothing of that name can be set; there are {known}")
        words = str(self._hooks[owner].set(name, value))
        if owner == "objective":
            # What is measured from now on is another quantity than the best of before.
            self._forget_held_out()
        return words
