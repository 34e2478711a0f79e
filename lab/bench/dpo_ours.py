"""The lab's DPO, a pass at a time, in a process of its own: the whole loop with journal and checkpoints on.

The plan is the first argument, as JSON; then each line on stdin asks for a pass, and each answer is a line of
JSON on stdout. A "first" pass measures the reference and trains, with nothing cached; a "later" one finds the
reference on the disk. "memory" is the way a run really goes, with one model; the passes keep an untouched one
beside the trained, so that each can begin where a run begins.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.blas import kernels, preload
from lab.models.load import LoadedModel, load
from lab.models.runtime import backend_name, mx
from lab.train.folder import create_run
from lab.train.hooks import Preparation
from lab.train.layers import make_trainable
from lab.train.loop import Run, Trainer
from lab.train.net import split
from lab.train.pulse import Pulse
from lab.train.ranks import Ranks
from lab.train.runlog import RunLog, Said
from lab.train.settings import LoraParameters, TrainSettings, as_mapping
from lab.train.wiring import build_hooks
from store.home import Home
from store.journal import Journal


@dataclass(frozen=True, slots=True)
class Models:
    """The model as it was loaded, and the one that is trained: the same where a run really goes."""

    untouched: LoadedModel
    trained: LoadedModel


def settings_of(plan: dict[str, Any]) -> TrainSettings:
    """One pass over all pairs."""
    return TrainSettings(
        data=plan["data"],
        model=plan["model"],
        objective="dpo",
        objective_settings={"beta": plan["beta"]},
        optimizer="adamw",
        optimizer_config={"adamw": {"weight_decay": 0.0}},
        learning_rate=plan["learning_rate"],
        num_layers=-1,
        lora_parameters=LoraParameters(**plan["lora"]),
        batch_size=plan["batch_size"],
        max_seq_length=plan["max_seq_length"],
        allow_repeats=True,
        save_every=10_000,
    )


def a_pass(settings: TrainSettings, models: Models, home: Home, prepared: Callable[[], object]) -> None:
    """What a run does: read, measure the reference or find it, make trainable, train."""
    hooks = build_hooks(settings, models.untouched)
    corpus = hooks.objective.read(models.untouched, settings)
    ranks = Ranks()
    net = split(models.untouched.model)
    hooks.objective.prepare(Preparation(models.untouched, net, corpus, home.cache, ranks, lambda _: None))
    prepared()
    folder = create_run(home, as_mapping(settings))
    run = Run(settings, folder, models.trained, split(models.trained.model), corpus, hooks, ranks)
    with Journal.open(home, "bench") as journal, Pulse(folder) as pulse:
        Trainer(run, RunLog(folder.run_id, journal, Said()), pulse, None).train()


def main() -> None:
    plan = json.loads(sys.argv[1])
    settings = settings_of(plan)
    untouched = load(settings.model)
    if plan["memory"]:
        models = Models(untouched, untouched)
    else:
        models = Models(untouched, load(settings.model))
        make_trainable(models.trained, settings)
    told = {"blas": preload().path, "core": kernels(), "backend": backend_name()}
    print(json.dumps(told), flush=True)
    with tempfile.TemporaryDirectory(prefix="lantern-bench-") as name:
        kept = Home.resolve(Path(name) / "kept")
        for number, line in enumerate(sys.stdin):
            home = kept if line.strip() == "later" else Home.resolve(Path(name) / str(number))
            began_s, cpu_began_s = time.perf_counter(), time.process_time()
            a_pass(
                settings,
                models,
                home,
                (lambda: make_trainable(untouched, settings)) if plan["memory"] else lambda: None,
            )
            took = {
                "wall_s": time.perf_counter() - began_s,
                "cpu_s": time.process_time() - cpu_began_s,
                "peak_bytes": mx.get_peak_memory(),
            }
            print(json.dumps(took), flush=True)


if __name__ == "__main__":
    main()
