"""A real engine process for tests: spoken to over its pipes, killed for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

from lab.protocol import Command, Event, Failed, Finished, Load, Loaded, decode, encode

PATIENCE_S = 60.0


class EngineProcess:
    """`python -m lab.engine` over a home; events arrive on a thread so that nothing here can block it."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lab.engine", "--home", str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self._events: SimpleQueue[Event | None] = SimpleQueue()
        self._reader_done = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, *commands: Command) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(encode(command) + "\n" for command in commands).encode())
        self.process.stdin.flush()

    def send_line(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def load(self, model: str | Path) -> Loaded:
        self.send(Load(request_id="load", model=str(model)))
        for event in self.events():
            assert not isinstance(event, Failed), event.message
            if isinstance(event, Loaded):
                return event
        raise AssertionError(f"the engine ended while loading: {self.stderr()}")

    def events(self) -> Iterator[Event]:
        """Events until the engine ends. Fails when none comes for long."""
        while (event := self._next()) is not None:
            yield event

    def finished_so_far(self) -> list[str]:
        """Ids of the answers reported finished in the events not yet read. Does not wait."""
        ids = []
        while not self._events.empty():
            event = self._events.get()
            if isinstance(event, Finished):
                ids.append(event.generation_id)
        return ids

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        self._reader_done.wait(PATIENCE_S)

    def close(self) -> int:
        """Close its stdin, as a terminal that goes away does, and return the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(PATIENCE_S)

    def stderr(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode(errors="replace")

    def _next(self) -> Event | None:
        try:
            return self._events.get(timeout=PATIENCE_S)
        except Empty:
            raise AssertionError("the engine fell silent") from None

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith(b"\n"):
                event = decode(line)
                self._events.put(event)  # type: ignore[arg-type]
        self._events.put(None)
        self._reader_done.set()
