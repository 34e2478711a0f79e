"""A real terminal for tests: tmux, driven by keys, read by captures."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
HAS_TMUX = shutil.which("tmux") is not None


class Terminal:
    """One tmux server of its own with `lantern ARGUMENTS` in its only pane."""

    def __init__(self, *arguments: str | Path, home: Path, columns: int = 120, rows: int = 40) -> None:
        self._socket = f"lantern-{uuid.uuid4().hex[:12]}"
        command = shlex.join([sys.executable, "-m", "screens.entry", *map(str, arguments)])
        folders = f"LANTERN_HOME={shlex.quote(str(home))} PYTHONPATH={shlex.quote(str(ROOT))}"
        environment = f"env -u COLUMNS -u LINES {folders}"
        size = ["-x", str(columns), "-y", str(rows)]
        shell = f"cd {shlex.quote(str(ROOT))}; {environment} {command}; echo EXIT=$?; sleep 600"
        self._tmux("-f", os.devnull, "new-session", "-d", *size, shell)

    def keys(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def screen(self, *, styles: bool = False) -> str:
        return self._tmux("capture-pane", "-p", *(["-e"] if styles else []))

    def title(self) -> str:
        """What the terminal's title is, which an escape code can set."""
        return self._tmux("display-message", "-p", "#{pane_title}").strip()

    def wait(self, wanted: str | Callable[[str], bool]) -> str:
        """The screen, as soon as it shows `wanted`. Fails, showing the screen, when it never does."""
        shows = wanted if callable(wanted) else lambda screen: wanted in screen
        deadline = time.monotonic() + PATIENCE_S
        while not shows(screen := self.screen()):
            assert time.monotonic() < deadline, f"never showed {wanted!r}:\n{screen}"
            time.sleep(0.1)
        return screen

    def lab_pid(self) -> int:
        """The process of the lab itself."""
        shell = self._tmux("display-message", "-p", "#{pane_pid}").strip()
        children = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return int(children[0])

    def close(self) -> None:
        subprocess.run(["tmux", "-L", self._socket, "kill-server"], capture_output=True, check=False)

    def _tmux(self, *arguments: str) -> str:
        result = subprocess.run(
            ["tmux", "-L", self._socket, *arguments], capture_output=True, text=True, check=True
        )
        return result.stdout
