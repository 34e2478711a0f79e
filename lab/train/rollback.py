"""The way back: what stood before a run is kept, and one call puts it there again. Nothing is deleted.

Every run writes its adapter of step 0 before its first update. Where its adapter replaces another one, that
one is kept in the run's folder first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.models.names import SETTINGS, WEIGHTS
from lab.outfiles import write_file
from lab.train.folder import RunFolder
from store.home import Home
from store.ids import new_id, utc_now
from store.journal import Journal
from store.records import EventRecord

ROLLED_BACK = "rolled back"
"""The name of the event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """Where the adapter of before is again, and what it is in words."""

    adapter: Path
    words: str


def put_in_place(folder: RunFolder, adapter_path: str | None, source: Path) -> Path:
    """Copy the adapter of a checkpoint to where people look for it; another one there is kept first."""
    target = _place(folder, adapter_path)
    if _is_adapter(target) and not _is_adapter(folder.before) and not _is_of(folder, target):
        _copy(target, folder.before)
    _copy(source, target)
    return target


def roll_back(home: Home, folder: RunFolder) -> RolledBack:
    """Put the adapter of before the run where the run put its own, and write that down.

    That is the adapter that stood there, or else the one of step 0: the adapter that the run began from, or
    one that changes nothing. The run's own stays among its checkpoints. Raises LabError while the run is
    alive, and where there is nothing to go back to.
    """
    short = folder.run_id[-8:]
    if folder.presence() in ("running", "paused"):
        raise LabError(f"run {short} is running: stop it first, `lantern watch {short} --do stop`")
    settings = folder.read_plan()["settings"]
    target = _place(folder, settings.get("adapter_path"))
    first = folder.checkpoint(str(settings["name"]), 0)
    if _is_adapter(folder.before):
        source, words = folder.before, "the adapter that stood there before the run"
    elif _is_adapter(first) and settings.get("resume_adapter_file"):
        source, words = first, f"the adapter that the run began from ({settings['resume_adapter_file']})"
    elif _is_adapter(first):
        source, words = first, "the adapter of step 0, which changes nothing in the base model"
    else:
        raise LabError(f"run {short} has no adapter from before its first update: it never started")
    _copy(source, target)
    _write_down(home, folder, f"{target} is {words}")
    return RolledBack(adapter=target, words=words)


def _write_down(home: Home, folder: RunFolder, words: str) -> None:
    beat = folder.read_heartbeat()
    event = EventRecord(
        id=new_id(),
        run_id=folder.run_id,
        step=beat.step if beat else 0,
        name=ROLLED_BACK,
        level="warning",
        words=words,
        at=utc_now(),
    )
    with Journal.open(home, "rollback") as journal:
        folder.add_process(journal.path)
        journal.append(event, durable=True)


def _place(folder: RunFolder, adapter_path: str | None) -> Path:
    return Path(adapter_path).expanduser() if adapter_path else folder.adapter


def _is_adapter(path: Path) -> bool:
    return (path / WEIGHTS).is_file() and (path / SETTINGS).is_file()


def _is_of(folder: RunFolder, path: Path) -> bool:
    """Whether the run itself put the adapter there, when it ended an earlier time."""
    try:
        said = json.loads((path / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and said.get("run_id") == folder.run_id


def _copy(source: Path, target: Path) -> None:
    """The weights first: settings without them are no adapter."""
    for name in (WEIGHTS, SETTINGS):
        write_file(target / name, (source / name).read_bytes())
