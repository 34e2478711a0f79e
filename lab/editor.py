"""A text in the person's own editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from lab.errors import LabError


def edit_text(text: str, suffix: str = ".md") -> str:
    """The text as it is after `$VISUAL` or `$EDITOR` closed it; it is in a private file meanwhile.

    Raises LabError when neither is set, when the editor cannot be started, and when it ends with a fault.
    """
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if not command:
        raise LabError("no editor: set EDITOR, for example EDITOR=nano or EDITOR='code --wait'")
    handle, name = tempfile.mkstemp(prefix="lantern-", suffix=suffix)
    path = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            status = subprocess.run([*command, name], check=False).returncode
        except OSError as error:
            raise LabError(f"the editor {command[0]!r} cannot be started: {error.strerror}") from error
        if status != 0:
            raise LabError(f"the editor {command[0]!r} ended with status {status}; nothing was changed")
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise LabError(f"what the editor saved is not UTF-8 (byte {error.start:,})") from error
    finally:
        path.unlink(missing_ok=True)
