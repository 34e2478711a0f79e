"""Pictures of both screens at three sizes: `python -m tests.screens.shots FOLDER [--model wick | --fake]`.

Writes an SVG for each, and a PNG where `rsvg-convert` is installed. The lab is the real one: the demo battery
runs on the engine, then a token is looked at. `--fake` uses the tests' engine instead of a model.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from textual.pilot import Pilot

from screens.app import LanternApp
from screens.live.screen import LiveScreen
from screens.probes.screen import ProbesScreen
from screens.workbench import Answer
from store.home import Home
from tests.screens.fakes import engine_command, until

PATIENCE_S = 180.0
SIZES = ((80, 24), (120, 40), (200, 50))


async def take(folder: Path, model: str, fake: bool, home: Path, themes: tuple[str, ...]) -> None:
    for size in SIZES:
        command = engine_command("--tokens", "150", "--pace", "0.01") if fake else None
        app = LanternApp(home=Home.resolve(home), model=model, demo=True, engine_command=command)
        async with app.run_test(size=size) as pilot:
            for theme in themes:
                app.theme = theme
                await _one_size(app, pilot, folder, f"{size[0]}-{theme.removeprefix('lantern-')}")
            await pilot.press("q")


async def _one_size(app: LanternApp, pilot: Pilot[None], folder: Path, name: str) -> None:
    await app.show_screen("live")
    live = app.screen
    assert isinstance(live, LiveScreen)
    await until(pilot, lambda: live.shown is not None and len(live.shown.tokens) > 60, PATIENCE_S)
    save_picture(app, folder / f"live-{name}-streaming.svg")

    def under_kernel() -> list[Answer]:
        return [
            answer for answer in app.bench.answers if answer.state == "finished" and answer.ask.kernel_name
        ]

    await until(pilot, under_kernel, PATIENCE_S)
    done = under_kernel()[0]
    live.show_answer(done)
    await pilot.press("home", "n", "n", "n")
    await pilot.pause(0.5)
    save_picture(app, folder / f"live-{name}.svg")
    await app.show_screen("probes")
    probes = app.screen
    assert isinstance(probes, ProbesScreen)
    await until(pilot, lambda: probes.rows.current is not None)
    await pilot.pause(1.5)
    save_picture(app, folder / f"probes-{name}.svg")
    await pilot.press("r")
    await pilot.pause(0.7)
    save_picture(app, folder / f"run-{name}.svg")
    await pilot.press("escape", "f1")
    await pilot.pause(0.7)
    save_picture(app, folder / f"help-{name}.svg")
    await pilot.press("escape")


def save_picture(app: LanternApp, path: Path) -> None:
    """The screen as an SVG, and as a PNG beside it where that can be drawn."""
    app.save_screenshot(path.name, str(path.parent))
    if shutil.which("rsvg-convert"):
        drawn = path.with_suffix(".tmp")
        drawn.write_text(on_a_grid(path.read_text("utf-8")), "utf-8")
        subprocess.run(
            ["rsvg-convert", "-z", "0.9", "-o", path.with_suffix(".png"), drawn], check=True, timeout=60
        )
        drawn.unlink()


def on_a_grid(svg: str) -> str:
    """Each character at its own cell: librsvg takes no account of `textLength` and drops leading spaces."""
    return re.sub(r"<text([^>]*)>([^<]*)</text>", _cells, svg)


def _cells(match: re.Match[str]) -> str:
    attributes, body = match[1], html.unescape(match[2]).replace("\xa0", " ")
    x, length = re.search(r' x="([\d.]+)"', attributes), re.search(r'textLength="([\d.]+)"', attributes)
    if x is None or length is None or not body:
        return match[0]
    rest = re.sub(r' (x|textLength)="[\d.]+"', "", attributes)
    step = float(length[1]) / max(1, sum(cell_len(character) for character in body))
    out, position = [], 0
    for character in body:
        if character != " ":
            at = float(x[1]) + position * step
            out.append(f'<text{rest} x="{at:.2f}">{html.escape(character)}</text>')
        position += cell_len(character)
    return "".join(out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="wick")
    parser.add_argument("--fake", action="store_true")
    parser.add_argument("--themes", nargs="+", default=["lantern-dark"])
    options: Any = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(
            take(options.folder, options.model, options.fake, Path(home) / "home", tuple(options.themes))
        )


if __name__ == "__main__":
    main()
