"""Starts the ranks of a run on this machine and sees after them: when one dies, the run ends and says so."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lab.train.folder import Heartbeat, RunFolder
from lab.train.runlog import RunLog, Said
from store.home import Home
from store.journal import Journal

POLL_S = 0.1
RANK_LOST = 3
"""How a rank ends that lost another one and leaves it to the supervisor to say so."""

SUPERVISED_VARIABLE = "LANTERN_SUPERVISED"
GRACE_S = 5.0


def supervise(home: Home, folder: RunFolder, ranks: int) -> int:
    """Run `ranks` processes on the run until all have ended; the exit code."""
    hosts = folder.path / "hosts.json"
    hosts.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in _free_ports(ranks)]), encoding="utf-8")
    processes = [_start(home, folder, rank, ranks, hosts) for rank in range(ranks)]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: processes[0].send_signal(got))
    while all(process.poll() is None for process in processes):
        time.sleep(POLL_S)
    _wait(processes, GRACE_S)
    codes = [process.poll() for process in processes]
    if all(code == 0 for code in codes):
        return 0
    _kill(processes)
    if codes[0] != 1:
        # The first rank did not say it itself: it is dead, lost the others, or waits for them for ever.
        _say_dead(home, folder, codes)
    return 1


def _start(home: Home, folder: RunFolder, rank: int, ranks: int, hosts: Path) -> subprocess.Popen[bytes]:
    threads = str(max((os.cpu_count() or 1) // ranks, 1))
    environment = {
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        **os.environ,
        "MLX_RANK": str(rank),
        "MLX_HOSTFILE": str(hosts),
        SUPERVISED_VARIABLE: "1",
    }
    command = [sys.executable, "-m", "lab.train.worker", "--home", str(home.path), "--run", str(folder.path)]
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on just now, all held at once so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _wait(processes: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    """Give the others time to end by themselves."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(process.poll() is None for process in processes):
        time.sleep(POLL_S)


def _kill(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()


def _say_dead(home: Home, folder: RunFolder, codes: Sequence[int | None]) -> None:
    dead = next((rank for rank, code in enumerate(codes) if code not in (None, 0, RANK_LOST)), 0)
    words = (
        f"rank {dead} died ({_how(codes[dead])}); go on with `lantern train --resume {folder.run_id[-8:]}`"
    )
    beat = folder.read_heartbeat()
    step = beat.step if beat else 0
    with Journal.open(home, "trainer") as journal:
        folder.add_process(journal.path)
        RunLog(folder.run_id, journal, Said()).event(step, "failed", words, "error", always=True)
    folder.write_heartbeat(
        Heartbeat(
            pid=os.getpid(),
            host=socket.gethostname(),
            state="ended",
            step=step,
            planned_steps=beat.planned_steps if beat else 0,
            at_s=time.time(),
            words=f"failed: {words}",
        )
    )
    print(f"lantern: {words}", file=sys.stderr)


def _how(code: int | None) -> str:
    if code is None:
        return "no exit code"
    return f"by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
