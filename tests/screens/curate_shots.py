"""Pictures of the Curate screen: `python -m tests.screens.curate_shots FOLDER [--themes …]`."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from screens.app import LanternApp
from screens.curate.edit_dialog import EditDialog
from screens.curate.screen import CurateScreen
from tests.screens.fakes import opened, until
from tests.screens.judging import curate_lab, first_card, judged_records, press
from tests.screens.shots import SIZES, save_picture

PROMPT = (
    "A small town must decide what its archive keeps: the shelves are full, the roof leaks, and the river"
    " comes nearer each spring. Who decides, and what would it cost to be wrong?"
)
BEGINNING = (
    "The archive belongs to those who will read it, and they are not born yet. That is the first "
    "difficulty: the people at the table speak for others. "
)
PLAIN = BEGINNING + (
    "In this case it is best to ask an expert. An archivist can make a list of what is most valuable, and"
    " the council can vote on it. It is important to consider all aspects, such as cost, space and "
    "safety. Documents can be digitized, and the originals can then be stored elsewhere or thrown "
    "away.\n\nIn conclusion, the decision should be made carefully and together with all stakeholders."
)
RICH = BEGINNING + (
    "The nurse would keep the ward books, for a name in them is all that is left of some people. The "
    "miller would keep the maps of the river, and he is right too: what floods once floods again. The "
    "council would keep what proves its claims.\n\nNone of them is wrong, so let none of them decide alone."
    " What can be copied may leave the building; what cannot be copied stays; and what is thrown away is "
    "read aloud first, once, to whoever comes. It costs an evening. To be wrong in silence costs more."
)


async def take(folder: Path, themes: tuple[str, ...]) -> None:
    for size in SIZES:
        with tempfile.TemporaryDirectory() as scratch:
            texts = [(PLAIN, RICH) if n % 2 else (RICH, PLAIN) for n in range(40)]
            records = judged_records(40, texts, prompt=PROMPT)
            async with curate_lab(Path(scratch), records, size=size) as (app, pilot, screen):
                await first_card(pilot, screen)
                for theme in themes:
                    app.theme = theme
                    await _one_size(app, pilot, screen, folder, f"{size[0]}-{theme.removeprefix('lantern-')}")


async def _one_size(
    app: LanternApp, pilot: Pilot[None], screen: CurateScreen, folder: Path, name: str
) -> None:
    await pilot.pause(0.5)
    save_picture(app, folder / f"curate-{name}.svg")
    await press(pilot, screen, "d", *"abtaabab")
    save_picture(app, folder / f"curate-{name}-diff.svg")
    await press(pilot, screen, "d", "d", "left_square_bracket", "f", "h", "v")
    await pilot.pause(0.5)
    save_picture(app, folder / f"curate-{name}-after.svg")
    await press(pilot, screen, "v", "h")
    await pilot.press("e")
    await opened(app, pilot, EditDialog)
    await pilot.pause(0.3)
    save_picture(app, folder / f"curate-{name}-edit.svg")
    await pilot.press("escape", "f1")
    await pilot.pause(0.5)
    save_picture(app, folder / f"curate-{name}-help.svg")
    await pilot.press("escape", "escape")
    await until(pilot, lambda: screen.place == "list" and screen.pairs.current is not None)
    await pilot.pause(0.5)
    save_picture(app, folder / f"curate-{name}-list.svg")
    await press(pilot, screen, "escape", "n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--themes", nargs="+", default=["lantern-dark"])
    options: Any = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(options.folder, tuple(options.themes)))


if __name__ == "__main__":
    main()
