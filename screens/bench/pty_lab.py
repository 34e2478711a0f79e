"""The lab on a pseudo-terminal: keys go in, and the time is taken when the expected bytes come out."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from types import TracebackType

from textual.color import Color

from screens.theme.themes import DARK

PATIENCE_S = 20.0
KEPT_BYTES = 200_000
CURSOR = "\x01"
_CURSOR_STYLE = b"48;2;%d;%d;%d" % Color.parse(DARK.variables["block-cursor-background"]).rgb
_CONTROL = re.compile(
    rb"\x1b\[[0-9;]*H|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[=>PX^_\\]"
)


@dataclass(frozen=True, slots=True)
class KeyTime:
    """From key to painted answer, and of it the lab's work and its wait for a core (None: not known)."""

    wall_ms: float
    cpu_ms: float | None
    queued_ms: float | None


class PtyLab:
    """One lab on a pseudo-terminal of its own; a context manager that leaves no process behind."""

    def __init__(
        self, home: Path, module: str = "screens.entry", arguments: Sequence[str] = (), size: str = "120x40"
    ) -> None:
        columns, rows = map(int, size.split("x"))
        self._leader, follower = pty.openpty()
        ioctl(follower, TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {key: value for key, value in os.environ.items() if key not in _FOREIGN}
        environment |= {"LANTERN_HOME": str(home), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.began = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env=environment,
            start_new_session=True,
        )
        os.close(follower)
        self._seen = b""

    def __enter__(self) -> PtyLab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._drain_until_gone()
        self._process.kill()
        self._process.wait()
        os.close(self._leader)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, keys: str) -> None:
        os.write(self._leader, keys.encode())

    def wait(self, pattern: str, *, patience_s: float = PATIENCE_S) -> re.Match[bytes]:
        """Read until `pattern` is painted. TimeoutError, with the last text painted, when it never is."""
        wanted = re.compile(pattern.encode())
        deadline = time.monotonic() + patience_s
        while not (found := wanted.search(self._text())):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{pattern!r} was not painted; last: {self._text()[-2000:]!r}")
            self._read(left)
        return found

    def press(self, keys: str, pattern: str) -> KeyTime:
        """Send keys and take the time until `pattern` is painted after them."""
        self.forget()
        before, began = _spent(self.pid), time.monotonic()
        self.send(keys)
        self.wait(pattern)
        wall_ms = (time.monotonic() - began) * 1e3
        after = _spent(self.pid)
        if before is None or after is None:
            return KeyTime(wall_ms, None, None)
        return KeyTime(wall_ms, (after[0] - before[0]) * 1e3, (after[1] - before[1]) * 1e3)

    def rest(self, seconds: float) -> None:
        """Let the lab work on; what it paints is read and counts as seen."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(left)

    def forget(self) -> None:
        """What was painted up to now is no answer to what comes."""
        while self._read(0):
            pass
        self._seen = b""

    def raw(self) -> bytes:
        """What was painted since `forget`, as it came."""
        return self._seen

    def cpu_s(self) -> float | None:
        """CPU time of the lab's process; None where the platform does not tell."""
        spent = _spent(self.pid)
        return spent[0] if spent else None

    def _text(self) -> bytes:
        """What was painted, without styles but the cursor row's (`CURSOR`); a move begins a new line."""
        return _CONTROL.sub(_plain, self._seen)

    def _read(self, patience_s: float) -> bool:
        readable, _, _ = select.select([self._leader], [], [], patience_s)
        if not readable:
            return False
        try:
            chunk = os.read(self._leader, 65536)
        except OSError:
            raise TimeoutError(f"the lab ended; last: {self._text()[-2000:]!r}") from None
        self._seen = (self._seen + chunk)[-KEPT_BYTES:]
        return True

    def _drain_until_gone(self) -> None:
        """An end of the terminal must be read or the lab cannot write its last frame."""
        deadline = time.monotonic() + 5.0
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                self._read(0.05)


def _plain(control: re.Match[bytes]) -> bytes:
    if control[0].endswith(b"H"):
        return b"\n"
    return CURSOR.encode() if control[0].endswith(b"m") and _CURSOR_STYLE in control[0] else b""


_FOREIGN = frozenset(
    ("COLUMNS", "LINES", "SSH_CONNECTION", "SSH_TTY", "NO_COLOR", "TMUX", "ESCDELAY", "TEXTUAL_FPS")
)


def _spent(pid: int) -> tuple[float, float] | None:
    """Seconds on a core and seconds waiting for one, of the process's main thread (Linux)."""
    try:
        running, waiting, _ = Path(f"/proc/{pid}/schedstat").read_text("ascii").split()
    except (OSError, ValueError):
        return None
    return int(running) / 1e9, int(waiting) / 1e9
