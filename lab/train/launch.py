"""Start a run as a process of its own, which outlives whoever started it."""

from __future__ import annotations

import os
import subprocess
import sys

from lab.errors import LabError
from lab.processes import environment
from lab.train.folder import RunFolder
from store.home import Home


def launch(home: Home, folder: RunFolder, ranks: int = 1, *, gently: bool = False) -> subprocess.Popen[bytes]:
    """Start training the run of `folder`, in a session of its own; what it prints goes to its log.

    `gently` lets everything else on the machine go first.
    The same call starts a new run and goes on with one. Raises LabError when nothing can be started.
    """
    command = [sys.executable, "-m", "lab.train.worker", "--home", str(home.path), "--run", str(folder.path)]
    if ranks > 1:
        command += ["--ranks", str(ranks)]
    if gently:
        command.append("--gently")
    descriptor = os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            env=environment(),
        )
    except OSError as error:
        raise LabError(f"the training process cannot be started: {error.strerror or error}") from error
    finally:
        os.close(descriptor)
