"""The way back: what stood in the place of a run's adapter stands there again, and nothing is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.models.adapters import read_adapter
from lab.train.folder import Heartbeat, RunFolder
from lab.train.rollback import ROLLED_BACK, put_in_place, roll_back
from lab.train.watch import RunTail
from store.home import Home
from store.records import EventRecord
from tests.adapters import tiny_adapter
from tests.lab.train import runs


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.resolve(tmp_path / "home")


def a_run(home: Home, tmp_path: Path, **changes: object) -> RunFolder:
    data = tmp_path / "data"
    if not data.exists():
        runs.write_data(data)
    return runs.new_run(home, runs.settings(data, **changes))


def make_adapter(folder: Path, seed: int) -> Path:
    return Path(shutil.copytree(tiny_adapter(seed=seed), folder))


def ended(folder: RunFolder, state: str = "ended") -> None:
    folder.write_heartbeat(
        Heartbeat(pid=1, host="h", state=state, step=7, planned_steps=9, at_s=2e10, words="finished")
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_adapter_that_stood_there_comes_back(home: Home, tmp_path: Path) -> None:
    place, new = make_adapter(tmp_path / "place", seed=1), make_adapter(tmp_path / "new", seed=2)
    old = contents(place)
    folder = a_run(home, tmp_path, adapter_path=str(place))
    put_in_place(folder, str(place), new)
    assert contents(place) == contents(new) != old
    # A run that is gone on with ends a second time: what it put there itself is not what was before.
    newer = make_adapter(tmp_path / "newer", seed=3)
    put_in_place(folder, str(place), newer)
    assert contents(folder.before) == old
    ended(folder)
    done = roll_back(home, folder)
    assert contents(place) == old and done.adapter == place
    (event,) = [record for record in RunTail(home, folder).poll() if isinstance(record, EventRecord)]
    assert (event.name, event.step, event.level) == (ROLLED_BACK, 7, "warning")
    assert str(place) in event.words


def test_without_one_it_is_the_adapter_of_step_0(home: Home, tmp_path: Path) -> None:
    folder = a_run(home, tmp_path)
    name = folder.read_plan()["settings"]["name"]
    first = make_adapter(folder.checkpoint(name, 0), seed=4)
    put_in_place(folder, None, make_adapter(tmp_path / "last", seed=5))
    ended(folder)
    assert "changes nothing" in roll_back(home, folder).words
    assert contents(folder.adapter) == contents(first)


def test_a_living_run_and_one_that_never_started_are_refused(home: Home, tmp_path: Path) -> None:
    folder = a_run(home, tmp_path)
    with pytest.raises(LabError, match="never started"):
        roll_back(home, folder)
    folder.write_heartbeat(
        Heartbeat(pid=1, host="elsewhere", state="training", step=1, planned_steps=9, at_s=2e10)
    )
    with pytest.raises(LabError, match="is running: stop it first"):
        roll_back(home, folder)


def test_a_real_run_is_rolled_back_to_what_its_model_was(home: Home, tmp_path: Path) -> None:
    place = tmp_path / "place"
    folder = runs.train(home, runs.settings(runs.write_data(tmp_path / "data"), adapter_path=str(place)))
    trained = read_adapter(place)
    roll_back(home, folder)
    back = read_adapter(place)
    assert back.record.id != trained.record.id
    assert all(not tensor.any().item() for key, tensor in back.load().items() if key.endswith("lora_b"))
    assert json.loads((place / "adapter_config.json").read_text("utf-8"))["step"] == 0
