"""Before a run: its settings from a recipe, how hard it presses, what speaks against it. No widgets."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError

if TYPE_CHECKING:
    from subprocess import Popen

    from lab.train.pressure import Pressure
    from lab.train.settings import TrainSettings
    from store.home import Home


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for; `changes` are KEY=VALUE pairs over the recipe, as on the command line."""

    recipe: str
    data: str
    model: str
    name: str
    changes: str = ""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A run of before with the same model."""

    name: str
    settings: Mapping[str, Any]
    examples: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """A run as it would be: its settings, figures, and warnings, a line each."""

    settings: TrainSettings
    examples: int
    held_out: int
    steps: int
    pressure: Pressure
    layers: tuple[int, int] | None
    warnings: tuple[str, ...]


def settings_of(wanted: Wanted) -> TrainSettings:
    """The settings of a run. Raises LabError naming what is wrong, the data and the model included."""
    from lab.train.recipe import find_recipe

    recipe = find_recipe(wanted.recipe)
    data = Path(wanted.data).expanduser()
    if not wanted.data.strip() or not data.exists():
        raise LabError(f"data: nothing at {wanted.data!r}; expected a directory with train.jsonl, or a file")
    model = Path(wanted.model).expanduser()
    given = changes_of(wanted.changes, recipe.values) | {
        "data": str(data.absolute()),
        "model": str(model.absolute()) if model.exists() else wanted.model,
        "name": wanted.name,
    }
    return recipe.settings(**given)


def changes_of(text: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """ "batch_size=8 lora_parameters.rank=4" as settings over those of a recipe."""
    import yaml

    found: dict[str, Any] = {}
    for pair in text.split():
        key, sign, value = pair.partition("=")
        if not sign or not key or not value:
            raise LabError(f"{pair!r}: expected KEY=VALUE, such as batch_size=8")
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise LabError(f"{pair!r}: the value is not YAML") from error
        outer, _, inner = key.partition(".")
        if inner:
            base = found.get(outer, values.get(outer))
            found[outer] = {**(base if isinstance(base, Mapping) else {}), inner: parsed}
        else:
            found[outer] = parsed
    return found


def outlook(wanted: Wanted, earlier: Sequence[Earlier] = ()) -> Outlook:
    """How long and how hard the run would be. Reads the data; raises LabError where it is of no use."""
    from lab.train.data.rows import general_rows, read_rows, split_file
    from lab.train.pressure import warnings

    settings = settings_of(wanted)
    data = Path(settings.data)
    train = split_file(data, "train")
    if train is None:
        raise LabError(f"{data}: there is no train.jsonl")
    rows = read_rows(train, settings)
    valid = split_file(data, "valid")
    held_out = len(read_rows(valid, settings).rows) if valid is not None else 0
    replay = len(general_rows()) if settings.replay and settings.replay.data == "general" else 0
    layers = layers_of(settings)
    said = [] if valid is not None else ["No valid.jsonl: held-out loss cannot be watched."]
    if rows.bad:
        said.append(f"{len(rows.bad)} rows cannot be used; the first: {rows.bad[0]}")
    figures, steps = pressure_of_run(settings, len(rows.rows), layers, replay)
    before = [pressure_of_run(*_as_run(run, layers))[0] for run in earlier if run.examples]
    return Outlook(
        settings, len(rows.rows), held_out, steps, figures, layers, (*said, *warnings(figures, before))
    )


def pressure_of_run(
    settings: TrainSettings, examples: int, layers: tuple[int, int] | None, replay: int = 0
) -> tuple[Pressure, int]:
    """The figures and the number of updates; without known layers all of them are taken for trained."""
    from lab.train.data.order import Order
    from lab.train.pressure import Plan, pressure_of
    from lab.train.schedule import mean_rate

    share = settings.replay.share if settings.replay else 0.0
    order = Order([1] * examples, settings.batch_size, settings.seed, [1] * replay, share)
    batches = settings.iters or max(math.ceil(settings.epochs * order.batches_per_epoch), 1)
    steps = -(-batches // settings.grad_accumulation_steps)
    trained, total = layers or (1, 1)
    plan = Plan(
        name=settings.name,
        iterations=batches,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        layers_trained=trained,
        layers_total=total,
        examples=max(1, examples),
        mean_rate=mean_rate(settings.schedule, steps),
    )
    figures = pressure_of(plan)
    # In the lab's loop the last micro-batches make an update too, however few they are: none are idle. Replay
    # is no part of the data that is passed over.
    return replace(
        figures,
        updates=steps,
        lr_updates=figures.learning_rate * steps,
        data_share=batches / order.batches_per_epoch,
    ), steps


def _as_run(
    run: Earlier, layers: tuple[int, int] | None
) -> tuple[TrainSettings, int, tuple[int, int] | None]:
    from lab.train.settings import from_mapping

    settings = replace(from_mapping(run.settings, run.name), name=run.name)
    of_run = layers_of(settings) if layers is not None else None
    return settings, run.examples, of_run


def layers_of(settings: TrainSettings) -> tuple[int, int] | None:
    """Layers that are trained and layers that there are; None where the model is not on this disk."""
    folder = _model_folder(settings.model)
    try:
        config = json.loads((folder / "config.json").read_text("utf-8")) if folder else {}
    except (OSError, ValueError):
        return None
    total = config.get("num_hidden_layers") or (config.get("text_config") or {}).get("num_hidden_layers")
    if not isinstance(total, int) or total < 1:
        return None
    whole = settings.fine_tune_type == "full" or settings.num_layers < 0
    return (total if whole else min(settings.num_layers, total)), total


def _model_folder(model: str) -> Path | None:
    from lab.seeds import SEEDS

    if model == "wick":
        return SEEDS / "wick"
    path = Path(model).expanduser()
    return path if path.is_dir() else None


def begin(home: Home, settings: TrainSettings) -> tuple[str, Popen[bytes]]:
    """Start the run as a process of its own; its id, and the process for whoever reaps it."""
    from lab.train.folder import create_run
    from lab.train.launch import launch
    from lab.train.settings import as_mapping

    folder = create_run(home, as_mapping(settings))
    return folder.run_id, launch(home, folder)
