"""What a run costs the machine: CPU and memory of its process where the platform tells, and its load.

Where there is no /proc (macOS) the process is not seen from here; what it says of itself is in its metrics.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from screens.memory import resident_bytes

if TYPE_CHECKING:
    from lab.train.folder import Heartbeat


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU as a share of one core, memory in bytes, the machine's load and cores; None where not known."""

    cpu_share: float | None = None
    memory_bytes: int | None = None
    load: float | None = None
    cores: int | None = None


class UsageMeter:
    """Measures the process of one run from call to call."""

    def __init__(self) -> None:
        self._pid: int | None = None
        self._before: tuple[float, float] | None = None

    def measure(self, beat: Heartbeat | None) -> Usage:
        """The usage since the last call; of a run on another host nothing is known."""
        if beat is None or beat.host != socket.gethostname():
            return Usage()
        if beat.pid != self._pid:
            self._pid, self._before = beat.pid, None
        used_s, now_s = cpu_seconds(beat.pid), time.monotonic()
        share = None
        if used_s is not None and self._before is not None and now_s > self._before[1]:
            share = max(0.0, (used_s - self._before[0]) / (now_s - self._before[1]))
        self._before = (used_s, now_s) if used_s is not None else None
        return Usage(share, resident_bytes(beat.pid), load_average(), os.cpu_count())


def load_average() -> float | None:
    """Processes that run or wait to, over the last minute; None where the platform does not count them."""
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return None


def cpu_seconds(pid: int) -> float | None:
    """CPU time of a process so far, user and system; None where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None
