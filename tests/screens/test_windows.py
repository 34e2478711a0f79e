"""Windows are built once, filled whenever they open, and show what lies below them dimmed."""

from __future__ import annotations

from pathlib import Path

from rich.color import Color
from textual.widgets import Input

from screens.app import LanternApp
from screens.dialogs import ErrorDialog, LineDialog
from screens.help import HelpDialog
from screens.jump import JumpOverlay
from screens.live.dialogs import SamplingDialog
from screens.live.screen import LiveScreen
from screens.palette import PaletteDialog, entries, found
from screens.probes.dialogs import ProbeForm, RunDialog
from screens.probes.screen import ProbesScreen
from screens.theme.themes import LIGHT
from screens.widgets.prompt_box import PromptBox
from tests.screens.fakes import lab, opened, screen_text, until

PREPARED = (SamplingDialog, RunDialog, HelpDialog, PaletteDialog, ProbeForm, LineDialog, ErrorDialog)


def prepared(app: LanternApp) -> bool:
    return JumpOverlay in app.windows._kept and not any(
        worker.name == "prepare" and worker.is_running for worker in app.workers
    )


async def test_what_was_prepared_is_what_opens(tmp_path: Path) -> None:
    async with lab(tmp_path, start="probes", prepare=True) as (app, pilot):
        await until(pilot, lambda: prepared(app))
        kept = dict(app.windows._kept)
        assert set(PREPARED) < set(kept)
        assert all(window.is_mounted and window.focused is None for window in kept.values())
        await pilot.press("r")
        await opened(app, pilot, RunDialog)
        assert app.screen is kept[RunDialog]
        assert "Run 1 probe" in screen_text(app) and "default · T 0.7" in screen_text(app)
        await pilot.press("escape", "2")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))
        await pilot.press("p", *"hey")
        await until(pilot, lambda: app.screen.query_one(PromptBox).text == "hey")


async def test_screens_that_wait_behind_do_no_work(tmp_path: Path) -> None:
    async with lab(tmp_path, start="live", prepare=True) as (app, pilot):
        await until(pilot, lambda: prepared(app))
        (hidden,) = app._screen_stacks["probes"]
        assert isinstance(hidden, ProbesScreen)
        assert hidden._ticks == 0 and hidden.rows.total == 0
        await pilot.press("1")
        await until(pilot, lambda: hidden.rows.total == 12 and hidden._ticks > 0)


async def test_a_window_opens_again_with_what_it_is_given_this_time(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        await pilot.press("s")
        await opened(app, pilot, SamplingDialog)
        first = app.screen
        first.query_one("#temperature", Input).value = "wrong"
        await pilot.press("enter")
        await until(pilot, lambda: "temperature: 0 (greedy) to 2" in screen_text(app))
        await pilot.press("escape", "plus", "s")
        await opened(app, pilot, SamplingDialog)
        assert app.screen is first
        assert first.focused is first.query_one("#temperature")
        assert first.query_one("#temperature", Input).value == "0.8"
        assert "temperature: 0 (greedy) to 2" not in screen_text(app)


async def test_two_errors_at_once_are_two_windows(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        app.show_error(ValueError("the first"), "one")
        await until(pilot, lambda: "the first" in screen_text(app))
        app.show_error(ValueError("the second"), "two")
        await until(pilot, lambda: "the second" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "the first" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen))


def looks(app: LanternApp, text: str) -> tuple[object, object, dict[str, object]]:
    """Foreground, background and meta of a text on the screen."""
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            if text in segment.text and segment.style is not None:
                return segment.style.color, segment.style.bgcolor, segment.style.meta
    raise AssertionError(text)


async def test_below_a_window_the_screen_shows_dimmed_and_takes_no_click(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        color, ground, meta = looks(app, "1 Probes")
        assert "do" in meta
        await pilot.press("s")
        await opened(app, pilot, SamplingDialog)
        dim_color, dim_ground, dim_meta = looks(app, "1 Probes")
        assert dim_meta == {}
        assert dim_color != color and dim_ground != ground


async def test_a_window_kept_wears_the_theme_of_now(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        await pilot.press("s")
        await opened(app, pilot, SamplingDialog)
        window = app.screen
        dark = window.query_one("Vertical").styles.background
        await pilot.press("escape", "ctrl+t", "s")
        await opened(app, pilot, SamplingDialog)
        assert app.theme == "lantern-light"
        assert window.query_one("Vertical").styles.background != dark
        _, ground, _ = looks(app, "Ask the model")
        assert isinstance(ground, Color) and ground.triplet is not None
        assert ground.triplet.hex.upper() == LIGHT.background


async def test_the_palette_finds_an_action_and_does_it(tmp_path: Path) -> None:
    async with lab(tmp_path) as (app, pilot):
        await pilot.press("ctrl+p")
        await opened(app, pilot, PaletteDialog)
        await until(pilot, lambda: "Everywhere: Quit" in screen_text(app))
        await pilot.press(*"sampl")
        await until(pilot, lambda: "Everywhere: Quit" not in screen_text(app))
        await pilot.press("enter")
        await opened(app, pilot, SamplingDialog)


def test_the_palette_lists_the_screens_own_actions_with_their_keys() -> None:
    listed = entries("live", {"live.sampling": ("s", "f6")})
    assert {entry.action.scope for entry in listed} == {"app", "live"}
    assert "app.palette" not in {entry.action.id for entry in listed}
    assert next(entry.keys for entry in listed if entry.action.id == "live.sampling") == "s f6"
    assert found(listed, " ") == listed
    assert found(listed, "theme")[0].action.id == "app.theme"
    assert found(listed, "no such thing at all") == []
