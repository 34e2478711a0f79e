"""From verdicts to a run: the curated pairs as data, and the window that starts a run on them, filled in."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from screens.formats import plural

if TYPE_CHECKING:
    from screens.app import LanternApp

RECIPE = "orpo"


async def start_learning(lab: LanternApp) -> None:
    """Write the data and open the window. Raises LabError where no pair can be trained on."""
    from lab.preference.writing import PAIRS_FOLDER, write_pair_dataset
    from screens.training.screen import TrainingScreen
    from screens.training.start import Wanted
    from store.ids import new_id

    await lab.store.read_now()
    folder = lab.home.path / PAIRS_FOLDER / new_id()
    written = await lab.store.work(write_pair_dataset, folder)
    lab.tell(f"{plural(written.train, 'curated pair')} to train on, {written.valid} held out.")
    changes = await asyncio.to_thread(_changes, folder, written.train)
    training = await lab.show_screen("training")
    assert isinstance(training, TrainingScreen)
    training.start_on(Wanted(RECIPE, str(folder), lab.bench.model_name, "curated", changes))


def _changes(folder: Path, rows: int) -> str:
    """What the recipe is to be changed by, so that few pairs are seen often enough."""
    from lab.train.outlook import epochs_for_few
    from lab.train.recipe import find_recipe

    epochs = epochs_for_few(find_recipe(RECIPE).settings(data=str(folder)), rows)
    return f"epochs={epochs} allow_repeats=true" if epochs else ""
