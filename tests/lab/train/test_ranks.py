"""Two processes on one run: the weights of one, one journal, and a clear word when one of them dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.models.runtime import mx
from lab.train.checkpoints import resumable
from lab.train.control import Command, parse_set, send
from lab.train.folder import RunFolder, list_runs
from store.home import Home
from tests.lab.train import runs
from tests.models import tiny_model

GIVEN: dict[str, Any] = {"batch_size": 5, "save_every": 2, "max_grad_norm": 1.0}
WATCHED: dict[str, Any] = {
    "scu": {"target": 0.02, "interval": 2, "pulse_after": 1, "pulse_steps": 2},
    "monitors": {"probes": False, "prompts": ["Whose key is it?"], "max_tokens": 6, "every": 2},
}


def adapter(folder: RunFolder) -> dict[str, np.ndarray]:
    arrays: Any = mx.load(str(folder.adapter / "adapters.safetensors"))
    return {name: np.array(value) for name, value in arrays.items()}


def assert_same_weights(left: RunFolder, right: RunFolder) -> None:
    ours, theirs = adapter(left), adapter(right)
    moved = max(np.abs(value).max() for name, value in ours.items() if name.endswith("lora_b"))
    assert moved > 1e-3
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], atol=1e-4, err_msg=name)


def processes_of(folder: RunFolder) -> list[int]:
    """Process ids of the ranks that train this run, from /proc, rank 0 first."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            environment = path.read_bytes().split(b"\0")
            command = (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        rank = next((value for value in environment if value.startswith(b"MLX_RANK=")), None)
        if rank and str(folder.path).encode() in command:
            found[int(rank.partition(b"=")[2])] = int(path.parent.name)
    return [found[rank] for rank in sorted(found)]


def test_two_ranks_give_the_weights_of_one(tmp_path: Path) -> None:
    data = runs.write_data(tmp_path / "data", train=23)
    alone, shared = Home.resolve(tmp_path / "alone"), Home.resolve(tmp_path / "shared")
    one = runs.train(alone, runs.settings(data, **GIVEN))
    two = runs.train(shared, runs.settings(data, **GIVEN), ranks=2)
    assert_same_weights(one, two)
    assert len(list(shared.journals.iterdir())) == 1
    left, right = runs.Watch(alone, one), runs.Watch(shared, two)
    np.testing.assert_allclose(left.losses(), right.losses(), atol=1e-4)
    np.testing.assert_allclose(left.losses("valid"), right.losses("valid"), atol=1e-4)
    assert [v["tokens"] for v in left.metrics().values()] == [v["tokens"] for v in right.metrics().values()]


@pytest.mark.slow
def test_control_unit_and_monitors_say_the_same_of_two_ranks(tmp_path: Path) -> None:
    data = runs.write_data(tmp_path / "data", train=23)
    alone, shared = Home.resolve(tmp_path / "alone"), Home.resolve(tmp_path / "shared")
    one = runs.train(alone, runs.settings(data, **GIVEN, **WATCHED))
    two = runs.train(shared, runs.settings(data, **GIVEN, **WATCHED), ranks=2)
    assert_same_weights(one, two)
    left, right = runs.Watch(alone, one), runs.Watch(shared, two)
    for source, name in (("probes", "entropy_nats"), ("perplexity", "general"), ("scu", "lambda")):
        expected = {step: values[name] for step, values in left.metrics(source).items()}
        found = {step: values[name] for step, values in right.metrics(source).items()}
        assert found == pytest.approx(expected, rel=1e-3) and len(expected) > 1


def test_commands_reach_every_rank_before_the_same_step(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path / "home")
    data = runs.write_data(tmp_path / "data", train=23)
    folder = runs.new_run(home, runs.settings(data, **GIVEN, epochs=300.0, allow_repeats=True))
    process, watch = runs.start(home, folder, ranks=2), runs.Watch(home, folder)
    assert watch.wait_for(process, 2)
    for command in (parse_set("learning_rate=0.004"), Command(name="pause"), Command(name="resume")):
        send(folder, command)
    assert watch.wait_for(process, max(watch.metrics()) + 3)
    send(folder, Command(name="stop"))
    runs.finish(process)
    events = {event.name: event.step for event in watch.events()}
    assert events.keys() >= {"set", "paused", "unpaused", "stopping", "stopped"}
    rates = {step: values["learning_rate"] for step, values in watch.metrics().items()}
    assert {rate for step, rate in rates.items() if step > events["set"]} == {0.004}
    assert max(rates) == events["stopped"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the ranks by /proc")
@pytest.mark.parametrize("victim", [0, 1])
def test_a_dead_rank_ends_the_run_which_can_be_gone_on_with(tmp_path: Path, victim: int) -> None:
    home = Home.resolve(tmp_path / "home")
    data = runs.write_data(tmp_path / "data", train=23)
    folder = runs.new_run(home, runs.settings(data, **GIVEN, epochs=300.0, allow_repeats=True))
    process, watch = runs.start(home, folder, ranks=2), runs.Watch(home, folder)
    assert watch.wait_for(process, 3)
    os.kill(processes_of(folder)[victim], signal.SIGKILL)
    printed = runs.finish(process, code=1, timeout_s=60)
    assert f"rank {victim} died" in printed
    assert processes_of(folder) == []
    last = watch.events()[-1]
    assert (last.name, last.level) == ("failed", "error")
    assert f"rank {victim} died (by SIGKILL); go on with `lantern train --resume" in last.words
    assert folder.presence() == "ended"
    assert resumable(folder.checkpoints)


@pytest.mark.slow
def test_mlx_launch_gives_the_weights_of_one(tmp_path: Path) -> None:
    data = runs.write_data(tmp_path / "data", train=23)
    one = runs.train(Home.resolve(tmp_path / "alone"), runs.settings(data, **GIVEN))
    launcher = Path(sys.executable).with_name("mlx.launch")
    home = Home.resolve(tmp_path / "shared")
    given = ["--data", data, "--model", tiny_model("llama"), "--batch-size", "5", "--mask-prompt"]
    given += ["--learning-rate", "1e-3", "--set", "max_grad_norm=1.0", "--set", "steps_per_eval=5"]
    command = [launcher, "-n", "2", "--", sys.executable, "-m", "screens.entry", "train", *given]
    environment = {
        **os.environ,
        "LANTERN_HOME": str(home.path),
        "PYTHONPATH": str(runs.ROOT),
        "OPENBLAS_NUM_THREADS": "1",
    }
    ran = subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr
    (two,) = list_runs(home)
    assert_same_weights(one, two)
    assert len(list(home.journals.iterdir())) == 1
