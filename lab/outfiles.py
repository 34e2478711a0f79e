"""Files that we hand to people: whole or not there, and theirs alone (mode 0600)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from lab.errors import LabError


def write_file(path: Path, content: str | bytes) -> Path:
    """Write `path` in one step, an existing file replaced; text as UTF-8, lone surrogates as U+FFFD.

    Raises LabError when it cannot be written; what was there before is then still there.
    """
    data = content if isinstance(content, bytes) else _utf8(content)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise LabError(f"{path}: cannot be written: {error.strerror or error}") from error
    return path


def _utf8(text: str) -> bytes:
    from lab.textfiles import replace_surrogates

    return replace_surrogates(text).encode("utf-8")
