"""Kernels: texts put before a prompt to set a model's manner. Raw text, hashed as it stands, never re-dumped.

A published kernel repeats a JSON key; parsing and dumping it would silently change it. So even a `.json`
kernel is text here, and its hash is that of the file's bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.seeds import SEEDS
from lab.textfiles import read_bytes

MAX_KERNEL_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel: `sha256` is that of `text` in UTF-8, which for a kernel from a file is the file's bytes."""

    name: str
    text: str
    sha256: str

    @classmethod
    def of(cls, name: str, text: str) -> Kernel:
        """A kernel from text in hand."""
        return cls(name, text, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())


def shipped() -> tuple[Kernel, ...]:
    """The kernels that come with the lab, by file name."""
    return tuple(_read(path) for path in sorted((SEEDS / "kernels").iterdir()) if path.is_file())


def load(name_or_path: str | Path) -> Kernel:
    """A shipped kernel by name (`lantern` is `lantern.txt`), or any file by path.

    A path wins over a name only if it has a folder part or names no shipped kernel. Raises LabError when
    there is neither, or the file is empty, not UTF-8 or larger than 1 MiB.
    """
    wanted = str(name_or_path)
    path = Path(wanted)
    if path.name == wanted:
        for candidate in (wanted, f"{wanted}.txt", f"{wanted}.json"):
            if (SEEDS / "kernels" / candidate).is_file():
                return _read(SEEDS / "kernels" / candidate)
    if path.is_file():
        return _read(path)
    names = ", ".join(kernel.name for kernel in shipped())
    raise LabError(f"no kernel {wanted!r}: give the path of a text file, or one of {names}")


def _read(path: Path) -> Kernel:
    data = read_bytes(path, MAX_KERNEL_BYTES)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LabError(f"{path}: not UTF-8 at byte {error.start}; save the kernel as UTF-8 text") from error
    if not text.strip():
        raise LabError(f"{path}: the kernel is empty")
    return Kernel(path.name, text, hashlib.sha256(data).hexdigest())
