"""Commands of the lab as processes of their own, for work that this process loads no model for."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from lab.errors import LabError

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
            env=_environment(home),
        )
    except OSError as error:
        raise LabError(f"lantern {arguments[0]} cannot be started: {error.strerror or error}") from error
    finally:
        os.close(descriptor)


async def lantern(home: Home, *arguments: str) -> str:
    """Run `lantern ARGUMENTS` in this lab's home and return what it printed.

    Cancelling ends the process. Raises LabError with its last line of complaint where it fails.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "screens.entry", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(home),
    )
    try:
        printed, complaints = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if process.returncode:
        lines = complaints.decode("utf-8", "replace").strip().splitlines()
        said = lines[-1] if lines else f"exit code {process.returncode}"
        raise LabError(f"lantern {' '.join(arguments[:2])}: {said.removeprefix('lantern: ')}")
    return printed.decode("utf-8", "replace")


def _environment(home: Home) -> dict[str, str]:
    """This lab's home, and its code also where it was started from a checkout."""
    return {
        **os.environ,
        "LANTERN_HOME": str(home.path),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
