"""The folder of a run under the lab's home: what is in it, who works on it, whether it is alive.

No heavy imports: screens and commands look into these folders too. Everything in them is 0600.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lab.errors import LabError
from lab.outfiles import write_file
from store.home import Home
from store.ids import new_id, utc_now
from store.records import RUN_ENDS

RUNS = "runs"
SILENT_S = 10.0
"""A run that has not spoken for so long is presumed dead; it revives when it speaks again."""

Presence = Literal["not started", "running", "paused", "ended", "presumed dead"]
RunState = Literal["starting", "training", "evaluating", "saving", "paused", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What a run last said of itself. `words` says how it ended, or what it does."""

    pid: int
    host: str
    state: RunState
    step: int
    planned_steps: int
    at_s: float
    words: str = ""

    @property
    def ending(self) -> str:
        """How the run ended, by the name of the event that says so; empty while it has not."""
        name = self.words.partition(":")[0]
        return name if self.state == "ended" and name in RUN_ENDS else ""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's folder and the names of what is in it."""

    path: Path

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def plan(self) -> Path:
        """The settings, as the run was started with."""
        return self.path / "run.json"

    @property
    def processes(self) -> Path:
        """A line for every process that worked on the run, with the name of its journal."""
        return self.path / "processes.jsonl"

    @property
    def control(self) -> Path:
        """Commands to the run, a line each (see `lab.train.control`)."""
        return self.path / "control.jsonl"

    @property
    def heartbeat(self) -> Path:
        return self.path / "alive.json"

    @property
    def log(self) -> Path:
        """What the processes printed."""
        return self.path / "log.txt"

    @property
    def lock(self) -> Path:
        """Held by the process that trains."""
        return self.path / "lock"

    @property
    def ledger(self) -> Path:
        """Hashes of the examples seen."""
        return self.path / "ledger.txt"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def checkpoint(self, name: str, step: int) -> Path:
        """Where the checkpoint of a step is; `name` is the run's."""
        return self.checkpoints / f"{name}-{step:07d}"

    @property
    def adapter(self) -> Path:
        """The adapter that came out of it."""
        return self.path / "adapter"

    @property
    def before(self) -> Path:
        """The adapter that the run's own took the place of, where there was one."""
        return self.path / "before"

    def read_plan(self) -> dict[str, Any]:
        """The settings. Raises LabError when they cannot be read."""
        try:
            plan = json.loads(self.plan.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise LabError(f"{self.plan} cannot be read: {error}") from error
        if not isinstance(plan, dict):
            raise LabError(f"{self.plan} does not hold the settings of a run")
        return plan

    def journals(self) -> list[str]:
        """File names of the journals that its processes wrote, the oldest first."""
        try:
            lines = self.processes.read_text(encoding="utf-8").splitlines(keepends=True)
        except OSError:
            return []
        return [str(json.loads(line)["journal"]) for line in lines if line.endswith("\n")]

    def add_process(self, journal: Path) -> None:
        """Tell that this process works on the run and writes that journal."""
        line = {
            "journal": journal.name,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started_at": utc_now(),
        }
        append_line(self.processes, line)

    def read_heartbeat(self) -> Heartbeat | None:
        """What the run last said of itself; None when it has not spoken yet."""
        try:
            return Heartbeat(**json.loads(self.heartbeat.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Replace what the run says of itself; not flushed, for it is worth nothing after a crash."""
        aside = self.heartbeat.with_suffix(".tmp")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(heartbeat), file)
        aside.replace(self.heartbeat)

    def presence(self, now_s: float | None = None) -> Presence:
        """Whether the run is alive, as far as can be seen from outside."""
        beat = self.read_heartbeat()
        if beat is None:
            return "not started"
        if beat.state == "ended":
            return "ended"
        if (time.time() if now_s is None else now_s) - beat.at_s > SILENT_S or _is_gone(beat):
            return "presumed dead"
        return "paused" if beat.state == "paused" else "running"


def create_run(home: Home, settings: Mapping[str, Any]) -> RunFolder:
    """A new run's folder with its settings in it."""
    folder = RunFolder(runs_folder(home) / new_id())
    for path in (runs_folder(home), folder.path, folder.checkpoints):
        path.mkdir(mode=0o700, exist_ok=True)
    write_file(folder.plan, json.dumps({"id": folder.run_id, "created_at": utc_now(), "settings": settings}))
    return folder


def find_run(home: Home, named: str) -> RunFolder:
    """The run with this id, end of an id, or name; of several with one name the newest. "last" is the newest.

    Raises LabError when there is none, or several ids end so.
    """
    folders = list_runs(home)
    if not folders:
        raise LabError("there are no runs yet: start one with `lantern train`")
    if named == "last":
        return folders[0]
    by_id = [folder for folder in folders if folder.run_id == named or folder.run_id.endswith(named)]
    if len(by_id) > 1:
        raise LabError(f"{len(by_id)} runs have an id that ends in {named}: give more of it")
    by_name = [folder for folder in folders if folder.read_plan()["settings"].get("name") == named]
    found = by_id + by_name
    if not found:
        raise LabError(f"no run {named!r}: `lantern watch --list` shows them")
    return found[0]


def list_runs(home: Home) -> list[RunFolder]:
    """All runs, the newest first."""
    found = (RunFolder(path) for path in runs_folder(home).glob("*") if (path / "run.json").is_file())
    return sorted(found, key=lambda folder: folder.run_id, reverse=True)


def runs_folder(home: Home) -> Path:
    """Where the runs are."""
    return home.path / RUNS


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Append one JSON line and flush it to the disk; lines of several writers do not mix."""
    data = json.dumps(value, ensure_ascii=True).encode() + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_gone(beat: Heartbeat) -> bool:
    """Whether the process is known to be no more; on another host nothing is known."""
    if beat.host != socket.gethostname():
        return False
    try:
        os.kill(beat.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
