"""The process that trains: from a run's folder to its adapter. It never imports DuckDB.

`python -m lab.train.worker --home HOME --run FOLDER` trains alone; with `--ranks N` it starts N processes and
sees after them. What goes wrong is said in the run's journal; what Python prints goes to the run's log.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.train.control import Command, ControlReader, send
from lab.train.folder import RunFolder
from lab.train.pulse import Pulse
from lab.train.runlog import RunLog, Said, what_was_said
from lab.train.settings import TrainSettings, from_mapping
from lab.train.supervisor import RANK_LOST, SUPERVISED_VARIABLE, supervise
from store.errors import StoreError
from store.home import Home
from store.ids import utc_now
from store.journal import Journal
from store.records import RunRecord

if TYPE_CHECKING:
    from lab.models.load import LoadedModel
    from lab.train.hooks import Corpus, Hooks
    from lab.train.loop import Outcome, Run, Trainer
    from lab.train.ranks import Ranks

FAILED = 1
GENTLY = 5
"""By how much a run steps back behind what people wait for (see nice(2))."""


def main() -> int:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(prog="lab.train.worker")
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--run", required=True, type=Path)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--gently", action="store_true")
    arguments = parser.parse_args()
    if arguments.gently:
        os.nice(GENTLY)
    home, folder = Home.resolve(arguments.home), RunFolder(arguments.run)
    if arguments.ranks > 1 and "MLX_RANK" not in os.environ:
        return supervise(home, folder, arguments.ranks)
    return train_run(home, folder)


def train_run(home: Home, folder: RunFolder) -> int:
    """Train a run, or this process's part of it, to its end; the exit code."""
    from lab.train.ranks import join_ranks

    ranks = join_ranks()
    if not ranks.is_first:
        # Ctrl-C reaches every process of a terminal; the first rank tells the others when to stop.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return _train(home, folder, ranks, RunLog(folder.run_id, None, Said()), Pulse(None))
    with _alone(folder), Journal.open(home, "trainer") as journal:
        log = RunLog(folder.run_id, journal, what_was_said(home, folder))
        folder.add_process(journal.path)
        return _train(home, folder, ranks, log, Pulse(folder))


def _train(home: Home, folder: RunFolder, ranks: Ranks, log: RunLog, pulse: Pulse) -> int:
    from lab.train.ranks import RankLostError

    with pulse:
        try:
            commands = _listen(folder, log) if ranks.is_first else None
            outcome = _prepared(home, folder, ranks, log, pulse, commands)
        except RankLostError as error:
            if SUPERVISED_VARIABLE in os.environ:
                return RANK_LOST
            return _fail(log, pulse, f"{error}; go on with `lantern train --resume {folder.run_id[-8:]}`")
        except (LabError, StoreError) as error:
            return _fail(log, pulse, str(error))
        except Exception as error:
            traceback.print_exc()
            return _fail(log, pulse, f"internal error, see {folder.log}: {type(error).__name__}: {error}")
    return FAILED if outcome.name == "failed" else 0


def _fail(log: RunLog, pulse: Pulse, words: str) -> int:
    print(f"lantern: {words}", file=sys.stderr)
    pulse.say("ended", words=f"failed: {words}")
    # A full disk may be what went wrong.
    with contextlib.suppress(StoreError):
        log.event(pulse.step, "failed", words, "error", always=True)
    return FAILED


@contextlib.contextmanager
def _alone(folder: RunFolder) -> Iterator[None]:
    """Hold the run's lock. Raises LabError when another process trains it."""
    descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        beat = folder.read_heartbeat()
        raise LabError(
            f"run {folder.run_id} is being trained by process {beat.pid if beat else '?'}: "
            f"`lantern watch {folder.run_id[-8:]}` shows it"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def _listen(folder: RunFolder, log: RunLog) -> ControlReader:
    """Read commands from now on; SIGINT and SIGTERM are commands to stop. Old ones are for dead processes."""
    resumed = log.said.run

    def stop(number: int, _: Any) -> None:
        send(folder, Command(name="stop", value=f"stopped by {signal.Signals(number).name}"))

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return ControlReader(folder, log.said.answered, from_end=resumed)


def _prepared(
    home: Home, folder: RunFolder, ranks: Ranks, log: RunLog, pulse: Pulse, commands: ControlReader | None
) -> Outcome:
    """Load, read and check everything, say what is going to happen, and do it."""
    from lab.train.data.ledger import repeats
    from lab.train.loop import Trainer

    settings = from_mapping(folder.read_plan()["settings"], str(folder.plan))
    pulse.say("starting", words="reading model and data")
    loaded, hooks, corpus = _read(home, settings, ranks)
    prepared = _prepare(home, loaded, hooks, corpus, ranks, pulse)
    run, trainable, parent = _trainable(folder, settings, ranks, loaded, hooks, corpus)
    trainer = Trainer(run, log, pulse, commands)
    start = _last_checkpoint(run)
    seen = None if start else repeats(home, settings, run.corpus, trainer.plan.passes, but=folder.run_id)
    pulse.say("starting", planned_steps=trainer.plan.steps)
    log.run(_record(run, trainer, trainable, parent))
    if start is None:
        held = sum(getattr(item, "learned", item.length) for item in run.corpus.train)
        size = (
            f"{len(run.corpus.train):,} examples of {held:,} counted tokens, "
            f"{trainer.plan.tokens:,} tokens planned"
        )
        words = f"{trainer.plan.steps:,} steps over {size}, on {run.loaded.backend}"
        log.event(0, "started", words, always=True)
        for words in (*run.corpus.notices, *([seen] if seen else [])):
            log.event(0, "warning", words, "warning")
        if prepared:
            log.event(0, "prepared", prepared)
    else:
        from lab.train.checkpoints import step_of

        log.event(step_of(start), "resumed", f"gone on from {start.name}", always=True)
    with _recomputing(run):
        return trainer.train(start)


def _read(home: Home, settings: TrainSettings, ranks: Ranks) -> tuple[LoadedModel, Hooks, Corpus]:
    """The model as it is, and what it is to be trained on and with."""
    from lab.models.load import load
    from lab.train.wiring import build_hooks

    loaded = load(settings.model, cache_dir=home.cache)
    hooks = build_hooks(settings, loaded)
    corpus = hooks.objective.read(loaded, settings)
    if len(corpus.train) < ranks.size:
        raise LabError(f"{len(corpus.train)} examples for {ranks.size} ranks: give more, or use fewer ranks")
    return loaded, hooks, corpus


def _prepare(
    home: Home, loaded: LoadedModel, hooks: Hooks, corpus: Corpus, ranks: Ranks, pulse: Pulse
) -> str | None:
    """What the objective must compute with the untouched model; said in the heartbeat while it lasts."""
    from lab.train.hooks import Preparation
    from lab.train.net import split

    def say(words: str) -> None:
        pulse.say("starting", words=words)

    preparation = Preparation(loaded, split(loaded.model), corpus, home.cache, ranks, say)
    return hooks.objective.prepare(preparation)


def _trainable(
    folder: RunFolder,
    settings: TrainSettings,
    ranks: Ranks,
    loaded: LoadedModel,
    hooks: Hooks,
    corpus: Corpus,
) -> tuple[Run, int, str | None]:
    """The run with its model made trainable, the number of trainable weights, and the run it goes on from."""
    from lab.train.layers import make_trainable
    from lab.train.loop import Run
    from lab.train.net import split

    trainable = make_trainable(loaded, settings)
    parent = _take_up(loaded, settings)
    return Run(settings, folder, loaded, split(loaded.model), corpus, hooks, ranks), trainable, parent


def _take_up(loaded: LoadedModel, settings: TrainSettings) -> str | None:
    """Begin from the weights of an adapter, where the settings name one; the run that made it."""
    if settings.resume_adapter_file is None:
        return None
    import json

    from mlx.utils import tree_flatten

    from lab.models.adapters import read_adapter
    from lab.models.names import SETTINGS

    adapter = read_adapter(settings.resume_adapter_file)
    ours: Any = tree_flatten(loaded.model.trainable_parameters())
    shapes = {name: tuple(value.shape) for name, value in ours}
    for name, shape in adapter.shapes.items():
        if shapes.get(name) != shape:
            raise LabError(
                f"{adapter.weights}: {name} is {shape}, this run trains {shapes.get(name, 'nothing there')}: "
                "give it the rank, layers and keys of that adapter"
            )
    loaded.model.load_weights(list(adapter.load().items()), strict=False)
    said = json.loads((adapter.weights.parent / SETTINGS).read_text(encoding="utf-8"))
    return str(said["run_id"]) if "run_id" in said else None


def _last_checkpoint(run: Run) -> Path | None:
    """The newest checkpoint to go on from. Raises LabError when model or data have changed."""
    from lab.train.checkpoints import load_state, resumable

    found = resumable(run.folder.checkpoints)
    if not found:
        return None
    state = load_state(found[-1])
    if state.model_id != run.loaded.record.id:
        raise LabError(f"{run.settings.model} is not the model this run was started on: it has changed")
    if state.data_sha256 != run.corpus.sha256:
        raise LabError(f"{run.settings.data}: the data has changed since this run was started")
    return found[-1]


def _record(run: Run, trainer: Trainer, trainable: int, parent: str | None) -> RunRecord:
    from lab.train.settings import as_mapping

    return RunRecord(
        id=run.folder.run_id,
        name=run.settings.name,
        model_id=run.loaded.record.id,
        objective=run.settings.objective,
        fine_tune_type=run.settings.fine_tune_type,
        settings=_as_recorded(as_mapping(run.settings), trainer.plan.tokens),
        data_sha256=run.corpus.sha256,
        train_examples=len(run.corpus.train),
        valid_examples=len(run.corpus.valid),
        trainable_parameters=trainable,
        planned_steps=trainer.plan.steps,
        folder=str(run.folder.path),
        at=utc_now(),
        parent_id=parent,
    )


def _as_recorded(settings: dict[str, Any], planned_tokens: int) -> dict[str, Any]:
    """With the N that the controller's description length is spread over, and where it comes from."""
    from lab.train.scu.settings import pinned

    scu = settings["scu"]
    return settings if scu is None else {**settings, "scu": pinned(scu, planned_tokens)}


@contextlib.contextmanager
def _recomputing(run: Run) -> Iterator[None]:
    from lab.train.layers import recomputed_activations

    with recomputed_activations(run.net.model) if run.settings.grad_checkpoint else contextlib.nullcontext():
        yield


if __name__ == "__main__":
    sys.exit(main())
