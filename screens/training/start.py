"""Before a run: its settings from a recipe, a look at it in a process of its own, its start. No widgets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError

if TYPE_CHECKING:
    from subprocess import Popen

    from lab.train.check import Check
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


def settings_of(wanted: Wanted) -> TrainSettings:
    """The settings of a run. Raises LabError naming what is wrong, the data and the model included."""
    from lab.preference.settings import read_objective
    from lab.train.recipe import find_recipe, with_changes

    recipe = find_recipe(wanted.recipe)
    data = Path(wanted.data).expanduser()
    if not wanted.data.strip() or not data.exists():
        raise LabError(f"data: nothing at {wanted.data!r}; expected a directory with train.jsonl, or a file")
    model = Path(wanted.model).expanduser()
    given = with_changes(recipe.values, wanted.changes.split()) | {
        "data": str(data.absolute()),
        "model": str(model.absolute()) if model.exists() else wanted.model,
        "name": wanted.name,
    }
    settings = recipe.settings(**given)
    if settings.objective != "sft":
        read_objective(settings.objective, settings.objective_settings)
    return settings


async def look_closely(home: Home, settings: TrainSettings) -> Check:
    """Real batches and one measured step, from a process that loads the model. Raises LabError."""
    from lab.train.check import read_check
    from lab.train.settings import as_mapping
    from screens.commands import answer_of

    given = json.dumps(as_mapping(settings))
    printed = await answer_of("-m", "lab.train.check", "--home", str(home.path), home=home, given=given)
    return read_check(json.loads(printed.splitlines()[-1]))


def begin(home: Home, settings: TrainSettings, *, gently: bool = False) -> tuple[str, Popen[bytes]]:
    """Start the run as a process of its own; its id, and the process for whoever reaps it.

    `gently` lets everything else on the machine go first.
    """
    from lab.train.folder import create_run
    from lab.train.launch import launch
    from lab.train.settings import as_mapping

    folder = create_run(home, as_mapping(settings))
    return folder.run_id, launch(home, folder, gently=gently)
