"""The engine process: the model lives here, away from the terminal. `python -m lab.engine --home DIR`.

It speaks `lab.protocol` over stdin and stdout. MLX runs on the main thread only (its streams are bound to
threads, and a thread that ends after MLX work can abort the process); a second thread does nothing but read
stdin, so that a cancel is noticed within one token. The end of stdin means shutdown: an engine never outlives
its terminal.
"""

from __future__ import annotations

import argparse
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lab.errors import LabError
from lab.protocol import (
    Cancel,
    Command,
    Event,
    Failed,
    Generate,
    Load,
    Loaded,
    Overlay,
    Ready,
    Shutdown,
    Spell,
    decode,
    encode,
)
from store.errors import StoreError
from store.home import Home

if TYPE_CHECKING:
    from lab.session import Session
    from store.journal import Journal


_MODEL_SUFFIXES = (".safetensors", ".json", ".jinja", ".model", ".txt")


class Inbox:
    """Commands as they arrive; cancels and the shutdown take effect while the main thread is at work."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.closing = threading.Event()
        self._commands: queue.SimpleQueue[Command | Failed | None] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def get(self) -> Command | Failed | None:
        """The next command, a Failed for a line that was none, or None at the end."""
        return self._commands.get()

    def is_cancelled(self, request_id: str) -> bool:
        """Whether the request was cancelled, or the engine is closing."""
        return request_id in self._cancelled or self.closing.is_set()

    def _read(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            try:
                command = decode(line)
            except LabError as error:
                self._commands.put(Failed(request_id=None, message=str(error)))
                continue
            if isinstance(command, Cancel):
                self._cancelled.add(command.request_id)
            elif isinstance(command, Shutdown):
                break
            elif isinstance(command, Load | Generate | Overlay | Spell):
                self._commands.put(command)
            else:
                self._commands.put(Failed(request_id=None, message=f"not a command: {command.type}"))
        self.closing.set()
        self._commands.put(None)


class Engine:
    """Answers commands one at a time, in order, until told to stop."""

    def __init__(self, inbox: Inbox, out: IO[str], journal: Journal, home: Home) -> None:
        self._inbox = inbox
        self._out = out
        self._journal = journal
        self._home = home
        self._session: Session | None = None
        self._files: object = None

    def run(self) -> None:
        """Serve until the terminal says so or goes away."""
        self._say(_ready())
        while (command := self._inbox.get()) is not None:
            if isinstance(command, Failed):
                self._say(command)
            elif isinstance(command, Load | Generate | Overlay | Spell):
                self._serve(command)

    def _serve(self, command: Load | Generate | Overlay | Spell) -> None:
        try:
            if isinstance(command, Load):
                self._load(command)
            elif isinstance(command, Overlay):
                self._say(self._loaded().overlay(command))
            elif isinstance(command, Spell):
                self._say(self._loaded().spell(command))
            else:
                self._generate(command)
        except (LabError, StoreError) as error:
            self._say(Failed(request_id=command.request_id, message=str(error)))
        except BrokenPipeError:
            raise
        except Exception as error:
            # One request may fail in ways nobody foresaw, out of memory among them; the engine goes on.
            traceback.print_exc(file=sys.stderr)
            message = f"{type(error).__name__}: {error}".splitlines()[0]
            self._say(Failed(request_id=command.request_id, message=f"this request failed: {message}"))

    def _load(self, command: Load) -> None:
        from lab.models.load import load
        from lab.session import Session

        began = time.monotonic()
        files = _files_state(command.model)
        if self._session is None or self._files != files:
            self._session = None
            loaded = load(command.model, cache_dir=self._home.cache)
            self._session, self._files = Session(loaded, self._journal), files
        adapters = self._session.attach(command.adapters)
        self._say(
            Loaded(
                request_id=command.request_id,
                model=asdict(self._session.loaded.record),
                load_ms=(time.monotonic() - began) * 1e3,
                adapters=tuple(map(asdict, adapters)),
            )
        )

    def _loaded(self) -> Session:
        if self._session is None:
            raise LabError("no model is loaded: load one first")
        return self._session

    def _generate(self, command: Generate) -> None:
        events = self._loaded().generate(
            command.request_id,
            command.asks,
            command.batch_size,
            should_stop=lambda: self._inbox.is_cancelled(command.request_id),
        )
        for event in events:
            self._say(event)

    def _say(self, event: Event) -> None:
        self._out.write(encode(event) + "\n")
        self._out.flush()


def _ready() -> Ready:
    from lab.models.runtime import backend_name, device_name

    return Ready(pid=os.getpid(), device=device_name(), backend=backend_name())


def _files_state(model: str) -> object:
    """Which files a model is made of, with their sizes and times: other files are another model."""
    from lab.models.load import resolve

    folder = resolve(model)
    files = [path for path in sorted(folder.glob("*")) if path.suffix in _MODEL_SUFFIXES]
    return folder, [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]


def _lines(descriptor: int) -> Iterator[bytes]:
    """Lines of a descriptor, unbuffered: a buffered stdin held by a thread aborts the interpreter at exit."""
    pending = b""
    while chunk := os.read(descriptor, 1 << 16):
        *lines, pending = (pending + chunk).split(b"\n")
        yield from lines


def _claim_stdout() -> IO[str]:
    """The real stdout for the protocol alone; whatever else prints goes to stderr."""
    protocol = os.fdopen(os.dup(1), "w", encoding="ascii", newline="\n")
    os.dup2(2, 1)
    return protocol


def main() -> None:
    """Entry point of the engine process."""
    parser = argparse.ArgumentParser(prog="lab.engine", description="Serve a model to the terminal.")
    parser.add_argument("--home", type=Path, default=None)
    home = Home.resolve(parser.parse_args().home)
    out = _claim_stdout()
    inbox = Inbox(_lines(sys.stdin.fileno()))
    from store.journal import Journal

    with Journal.open(home, "engine") as journal:
        try:
            Engine(inbox, out, journal, home).run()
        except BrokenPipeError:
            # The terminal is gone; what it was told is finished is on disk.
            os._exit(0)


if __name__ == "__main__":
    main()
