"""Pictures of the Runs & gates screen at three sizes: `python -m tests.screens.runs_shots FOLDER`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from screens.app import LanternApp
from screens.runs.screen import RunsScreen
from store.home import Home
from store.service import StoreService
from tests.screens.fakes import engine_command, until
from tests.screens.gate_records import records
from tests.screens.shots import SIZES, save_picture


async def take(folder: Path, home: Home) -> None:
    with StoreService(home) as service:
        service.append(*records())
    for size in SIZES:
        app = LanternApp(home=home, start="runs", engine_command=engine_command())
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda app=app: app.store.state == "ready")
            screen = app.screen
            assert isinstance(screen, RunsScreen)
            for kind in ("curricula", "gates", "strips", "experiments", "adapters"):
                await until(
                    pilot,
                    lambda screen=screen, kind=kind: screen.entry is not None and screen.entry.kind == kind,
                )
                await pilot.pause(0.5)
                save_picture(app, folder / f"runs-{size[0]}-{kind}.svg")
                await pilot.press("right_square_bracket")
            await until(pilot, lambda screen=screen: screen.entry is not None)
            await pilot.press("n")
            await pilot.pause(0.5)
            save_picture(app, folder / f"runs-{size[0]}-new.svg")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        asyncio.run(take(Path(sys.argv[1]), Home.resolve(Path(made) / "home")))
