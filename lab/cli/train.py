"""`lantern train`: start a run, or go on with one, and follow it; the run itself is a process of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.output import HomeOption, JsonOption, emit, notice, say
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.train.folder import RunFolder
    from lab.train.settings import TrainSettings
    from store.home import Home

EXAMPLE = """Examples:

  lantern train --data ./data --mask-prompt --learning-rate 1e-4

  lantern train sft --model ./model --data ./data --detach

  lantern train recipe.yaml --set batch_size=8 --set lora_parameters.rank=16 --ranks 2

  lantern train --data ./data --mask-prompt --check

  lantern train --objective orpo

  lantern train --objective dpo --data ./pairs

  lantern train --resume last
"""


def command(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe: a YAML file with mlx-lm's keys, or a shipped one.")
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option("--objective", help="sft, dpo, dpop, ipo, orpo, simpo, cpo or kto: its recipe too."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="A directory with train.jsonl and valid.jsonl, or a file; for preferences, without it, the "
            "pairs that you have curated.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="A model folder, a hub id, or wick.", envvar="LANTERN_MODEL"),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call the run.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="Its peak.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1)] = None,
    iters: Annotated[int | None, typer.Option("--iters", min=1, help="Micro-batches, as in mlx-lm.")] = None,
    epochs: Annotated[float | None, typer.Option("--epochs", help="Passes over the data.")] = None,
    mask_prompt: Annotated[
        bool | None, typer.Option("--mask-prompt/--no-mask-prompt", help="Learn only the answers.")
    ] = None,
    adapter_path: Annotated[
        str | None, typer.Option("--adapter-path", help="Where the adapter goes in the end.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed")] = None,
    allow_repeats: Annotated[
        bool | None, typer.Option("--allow-repeats", help="Examples may be seen again.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting of a recipe, as KEY=VALUE in YAML.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="RUN", help="Go on with a run: its id, name, or last.")
    ] = None,
    ranks: Annotated[int, typer.Option("--ranks", min=1, help="Processes that share the work.")] = 1,
    check: Annotated[
        bool,
        typer.Option("--check", help="Look at the run and a real batch, measure a step, start nothing."),
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start it and return.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> int:
    """Fine-tune a model, watched; Ctrl-C stops the run after its step, with everything saved."""
    from lab.train.folder import find_run
    from store.home import Home

    where = Home.resolve(home)
    given = {
        "objective": objective,
        "data": data,
        "model": model,
        "name": name,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "iters": iters,
        "epochs": epochs,
        "mask_prompt": mask_prompt,
        "adapter_path": str(Path(adapter_path).expanduser().absolute()) if adapter_path else None,
        "seed": seed,
        "allow_repeats": allow_repeats,
    }
    recipe = recipe or objective
    if "MLX_RANK" in os.environ:
        return _train_here(where, recipe, given, changes or [], resume)
    if check:
        return _check(where, _placed(_settings(where, recipe, given, changes or [])), as_json)
    if resume is None:
        folder = _created(where, _settings(where, recipe, given, changes or []))
    else:
        folder = find_run(where, resume)
        _check_resumable(folder)
    return _start(where, folder, ranks, detach, as_json)


command.__doc__ = f"{command.__doc__}\n\n{EXAMPLE}"


def _settings(home: Home, recipe: str | None, options: dict[str, Any], changes: list[str]) -> TrainSettings:
    from lab.preference.settings import OBJECTIVES, read_objective
    from lab.train.outlook import epochs_for_few
    from lab.train.recipe import Recipe, find_recipe, with_changes

    found = find_recipe(recipe) if recipe else Recipe("lantern train", {}, {})
    given = {**options, **with_changes(found.values, changes)}
    known = {**found.values, **{key: value for key, value in given.items() if value is not None}}
    curated = 0
    if "data" not in known and known.get("objective") in OBJECTIVES:
        given["data"], curated = _curated(home)
    elif "data" not in known:
        raise LabError("no data: give --data with a directory that holds train.jsonl and valid.jsonl")
    settings = found.settings(**given)
    if curated and (epochs := epochs_for_few(settings, curated)):
        notice(
            f"{curated} pairs make few updates: --epochs {epochs} --allow-repeats makes enough to learn from"
        )
    if settings.objective != "sft":
        read_objective(settings.objective, settings.objective_settings)
    if not Path(settings.data).expanduser().exists():
        raise LabError(f"no data at {settings.data}: give a directory with train.jsonl, or a JSONL file")
    return settings


def _curated(home: Home) -> tuple[str, int]:
    """The curated pairs of the store as a data directory under the lab's home, and how many are to train on.

    What is left out is said.
    """
    from lab.cli.pairs_files import reasons_in_words
    from lab.cli.stored import open_store
    from lab.preference.writing import PAIRS_FOLDER, write_pair_dataset
    from store.ids import new_id

    with open_store(home.path) as store:
        done = write_pair_dataset(store, home.path / PAIRS_FOLDER / new_id())
    for note in (*done.notes, *reasons_in_words(done)):
        notice(note)
    notice(f"curated pairs: {done.train} to train on, {done.valid} held out, in {done.files[0].parent}")
    return str(done.files[0].parent), done.train


def _placed(settings: TrainSettings) -> TrainSettings:
    """With paths that hold from any folder."""
    from dataclasses import replace

    model = Path(settings.model).expanduser()
    return replace(
        settings,
        data=str(Path(settings.data).expanduser().absolute()),
        model=str(model.absolute()) if model.exists() else settings.model,
    )


def _created(home: Home, settings: TrainSettings) -> RunFolder:
    from lab.train.folder import create_run
    from lab.train.settings import as_mapping

    return create_run(home, as_mapping(_placed(settings)))


def _check(home: Home, settings: TrainSettings, as_json: bool) -> int:
    """Look at the run instead of starting it."""
    from lab.cli.stored import open_store
    from lab.cli.train_check import show_check
    from lab.train.check import check
    from lab.train.outlook import EARLIER_RUNS, by_model, outlook
    from store.queries.runs import run_costs

    with open_store(home.path) as store:
        store.ingest()
        before = by_model(store.query(run_costs, EARLIER_RUNS)).get(settings.model, [])
    planned, seen = outlook(settings, before), check(settings, home)
    if as_json:
        emit({"outlook": planned, "check": seen})
    else:
        show_check(planned, seen)
    return 0


def _check_resumable(folder: RunFolder) -> None:
    if folder.presence() in ("running", "paused"):
        raise LabError(f"run {folder.run_id[-8:]} is running: `lantern watch {folder.run_id[-8:]}` shows it")
    beat = folder.read_heartbeat()
    if beat is not None and beat.ending == "finished":
        raise LabError(f"run {folder.run_id[-8:]} has finished: there is nothing to go on with")


def _start(home: Home, folder: RunFolder, ranks: int, detach: bool, as_json: bool) -> int:
    from lab.cli.watch import follow
    from lab.train.launch import launch

    process = launch(home, folder, ranks)
    short = folder.run_id[-8:]
    if detach:
        if as_json:
            emit({"run_id": folder.run_id, "folder": folder.path, "pid": process.pid})
        else:
            say(f"run {folder.run_id} is on its way; `lantern watch {short}` shows it")
        return 0
    if not as_json:
        notice(f"run {folder.run_id} · Ctrl-C stops it · `lantern watch {short}` from any terminal")
    return follow(home, folder, as_json=as_json, stop_on_interrupt=True, is_over=lambda: _is_over(process))


def _is_over(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None


def _train_here(
    home: Home, recipe: str | None, given: dict[str, Any], changes: list[str], resume: str | None
) -> int:
    """One rank under mlx.launch: rank 0 makes the run, the others hear where it is."""
    from lab.train.folder import RunFolder, find_run
    from lab.train.ranks import join_ranks
    from lab.train.worker import train_run

    ranks = join_ranks()
    path = b""
    if ranks.is_first:
        folder = find_run(home, resume) if resume else _created(home, _settings(home, recipe, given, changes))
        path = str(folder.path).encode()
    return train_run(home, RunFolder(Path(ranks.from_first(path).decode())))
