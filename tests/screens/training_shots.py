"""Pictures of the Train screen at three sizes: `python -m tests.screens.training_shots FOLDER`."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from screens.app import LanternApp
from screens.training.screen import TrainingScreen
from store.home import Home
from tests.screens.fakes import engine_command, until
from tests.screens.made_runs import MadeRun
from tests.screens.shots import SIZES, save_picture


async def take(folder: Path, home: Home) -> None:
    scu = {"law": "pi", "target": 0.03}
    for number, name in enumerate(("first-try", "second-try", "wick-sft")):
        run = MadeRun(home, name)
        run.train(400 if number else 180)
        run.end("finished" if number else "stopped", "all steps are done" if number else "asked to stop")
    dead = MadeRun(home, "night-run", planned=2000)
    dead.train(300)
    dead.beat(silent_s=7200)
    preference = MadeRun(home, "wick-dpo")
    preference.train(260, preference=True)
    preference.beat()
    live = MadeRun(home, "river-scu", planned=400, scu=scu)
    live.train(300, scu=True)
    live.beat()
    for size in SIZES:
        app = LanternApp(home=home, start="training", engine_command=engine_command())
        async with app.run_test(size=size) as pilot:
            await until(
                pilot, lambda app=app: app.store.state == "ready" and app.bench.engine_state == "ready"
            )
            screen = app.screen
            assert isinstance(screen, TrainingScreen)
            await until(pilot, lambda screen=screen: screen.book is not None and screen.book.step == 300)
            live.beat()
            preference.beat()
            await pilot.pause(2.5)
            save_picture(app, folder / f"train-{size[0]}.svg")
            await pilot.press("left", "left", "left", "shift+left", "shift+left")
            await pilot.pause(0.4)
            save_picture(app, folder / f"train-{size[0]}-cursor.svg")
            await pilot.press("right_square_bracket")
            await pilot.pause(0.4)
            save_picture(app, folder / f"train-{size[0]}-more.svg")
            await pilot.press("left_square_bracket", "v")
            await pilot.pause(0.4)
            save_picture(app, folder / f"train-{size[0]}-samples.svg")
            await pilot.press("v", "v", "escape", "e")
            await pilot.pause(0.5)
            save_picture(app, folder / f"train-{size[0]}-set.svg")
            await pilot.press("escape", "j", "space", "space")
            await pilot.pause(1.5)
            save_picture(app, folder / f"train-{size[0]}-overlay.svg")
            await app.bench.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(take(options.folder, Home.resolve(Path(home) / "home")))


if __name__ == "__main__":
    main()
