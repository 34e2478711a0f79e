"""Keys that come all at once do what they do one by one."""

from __future__ import annotations

from pathlib import Path

from textual import events
from textual.app import App, ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from screens.app import LanternApp
from screens.keys_in_turn import KeysInTurn
from screens.probes.screen import ProbesScreen
from tests.screens.fakes import MemoryStore, lab, probe_row, until

NAMES = {"/": "slash", "\r": "enter", " ": "space", "\x1b": "escape"}


def press_at_once(app: App[None], keys: str) -> None:
    for key in keys:
        app.post_message(events.Key(NAMES.get(key, key), key))


async def test_letters_behind_the_key_that_opens_the_search_are_searched_for(tmp_path: Path) -> None:
    store = MemoryStore([probe_row(n) for n in range(9)])
    async with lab(tmp_path, start="probes", store=store) as (app, pilot):
        screen = app.screen
        assert isinstance(screen, ProbesScreen)
        await until(pilot, lambda: screen.rows.total == 9)
        press_at_once(app, "/P004\r")
        await until(pilot, lambda: screen.rows.total == 1)
        assert app.state.search == "P004"
        assert not screen.rows.selected


class Leaving(App[None]):
    """Its box leaves on the first key, with other keys on their way to it."""

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Input(id="first")
            yield Input(id="second")

    def on_mount(self) -> None:
        self._keys = KeysInTurn(self, super().on_event)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key) and not event.is_forwarded:
            await self._keys.take(event)
        else:
            await super().on_event(event)

    async def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "first":
            self.query_one("#second").focus()
            await event.input.remove()


async def test_a_widget_that_leaves_does_not_stop_the_keys() -> None:
    app = Leaving()
    async with app.run_test() as pilot:
        box = app.query_one("#second", Input)
        app.query_one("#first").focus()
        await pilot.pause()
        press_at_once(app, "abcdefg")
        await until(pilot, lambda: box.value.endswith("g"))


async def test_every_key_is_taken_once_and_in_order(tmp_path: Path) -> None:
    async with lab(tmp_path, start="probes", store=MemoryStore([probe_row(0)])) as (app, pilot):
        assert isinstance(app, LanternApp)
        await until(pilot, lambda: isinstance(app.screen, ProbesScreen) and app.screen.rows.total == 1)
        text = "the quick brown fox jumps over the lazy dog" * 5
        press_at_once(app, "/" + text)
        await until(pilot, lambda: app.state.search == text)
