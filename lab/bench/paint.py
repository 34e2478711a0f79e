"""First paint: from starting the command to the lab's first frame on a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from fcntl import ioctl
from termios import TIOCSWINSZ

FIRST_FRAME_MARK = b"Probes"
LIMIT_S = 20.0


@dataclass(frozen=True)
class PaintFigure:
    """Seconds from process start to first frame, and to the prompt of a bare interpreter, medians."""

    paint_s: float
    interpreter_s: float
    repeats: int


def measure_first_paint(repeats: int = 5) -> PaintFigure:
    """Interleave starts of the lab with those of a bare interpreter; TimeoutError if no frame comes."""
    paints, interpreters = [], []
    with tempfile.TemporaryDirectory() as home:
        for _ in range(repeats):
            paints.append(_paint_s(home))
            interpreters.append(_interpreter_s())
    return PaintFigure(statistics.median(paints), statistics.median(interpreters), repeats)


def _paint_s(home: str) -> float:
    leader, follower = pty.openpty()
    ioctl(follower, TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    environment = {**os.environ, "LANTERN_HOME": home, "TERM": "xterm-256color"}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "screens.entry"],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment,
        start_new_session=True,
    )
    os.close(follower)
    try:
        return _wait_for(leader, FIRST_FRAME_MARK, began)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(leader)


def _wait_for(leader: int, mark: bytes, began: float) -> float:
    seen = b""
    while (now := time.monotonic()) - began < LIMIT_S:
        readable, _, _ = select.select([leader], [], [], LIMIT_S - (now - began))
        if readable:
            seen += os.read(leader, 65536)
            if mark in seen:
                return time.monotonic() - began
    raise TimeoutError(f"the lab drew no frame within {LIMIT_S:.0f} s")


def _interpreter_s() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.monotonic() - began
