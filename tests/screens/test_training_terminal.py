"""A real run on a real terminal: watched, paused, and left to itself when the terminal goes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.train.control import Command, send
from lab.train.folder import RunFolder, find_run
from store.home import Home
from tests.lab.train.runs import write_data
from tests.screens.tmux import HAS_TMUX, ROOT, Terminal

PATIENCE_S = 120.0


def start_run(home: Home, data: Path) -> RunFolder:
    """A run of wick, as the command line starts it."""
    command = [sys.executable, "-m", "screens.entry", "train", "--data", str(data), "--name", "river"]
    command += ["--home", str(home.path), "--mask-prompt", "--epochs", "200", "--allow-repeats", "--detach"]
    subprocess.run([*command, "--batch-size", "2"], check=True, cwd=ROOT, timeout=PATIENCE_S)
    return find_run(home, "river")


def wait_for(folder: RunFolder, *presence: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while folder.presence() not in presence:
        assert time.monotonic() < deadline, f"it is {folder.presence()}: {folder.log.read_text()}"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.skipif(not HAS_TMUX, reason="needs tmux")
def test_a_real_run_is_watched_paused_and_outlives_the_terminal(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path / "home")
    folder = start_run(home, write_data(tmp_path / "data"))
    terminal = Terminal(home=home.path)
    try:
        terminal.wait("1 Probes")
        terminal.keys("4")
        terminal.wait("river")
        terminal.wait("tok/s")
        terminal.wait("Loss")
        terminal.keys("p")
        wait_for(folder, "paused")
        terminal.wait("paused")
        terminal.keys("p")
        wait_for(folder, "running")
        terminal.close()
        before = folder.read_heartbeat()
        assert before is not None
        deadline = time.monotonic() + PATIENCE_S
        while (beat := folder.read_heartbeat()) is None or beat.step <= before.step:
            assert time.monotonic() < deadline, "the run stood still without its terminal"
            time.sleep(0.1)
    finally:
        terminal.close()
        send(folder, Command(name="stop"))
        wait_for(folder, "ended", "presumed dead")
    assert folder.presence() == "ended"
