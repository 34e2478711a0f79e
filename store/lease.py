"""Leases: who may attach the DuckDB file, for milliseconds at a time.

Two files and `flock` make a turnstile: a reader takes gate shared, data shared, then lets the gate go; a
writer takes gate exclusive, then data exclusive. A waiting writer keeps new readers out, so it never starves.
DuckDB's own lock is a POSIX one that the holder loses when it opens and closes the file; `flock` is not.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from store.errors import StoreError
from store.home import Home

DEADLINE_S = 5.0
_FIRST_PAUSE_S = 0.0005
_LONGEST_PAUSE_S = 0.01

Mode = Literal["read", "write"]

_registry_lock = threading.Lock()
_in_this_process: dict[Path, threading.Lock] = {}


@contextmanager
def lease(home: Home, mode: Mode, deadline_s: float = DEADLINE_S) -> Iterator[None]:
    """Hold the right to attach the database. Raises StoreError naming the holder when the deadline passes.

    Within a process leases exclude one another, since DuckDB refuses a file to its second instance.
    """
    until = time.monotonic() + deadline_s
    mine = _process_lock(home.data_lock)
    if not mine.acquire(timeout=deadline_s):
        raise StoreError(f"the store was busy for {deadline_s:g} s in another thread of this process")
    try:
        with (
            _locked(home.gate_lock, mode, until, deadline_s) as gate,
            _locked(home.data_lock, mode, until, deadline_s),
        ):
            if mode == "read":
                fcntl.flock(gate, fcntl.LOCK_UN)
            yield
    finally:
        mine.release()


def holders(path: Path) -> list[int]:
    """The processes that hold a lock on `path`, other than this one, as far as the system tells."""
    found = _holders_from_proc(path) if sys.platform == "linux" else _holders_from_lsof(path)
    written = _written_pid(path)
    if not found and written is not None:
        found = [written]
    return sorted(pid for pid in set(found) if pid != os.getpid())


def _process_lock(path: Path) -> threading.Lock:
    with _registry_lock:
        return _in_this_process.setdefault(path, threading.Lock())


@contextmanager
def _locked(path: Path, mode: Mode, until: float, deadline_s: float) -> Iterator[int]:
    descriptor = _open(path)
    try:
        _acquire(descriptor, path, mode, until, deadline_s)
        if mode == "write":
            os.pwrite(descriptor, f"{os.getpid():<20}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(f"lock file {path} cannot be opened: {error.strerror}") from error


def _acquire(descriptor: int, path: Path, mode: Mode, until: float, deadline_s: float) -> None:
    operation = (fcntl.LOCK_SH if mode == "read" else fcntl.LOCK_EX) | fcntl.LOCK_NB
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            fcntl.flock(descriptor, operation)
            return
        except BlockingIOError:
            if time.monotonic() >= until:
                raise StoreError(_busy(path, deadline_s)) from None
        except OSError as error:
            raise StoreError(f"{path} cannot be locked: {error.strerror}; use a local disk") from error
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def _busy(path: Path, deadline_s: float) -> str:
    pids = holders(path)
    if not pids:
        return f"the store was busy for {deadline_s:g} s: try again"
    named = ", ".join(str(pid) for pid in pids)
    return (
        f"the store was busy for {deadline_s:g} s: process {named} holds it. If it is stopped, let it go on "
        f"(`kill -CONT {pids[0]}`) or end it"
    )


def _holders_from_proc(path: Path) -> list[int]:
    """From /proc/locks: `1: FLOCK ADVISORY WRITE 4711 fe:00:123456 0 EOF`; waiting ones carry an arrow."""
    try:
        status = path.stat()
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    rows = (line.split() for line in lines)
    return [int(row[4]) for row in rows if row[1] == "FLOCK" and row[5] == wanted and int(row[4]) > 0]


def _holders_from_lsof(path: Path) -> list[int]:
    lsof = shutil.which("lsof")
    if lsof is None:
        return []
    try:
        answer = subprocess.run(
            [lsof, "-t", str(path)], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [int(line) for line in answer.stdout.split() if line.isdigit()]


def _written_pid(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
