"""Pictures of the Compare and Score screens: `python -m tests.screens.compare_shots FOLDER [--themes …]`.

A comparison of a few probes is really made: the model as it is against itself with a small random adapter.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from lab.seeds import SEEDS
from screens.app import LanternApp
from screens.compare.dialogs import CompareDialog
from screens.compare.screen import CompareScreen
from screens.score.screen import ScoreScreen
from store.home import Home
from tests.lab.compare.adapters import write_adapter
from tests.screens.fakes import opened, until
from tests.screens.shots import SIZES, save_picture

PATIENCE_S = 240.0
STRENGTH = 0.04


async def take(folder: Path, scratch: Path, themes: tuple[str, ...]) -> None:
    adapter = write_adapter(scratch / "tuned", SEEDS / "wick", strength=STRENGTH)
    for number, size in enumerate(SIZES):
        app = LanternApp(home=Home.resolve(scratch / "home"), model="wick", start="compare")
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda app=app: app.bench.engine_state == "ready", PATIENCE_S)
            screen = app.screen
            assert isinstance(screen, CompareScreen)
            if not number:
                await _compare(app, pilot, screen, adapter, folder)
            else:
                await app.bench.load("wick", [str(adapter)])
            for theme in themes:
                app.theme = theme
                await _one_size(app, pilot, screen, folder, f"{size[0]}-{theme.removeprefix('lantern-')}")
            await pilot.press("q")


async def _compare(
    app: LanternApp, pilot: Pilot[None], screen: CompareScreen, adapter: Path, folder: Path
) -> None:
    await until(pilot, lambda: app.store.state == "ready", PATIENCE_S)
    await pilot.press("n")
    await opened(app, pilot, CompareDialog)
    app.screen.query_one("#right", Input).value = f"adapter={adapter}"
    app.screen.query_one("#battery", Input).value = "core/Culture"
    await pilot.pause(0.3)
    save_picture(app, folder / "compare-new.svg")
    await pilot.press("ctrl+s")
    view = screen.view
    await until(pilot, lambda: view.pair is not None and len(view.tapes[0].side.pieces) > 25, PATIENCE_S)
    save_picture(app, folder / "compare-running.svg")
    await until(pilot, lambda: bool(app.bench.jobs) and not screen.under_way, PATIENCE_S)
    await pilot.press("escape", "escape")


async def _one_size(
    app: LanternApp, pilot: Pilot[None], screen: CompareScreen, folder: Path, name: str
) -> None:
    await until(pilot, lambda: screen.comparisons.current is not None, PATIENCE_S)
    save_picture(app, folder / f"compare-{name}-past.svg")
    await pilot.press("enter")
    await until(pilot, lambda: screen.summary is not None and screen.pairs.current is not None, PATIENCE_S)
    await pilot.pause(0.5)
    save_picture(app, folder / f"compare-{name}-battery.svg")
    await pilot.press("enter")
    view = screen.view
    await until(pilot, lambda: view.pair is not None and len(view.pair.overlays) == 2, PATIENCE_S)
    await pilot.pause(0.3)
    save_picture(app, folder / f"compare-{name}-pair.svg")
    await pilot.press("d")
    await until(pilot, lambda: bool(view.tapes[0].look.changed), PATIENCE_S)
    save_picture(app, folder / f"compare-{name}-diff.svg")
    await pilot.press("d", "d", "h", "h", "h")
    await pilot.pause(0.3)
    save_picture(app, folder / f"compare-{name}-kl.svg")
    await pilot.press("h", "v", "r")
    await pilot.pause(0.5)
    await pilot.press("4", "5")
    await pilot.pause(0.3)
    save_picture(app, folder / f"compare-{name}-rate.svg")
    await pilot.press("escape", "v", "tab", "w")
    await until(
        pilot, lambda: isinstance(app.screen, ScoreScreen) and app.screen.account is not None, PATIENCE_S
    )
    await pilot.press(*"jjjjjjjjj")
    await pilot.pause(0.3)
    save_picture(app, folder / f"score-{name}.svg")
    await pilot.press("escape", "f1")
    await pilot.pause(0.5)
    save_picture(app, folder / f"compare-{name}-help.svg")
    await pilot.press("escape", "escape", "escape")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--themes", nargs="+", default=["lantern-dark"])
    options: Any = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(take(options.folder, Path(scratch), tuple(options.themes)))


if __name__ == "__main__":
    main()
