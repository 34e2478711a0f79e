"""The training run of `lantern demo`: wick learns from answers that it has just given under the kernel."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.asks import ask_probe
from lab.demo import DEMO_KERNEL, demo_probes
from lab.errors import LabError
from lab.kernels import load as load_kernel
from lab.outfiles import write_file
from lab.probes import shipped
from lab.protocol import Ask
from lab.sampling import load_preset
from store.home import Home
from store.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.train.settings import TrainSettings

RECIPE = "demo"
TRAINED_MODEL = "wick"
ASKED = 54
HELD_OUT_EVERY = 9
FIRST_SEED = 1000
"""Away from the seeds of the demo's own probes."""


@dataclass(frozen=True, slots=True)
class DemoData:
    """A data directory, and how many answers are in it to learn from and to be tested on."""

    folder: Path
    train: int
    held_out: int


def training_asks(seed: int = 0) -> list[Ask]:
    """Core probes that the demo does not compare on, under the kernel."""
    kernel, sampling = load_kernel(DEMO_KERNEL), load_preset("default")
    compared = {probe.id for probe in demo_probes()}
    probes = [probe for probe in shipped() if probe.battery == "core" and probe.id not in compared]
    return [
        ask_probe(probe, kernel, sampling, seed + FIRST_SEED + number)
        for number, probe in enumerate(probes[:ASKED])
    ]


def write_data(home: Home, answers: Iterable[Mapping[str, Any]]) -> DemoData:
    """Questions without the kernel, with the answers given under it; those that were cut off are left out.

    `answers` are generations as mappings. Raises LabError when too few ended by themselves.
    """
    rows = [
        json.dumps({"prompt": answer["prompt"], "completion": answer["text"]}, ensure_ascii=False)
        for answer in sorted(answers, key=lambda answer: int(answer["seed"]))
        if answer["finish_reason"] == "stop" and str(answer["text"]).strip()
    ]
    held_out = rows[::HELD_OUT_EVERY]
    train = [row for number, row in enumerate(rows) if number % HELD_OUT_EVERY]
    if not train:
        raise LabError(
            "no answer under the kernel ended by itself: there is nothing for the demo to train on"
        )
    folder = home.path / "demo" / new_id()
    folder.mkdir(mode=0o700, parents=True)
    for name, lines in (("train", train), ("valid", held_out)):
        write_file(folder / f"{name}.jsonl", "\n".join(lines) + "\n")
    return DemoData(folder, len(train), len(held_out))


def training_settings(data: DemoData) -> TrainSettings:
    """The shipped recipe on this data."""
    from lab.train.recipe import preset

    return preset(RECIPE).settings(data=str(data.folder), model=TRAINED_MODEL)
