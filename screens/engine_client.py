"""The engine process as the terminal sees it: commands out, events in, and a plain word when it dies.

Nothing here blocks the event loop. Closing asks first, then insists: shutdown, terminate, kill.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError
from lab.protocol import (
    Ask,
    Cancel,
    Command,
    Event,
    Failed,
    Generate,
    Load,
    Overlay,
    Shutdown,
    Spell,
    decode,
    encode,
)

LINE_LIMIT = 64 * 1024 * 1024
STDERR_LINES = 30
GRACE_S = 1.5
EVENTS_A_TURN = 64


class EngineDiedError(LabError):
    """The engine process ended without being asked; the message carries its last words."""


class EngineClient:
    """One engine process. `events` yields what it says, and an `EngineDiedError` last if it ends unasked."""

    def __init__(self, home: Path, command: Sequence[str] | None = None) -> None:
        self._command = tuple(command or (sys.executable, "-m", "lab.engine", "--home", str(home)))
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._last_words: deque[str] = deque(maxlen=STDERR_LINES)
        self._numbers = itertools.count(1)
        self._closing = False
        self.events: asyncio.Queue[Event | EngineDiedError] = asyncio.Queue()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process. Its own session keeps the terminal's Ctrl-C away; the end of stdin ends it."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=LINE_LIMIT,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        except OSError as error:
            raise EngineDiedError(f"the engine cannot be started: {error}") from error
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._tasks = [
            asyncio.create_task(self._read_events(self._process.stdout)),
            asyncio.create_task(self._read_stderr(self._process.stderr)),
        ]

    async def load(self, model: str, adapters: Sequence[str] = (), request_id: str | None = None) -> str:
        """Ask for a model with adapters; returns the request's id. Loaded or Failed follows."""
        request_id = request_id or self._request_id("load")
        await self._send(Load(request_id=request_id, model=model, adapters=tuple(adapters)))
        return request_id

    async def generate(self, asks: Sequence[Ask], batch_size: int = 8, request_id: str | None = None) -> str:
        """Ask for answers; returns the request's id."""
        request_id = request_id or self._request_id("answers")
        await self._send(Generate(request_id=request_id, asks=tuple(asks), batch_size=batch_size))
        return request_id

    async def overlay(self, overlay: Overlay) -> None:
        """Ask what two sides think of a text. Overlaid or Failed follows."""
        await self._send(overlay)

    async def spell(self, spell: Spell) -> None:
        """Ask what tokens read like. Spelled or Failed follows."""
        await self._send(spell)

    async def cancel(self, request_id: str) -> None:
        await self._send(Cancel(request_id=request_id))

    async def close(self) -> None:
        """End the process within a few seconds, whatever state it is in."""
        self._closing = True
        process = self._process
        if process is None:
            return
        with contextlib.suppress(LabError, TimeoutError, OSError):
            await asyncio.wait_for(self._send(Shutdown()), timeout=0.5)
        if process.stdin is not None:
            process.stdin.close()
        for sign in (None, signal.SIGTERM, signal.SIGKILL):
            if sign is not None and process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(sign)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), GRACE_S)
                break
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def next_request_id(self) -> str:
        """An id to register before its request is sent, so that no event comes unexpected."""
        return self._request_id("answers")

    def _request_id(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}"

    async def _send(self, command: Command) -> None:
        if self._process is None or self._process.stdin is None or not self.alive:
            raise EngineDiedError("the engine is not running; restart it")
        try:
            self._process.stdin.write(encode(command).encode("ascii") + b"\n")
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise EngineDiedError("the engine is not running; restart it") from error

    async def _read_events(self, stdout: asyncio.StreamReader) -> None:
        """Lines that are there already are read without a pause, so pauses are made: a key must not wait."""
        for number in itertools.count(1):
            if not (line := await self._next_line(stdout)):
                break
            if number % EVENTS_A_TURN == 0:
                await asyncio.sleep(0)
            try:
                event = decode(line)
            except LabError as error:
                event = Failed(request_id=None, message=str(error))
            await self.events.put(event)  # type: ignore[arg-type]
        if not self._closing and self._process is not None:
            code = await self._process.wait()
            # stderr closes at the same moment; give its reader the chance to hear the last words.
            await asyncio.wait(self._tasks[1:], timeout=0.5)
            await self.events.put(EngineDiedError(self._obituary(code)))

    async def _next_line(self, stdout: asyncio.StreamReader) -> bytes:
        try:
            return await stdout.readline()
        except ValueError:
            await self.events.put(Failed(request_id=None, message="the engine sent a line that is too long"))
            return b""

    async def _read_stderr(self, stderr: asyncio.StreamReader) -> None:
        while chunk := await stderr.read(65536):
            self._last_words.extend(chunk.decode("utf-8", "replace").splitlines())

    def _obituary(self, code: int) -> str:
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        words = "\n".join(self._last_words).strip()
        return f"the engine ended {how}" + (f"\n{words}" if words else " and left no message")
