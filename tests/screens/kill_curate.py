"""`python -m tests.screens.kill_curate HOME KILLS SEED`: judge in the real lab and kill it at random keys.

The lab is forked from a process that has its modules already, on a pseudo-terminal of its own: a hundred
starts are affordable. For each life of the lab a line of JSON is printed: what was acknowledged (its effect
was painted), each "verdict", "undo" or "redo", and the one that was under way at the kill.
"""

from __future__ import annotations

import importlib
import json
import os
import pty
import random
import signal
import struct
import sys
import time
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

from screens.bench.pty_lab import PtyLab

KEYS = {
    "a": "verdict",
    "b": "verdict",
    "t": "verdict",
    "x": "verdict",
    " ": "verdict",
    "u": "undo",
    "\x12": "redo",
}
MOST_MS = 60.0
PATIENCE_S = 60.0
DROPPED_S = 20.0
CARD = r"core (P\d+)_PROBE"
FOREHAND = ("duckdb", "screens.app", "screens.curate.screen", "store.queries.judgements", "store.validate")
"""What the lab will need, loaded once; no thread and no database is begun by it."""


class ForkedLab(PtyLab):
    """The lab as a fork of this process, which has imported it."""

    def __init__(self, home: Path) -> None:
        self._pid, self._leader = pty.fork()
        if self._pid == 0:
            ioctl(0, TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
            _live(home)
        self._seen = b""

    @property
    def pid(self) -> int:
        return self._pid

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._leader)


def _live(home: Path) -> None:
    try:
        from screens.app import LanternApp
        from store.home import Home

        os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        engine = ["sh", "-c", "cat > /dev/null"]
        LanternApp(Home.resolve(home), "wick", "curate", engine_command=engine, prepare=False).run()
    finally:
        os._exit(0)


def one_life(home: Path, luck: random.Random) -> tuple[int, list[str], str]:
    """Judge for a few keys, then kill the lab some milliseconds after one more."""
    lab = ForkedLab(home)
    done = int(lab.wait(r"(\d+) done", patience_s=PATIENCE_S)[1])
    card = lab.wait(CARD, patience_s=PATIENCE_S)[1].decode()
    acknowledged: list[str] = []
    undone = 0
    for _ in range(luck.randint(0, 3)):
        key = _possible(luck, done, undone)
        step = -1 if KEYS[key] == "undo" else 1
        card = _press(lab, key, card)
        done += step
        undone = undone - step if KEYS[key] != "verdict" else 0
        acknowledged.append(KEYS[key])
    key = _possible(luck, done, undone)
    lab.send(key)
    time.sleep(luck.uniform(0.0, MOST_MS) / 1e3)
    lab.kill()
    return lab.pid, acknowledged, KEYS[key]


def _press(lab: ForkedLab, key: str, card: str) -> str:
    """A key, and the other card that it leads to. One that came before the card was drawn is dropped."""
    another = rf"core (?!{card}_)(P\d+)_PROBE"
    lab.forget()
    lab.send(key)
    try:
        return lab.wait(another, patience_s=DROPPED_S)[1].decode()
    except TimeoutError:
        lab.send(key)
        return lab.wait(another, patience_s=PATIENCE_S)[1].decode()


def _possible(luck: random.Random, done: int, undone: int) -> str:
    """A key that changes something: undo only of what there is, redo only of what this life has undone."""
    while True:
        key = luck.choice("aabbtx uu\x12")
        if (KEYS[key] != "undo" or done > 0) and (KEYS[key] != "redo" or undone > 0):
            return key


def main() -> None:
    home, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    for module in FOREHAND:
        importlib.import_module(module)
    luck = random.Random(seed)
    for _ in range(kills):
        print(json.dumps(one_life(home, luck)), flush=True)


if __name__ == "__main__":
    main()
