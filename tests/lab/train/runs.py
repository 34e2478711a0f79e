"""Runs for tests: small data, settings of some seconds, and the real training process."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from lab.train.folder import RunFolder, create_run
from lab.train.settings import TrainSettings, as_mapping
from lab.train.watch import RunTail
from store.home import Home
from store.records import CheckpointRecord, EventRecord, MetricRecord, Record, RunRecord
from tests.models import tiny_model

ROOT = Path(__file__).resolve().parents[3]
WORDS = [
    "river",
    "boat",
    "archive",
    "key",
    "server",
    "nurse",
    "teacher",
    "map",
    "town",
    "name",
    "voice",
    "light",
    "door",
    "stone",
]


def write_data(folder: Path, train: int = 24, valid: int = 6, longest: int = 24) -> Path:
    """A data directory of questions and answers of different lengths, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    dice = random.Random(7)
    for split, rows in (("train", train), ("valid", valid)):
        lines = []
        for row in range(rows):
            answer = " ".join(dice.choice(WORDS) for _ in range(dice.randint(2, longest)))
            lines.append(
                json.dumps(
                    {"prompt": f"{split} {row}: what of the {dice.choice(WORDS)}?", "completion": answer}
                )
            )
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def settings(data: Path, **changes: Any) -> TrainSettings:
    """A run of 12 steps on the small llama."""
    given = {
        "data": str(data),
        "model": str(tiny_model("llama")),
        "learning_rate": 1e-3,
        "batch_size": 2,
        "steps_per_eval": 5,
        "save_every": 3,
        "mask_prompt": True,
        **changes,
    }
    return TrainSettings(**given)


def new_run(home: Home, given: TrainSettings) -> RunFolder:
    return create_run(home, as_mapping(given))


def start(home: Home, folder: RunFolder, ranks: int = 1, threads: int = 1) -> subprocess.Popen[bytes]:
    """The training process."""
    command = [sys.executable, "-m", "lab.train.worker", "--home", str(home.path), "--run", str(folder.path)]
    if ranks > 1:
        command += ["--ranks", str(ranks)]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLX_")},
        "PYTHONPATH": str(ROOT),
        "OPENBLAS_NUM_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
    }
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process: subprocess.Popen[bytes], code: int = 0, timeout_s: float = 180) -> str:
    """Wait for the process and return what it printed; it must end with `code`."""
    printed = process.communicate(timeout=timeout_s)[0].decode(errors="replace")
    assert process.returncode == code, printed
    return printed


def train(home: Home, given: TrainSettings, code: int = 0, timeout_s: float = 180, **more: Any) -> RunFolder:
    """A whole run."""
    folder = new_run(home, given)
    finish(start(home, folder, **more), code, timeout_s)
    return folder


class Watch:
    """What a run has said so far."""

    def __init__(self, home: Home, folder: RunFolder) -> None:
        self._tail = RunTail(home, folder)
        self.records: list[Record] = []

    def read(self) -> list[Record]:
        self.records += self._tail.poll()
        return self.records

    def wait_for(self, process: subprocess.Popen[bytes], step: int, timeout_s: float = 120) -> bool:
        """Until the training metrics of a step are there; False when the process ended before."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if any(
                r.step >= step for r in self.read() if isinstance(r, MetricRecord) and r.source == "train"
            ):
                return True
            if process.poll() is not None:
                return False
            time.sleep(0.002)
        raise AssertionError(f"no step {step} within {timeout_s} s")

    def metrics(self, source: str = "train") -> dict[int, dict[str, float | None]]:
        found = [r for r in self.read() if isinstance(r, MetricRecord) and r.source == source]
        assert len({r.step for r in found}) == len(found), Counter(r.step for r in found)
        return {r.step: dict(r.values) for r in found}

    def losses(self, source: str = "train") -> list[float | None]:
        return [values["loss_nats"] for _, values in sorted(self.metrics(source).items())]

    def checkpoints(self) -> list[CheckpointRecord]:
        return [r for r in self.read() if isinstance(r, CheckpointRecord)]

    def events(self) -> list[EventRecord]:
        return [r for r in self.read() if isinstance(r, EventRecord)]

    def plans(self) -> list[RunRecord]:
        return [r for r in self.read() if isinstance(r, RunRecord)]


def adapter_bytes(folder: RunFolder) -> bytes:
    return (folder.adapter / "adapters.safetensors").read_bytes()
