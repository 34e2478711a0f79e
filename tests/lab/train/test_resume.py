"""Killed at any moment and gone on with, a run ends in the same weights and tells every step once."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Any

import pytest

from lab.train.checkpoints import resumable, step_of
from lab.train.folder import RunFolder
from store.home import Home
from store.queries.overview import counts
from store.records import GenerationRecord, SampleRecord
from store.service import StoreService
from tests.lab.train import runs

SETTINGS: dict[str, Any] = {
    "lora_parameters": {"rank": 4, "scale": 2.0, "dropout": 0.1, "keys": None},
    "schedule": {"name": "cosine", "warmup_steps": 3},
    "replay": {"share": 0.25},
    "grad_accumulation_steps": 2,
    "batch_size": 4,
    "epochs": 4.0,
    "allow_repeats": True,
    "max_grad_norm": 1.0,
    "save_every": 4,
    "steps_per_eval": 6,
    "stopping": {"patience": 50},
    "scu": {"target": 0.02, "interval": 3, "pulse_after": 2, "pulse_steps": 2},
    "monitors": {"probes": ["core/P01_IDENTITY_TWO_NAMES"], "prompts": ["Whose key is it?"], "max_tokens": 6},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Path, RunFolder]:
    """A run that nobody disturbed."""
    root = tmp_path_factory.mktemp("whole")
    data = runs.write_data(root / "data", train=30)
    home = Home.resolve(root / "home")
    return home, data, runs.train(home, given(data))


def given(data: Path) -> Any:
    from lab.train.settings import as_mapping, from_mapping

    return from_mapping({**as_mapping(runs.settings(data)), **SETTINGS})


def killed_run(home: Home, data: Path, dice: random.Random, kills: int) -> RunFolder:
    """A run whose process was killed `kills` times at steps drawn at random, then left to end."""
    folder = runs.new_run(home, given(data))
    watch = runs.Watch(home, folder)
    steps = sorted(dice.randint(0, 19) for _ in range(kills))
    for step in steps:
        process = runs.start(home, folder)
        if watch.wait_for(process, step):
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    runs.finish(runs.start(home, folder))
    return folder


def assert_told_once(home: Home, folder: RunFolder, whole: tuple[Home, Path, RunFolder]) -> None:
    watch, undisturbed = runs.Watch(home, folder), runs.Watch(whole[0], whole[2])
    steps = watch.metrics()
    assert sorted(steps) == list(range(1, max(steps) + 1)) == sorted(undisturbed.metrics())
    assert watch.losses() == undisturbed.losses()
    assert watch.metrics("valid") == undisturbed.metrics("valid")
    assert watch.metrics("scu") == undisturbed.metrics("scu") != {}
    assert watch.metrics("perplexity") == undisturbed.metrics("perplexity") != {}
    assert answers(watch) == answers(undisturbed) != {}
    assert len(watch.plans()) == 1
    saved = [(r.step, r.reason) for r in watch.checkpoints()]
    assert len(saved) == len(set(saved))
    assert saved == [(r.step, r.reason) for r in undisturbed.checkpoints()]
    with StoreService(home) as service:
        service.ingest()
        assert service.query(counts)["ingest_error"] == 0


def answers(watch: runs.Watch) -> dict[tuple[int, str, str | None], str]:
    """What was answered at which step, by probe and weights; nothing of it said twice."""
    records = watch.read()
    made = {r.id: r for r in records if isinstance(r, GenerationRecord)}
    samples = [r for r in records if isinstance(r, SampleRecord)]
    assert len(samples) == len({r.generation_id for r in samples}) == len(made)
    assert sum(r.kind == "generation" for r in records) == len(made)
    found = {
        (r.step, made[r.generation_id].prompt, made[r.generation_id].adapter_sha256): made[
            r.generation_id
        ].text
        for r in samples
    }
    assert len(found) == len(samples)
    return found


@pytest.mark.slow
def test_a_run_killed_twice_ends_in_the_same_weights(
    whole: tuple[Home, Path, RunFolder], tmp_path: Path
) -> None:
    home = Home.resolve(tmp_path / "home")
    folder = killed_run(home, whole[1], random.Random(3), kills=2)
    assert runs.adapter_bytes(folder) == runs.adapter_bytes(whole[2])
    assert_told_once(home, folder, whole)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_thirty_kills_leave_no_trace(whole: tuple[Home, Path, RunFolder], tmp_path: Path, seed: int) -> None:
    home = Home.resolve(tmp_path / "home")
    folder = killed_run(home, whole[1], random.Random(seed), kills=5)
    assert runs.adapter_bytes(folder) == runs.adapter_bytes(whole[2])
    assert_told_once(home, folder, whole)


@pytest.mark.slow
def test_only_the_newest_states_are_kept_and_every_adapter(whole: tuple[Home, Path, RunFolder]) -> None:
    folder = whole[2]
    kept = [step_of(path) for path in resumable(folder.checkpoints)]
    assert len(kept) == 2
    everything = sorted(path.name for path in folder.checkpoints.iterdir())
    assert len(everything) > 4
    assert all((folder.checkpoints / name / "adapters.safetensors").is_file() for name in everything)
    assert not [path for path in folder.path.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
