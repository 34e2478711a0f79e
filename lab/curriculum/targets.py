"""What is to be judged, by the names that people give: a run, a checkpoint of it, an adapter's path."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.models.names import SETTINGS, WEIGHTS
from lab.train.folder import RunFolder, find_run
from store.home import Home

BASE_NAMES = ("base", "none")
ALL, BEST = "all", "best"


@dataclass(frozen=True, slots=True)
class Target:
    """An adapter (None: the model alone), and where known the run and step that made it, and its model.

    `valid_data` is the data directory of the run, where that holds held-out data.
    """

    name: str
    adapter: Path | None
    run_id: str | None = None
    step: int | None = None
    model: str | None = None
    valid_data: str | None = None


def find_targets(home: Home, named: str, checkpoint: str | None = None) -> list[Target]:
    """What `named` means: "base", an adapter folder or file, or a run by id, end of id, name or "last".

    Of a run `checkpoint` takes all of its checkpoints ("all"), its best one ("best", the default) or one by
    its step. Raises LabError.
    """
    if named in BASE_NAMES:
        return [Target("base", None)]
    path = Path(named).expanduser()
    if path.exists():
        if checkpoint is not None:
            raise LabError(f"--checkpoint {checkpoint}: {named} is one adapter; name a run to choose of many")
        return [_of_path(path)]
    try:
        run = find_run(home, named)
    except LabError as error:
        raise LabError(f"{named}: no adapter there, and {error}") from error
    return _of_run(run, checkpoint or BEST)


def _of_path(path: Path) -> Target:
    said = _settings(path if path.is_dir() else path.parent)
    run_id, step, model = said.get("run_id"), said.get("step"), said.get("model")
    return Target(
        name=path.name,
        adapter=path,
        run_id=run_id if isinstance(run_id, str) else None,
        step=step if isinstance(step, int) else None,
        model=model if isinstance(model, str) else None,
    )


def _of_run(run: RunFolder, checkpoint: str) -> list[Target]:
    settings = run.read_plan()["settings"]
    name, model = str(settings.get("name")), str(settings.get("model"))
    there, valid = checkpoints_of(run), _valid_data(str(settings.get("data")))
    if checkpoint == BEST:
        given = settings.get("adapter_path")
        place = Path(given).expanduser() if given else run.adapter
        if not (place / WEIGHTS).is_file():
            raise LabError(f"run {run.run_id[-8:]} has no adapter yet: {_there(there)}")
        step = _settings(place).get("step")
        return [Target(name, place, run.run_id, step if isinstance(step, int) else None, model, valid)]
    if checkpoint == ALL:
        wanted = there
    else:
        if not checkpoint.isdecimal():
            raise LabError(f"--checkpoint {checkpoint}: expected {ALL}, {BEST} or a step")
        wanted = {step: path for step, path in there.items() if step == int(checkpoint)}
    if not wanted:
        raise LabError(f"run {run.run_id[-8:]} has no checkpoint {checkpoint}: {_there(there)}")
    return [Target(f"{name}@{step}", path, run.run_id, step, model, valid) for step, path in wanted.items()]


def checkpoints_of(run: RunFolder) -> dict[int, Path]:
    """The adapters that a run saved, by step, in order; that of step 0 changes nothing and is left out."""
    found: dict[int, Path] = {}
    for path in run.checkpoints.glob("*-*"):
        step = path.name.rpartition("-")[2]
        if step.isdecimal() and int(step) > 0 and (path / WEIGHTS).is_file():
            found[int(step)] = path
    return dict(sorted(found.items()))


def _valid_data(data: str) -> str | None:
    folder = Path(data).expanduser()
    return str(folder) if (folder / "valid.jsonl").is_file() else None


def _there(steps: dict[int, Path]) -> str:
    return f"there are steps {', '.join(map(str, steps))}" if steps else "it has saved none"


def _settings(folder: Path) -> dict[str, object]:
    try:
        said = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
