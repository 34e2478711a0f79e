"""The training of a phase: a run of its own process, which outlives us; found again when we come back."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from lab.curriculum.settings import Phase, file_name, train_settings
from lab.curriculum.state import TRAIN
from lab.curriculum.workshop import Step, StoppedError, Workshop
from lab.errors import LabError
from lab.models.adapters import read_adapter
from lab.train.control import Command, send
from lab.train.folder import Heartbeat, RunFolder, create_run, runs_folder
from lab.train.launch import launch
from lab.train.settings import as_mapping

POLL_S = 0.2


def create(shop: Workshop, phase: Phase, *, data: Path, model: str, adapter: str | None) -> RunFolder:
    """A new run for the phase, going on from `adapter` where there is one; it is not started yet."""
    settings = train_settings(
        phase,
        data=str(data),
        model=model,
        name=file_name(f"{shop.record.name}-{phase.name}"),
        resume_adapter_file=adapter,
    )
    return create_run(shop.home, as_mapping(settings))


def folder_of(shop: Workshop, run_id: str) -> RunFolder:
    """The folder of a run that was created."""
    return RunFolder(runs_folder(shop.home) / run_id)


def carry_out(shop: Workshop, phase: Phase, folder: RunFolder) -> str:
    """Start the run, go on with it, or wait for it if it is running; how it ended.

    Raises LabError when it failed, StoppedError when it was stopped (it saved everything first).
    """
    # The run needs the memory more than we do.
    shop.models.release()
    process: subprocess.Popen[bytes] | None = None
    if folder.presence() in ("not started", "presumed dead", "ended") and not _is_finished(folder):
        process = launch(shop.home, folder)
    asked_to_stop = False
    began = time.monotonic()
    first: int | None = None
    while _is_going(folder, process):
        beat = folder.read_heartbeat()
        if beat is not None and beat.state != "ended":
            first = beat.step if first is None else first
            shop.told(_step(phase, beat, first, time.monotonic() - began))
        if shop.should_stop() and not asked_to_stop:
            asked_to_stop = True
            send(folder, Command(name="stop", value="the curriculum was stopped"))
        time.sleep(POLL_S)
    return _ending(folder, process)


def result(folder: RunFolder) -> dict[str, Any]:
    """The adapter that came out of a finished run: its id and folder."""
    return {"adapter_id": read_adapter(folder.adapter).record.id, "adapter": str(folder.adapter)}


def _is_going(folder: RunFolder, process: subprocess.Popen[bytes] | None) -> bool:
    if process is not None:
        return process.poll() is None
    return folder.presence() in ("running", "paused")


def _is_finished(folder: RunFolder) -> bool:
    beat = folder.read_heartbeat()
    return beat is not None and beat.ending == "finished"


def _ending(folder: RunFolder, process: subprocess.Popen[bytes] | None) -> str:
    beat = folder.read_heartbeat()
    if beat is not None and beat.state == "ended":
        if beat.ending == "finished":
            return beat.words
        if beat.ending == "stopped":
            raise StoppedError
        raise LabError(f"run {folder.run_id[-8:]} {beat.words}")
    code = "" if process is None else f" (exit code {process.returncode})"
    raise LabError(f"run {folder.run_id[-8:]} died{code}; its log is {folder.log}; go on with resume")


def _step(phase: Phase, beat: Heartbeat, first: int, elapsed_s: float) -> Step:
    made, left = beat.step - first, beat.planned_steps - beat.step
    eta_s = elapsed_s / made * left if made else None
    return Step(phase.name, TRAIN, beat.state, beat.step, beat.planned_steps or None, eta_s)
