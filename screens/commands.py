"""Commands of the lab as processes of their own, for work that this process loads no model for."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.processes import environment

if TYPE_CHECKING:
    from pathlib import Path

    from store.home import Home


def start_lantern(home: Home, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start `lantern ARGUMENTS` so that it outlives this terminal; what it prints goes to `log`.

    Raises LabError when it cannot be started.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "screens.entry", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            env=environment(LANTERN_HOME=str(home.path)),
        )
    except OSError as error:
        raise LabError(f"lantern {arguments[0]} cannot be started: {error.strerror or error}") from error
    finally:
        os.close(descriptor)


async def lantern(home: Home, *arguments: str) -> str:
    """Run `lantern ARGUMENTS` in this lab's home and return what it printed.

    Cancelling ends the process. Raises LabError with its last line of complaint where it fails.
    """
    try:
        return await answer_of("-m", "screens.entry", *arguments, home=home)
    except LabError as error:
        said = str(error).removeprefix("lantern: ")
        raise LabError(f"lantern {' '.join(arguments[:2])}: {said}") from error


async def answer_of(*arguments: str, home: Home, given: str = "") -> str:
    """What this Python prints when run so, with `given` on its stdin.

    Cancelling ends the process. Raises LabError with its last line of complaint where it fails.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(LANTERN_HOME=str(home.path)),
    )
    try:
        printed, complaints = await process.communicate(given.encode())
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if process.returncode:
        lines = complaints.decode("utf-8", "replace").strip().splitlines()
        raise LabError(lines[-1] if lines else f"exit code {process.returncode}")
    return printed.decode("utf-8", "replace")
