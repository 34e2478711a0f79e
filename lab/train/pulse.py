"""The heartbeat of a run: once a second, also while a step takes long, what it is doing."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import replace
from types import TracebackType
from typing import Self

from lab.train.folder import Heartbeat, RunFolder, RunState

BEAT_S = 1.0


class Pulse:
    """Writes the heartbeat from a thread that does nothing else; without a folder it is silent."""

    def __init__(self, folder: RunFolder | None, planned_steps: int = 0) -> None:
        self._folder = folder
        self._beat = Heartbeat(
            pid=os.getpid(),
            host=socket.gethostname(),
            state="starting",
            step=0,
            planned_steps=planned_steps,
            at_s=time.time(),
        )
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        if self._folder is not None:
            self._write()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
            self.say("ended", words=self._beat.words)
            self._write()

    @property
    def step(self) -> int:
        """The step last said."""
        return self._beat.step

    def say(self, state: RunState, step: int | None = None, words: str = "", planned_steps: int = 0) -> None:
        """What the run does from now on; a change of state is written at once."""
        changed = state != self._beat.state
        with self._lock:
            self._beat = replace(
                self._beat,
                state=state,
                step=self._beat.step if step is None else step,
                words=words,
                planned_steps=planned_steps or self._beat.planned_steps,
            )
        if changed and self._folder is not None:
            self._write()

    def _run(self) -> None:
        while not self._over.wait(BEAT_S):
            self._write()

    def _write(self) -> None:
        if self._folder is None:
            return
        with self._lock:
            try:
                self._folder.write_heartbeat(replace(self._beat, at_s=time.time()))
            except OSError:
                # A full disk: the run itself will say so where it matters.
                return
