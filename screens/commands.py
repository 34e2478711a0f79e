"""Commands of the lab as processes of their own, for work that this process loads no model for."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from lab.errors import LabError

if TYPE_CHECKING:
    from store.home import Home


async def lantern(home: Home, *arguments: str) -> str:
    """Run `lantern ARGUMENTS` in this lab's home and return what it printed.

    Cancelling ends the process. Raises LabError with its last line of complaint where it fails.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "screens.entry", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "LANTERN_HOME": str(home.path),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
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
