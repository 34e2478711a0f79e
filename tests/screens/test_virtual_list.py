"""The virtual list: a hundred thousand rows cost what is in sight."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from textual.app import ComposeResult
from textual.pilot import Pilot

from screens.widgets.virtual_list import PAGE, Cell, VirtualList
from tests.hostile import HOSTILE
from tests.screens.fakes import Stage


class ListApp(Stage):
    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[tuple[int, int]] = []
        self.opened: list[str] = []
        self.drawn = 0

    def compose(self) -> ComposeResult:
        yield VirtualList(self.draw, lambda row: row, selectable=True, id="list")

    def draw(self, row: str, width: int) -> list[Cell]:
        self.drawn += 1
        return [Cell(row, width - 6), Cell("right", 6, right=True, style="muted")]

    async def fetch(self, offset: int, limit: int) -> Sequence[str]:
        self.fetched.append((offset, limit))
        return [f"row {number}" for number in range(offset, offset + limit)]

    def on_virtual_list_opened(self, event: VirtualList.Opened) -> None:
        self.opened.append(event.row)


@asynccontextmanager
async def list_app() -> AsyncIterator[tuple[ListApp, VirtualList[str], Pilot[None]]]:
    app = ListApp()
    async with app.run_test(size=(40, 20)) as pilot:
        rows: VirtualList[str] = app.query_one("#list", VirtualList)
        rows.focus()
        await pilot.pause()
        yield app, rows, pilot


async def settle(pilot: Pilot[None]) -> None:
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def test_a_hundred_thousand_rows_open_with_one_page() -> None:
    async with list_app() as (app, rows, pilot):
        rows.show(100_000, app.fetch)
        await settle(pilot)
        assert app.fetched == [(0, PAGE)]
        assert app.drawn <= 3 * rows.size.height
        assert rows.current == "row 0"
        assert rows.virtual_size.height == 100_000


async def test_the_last_row_of_a_hundred_thousand_is_one_page_away() -> None:
    async with list_app() as (app, rows, pilot):
        rows.show(100_000, app.fetch)
        await pilot.press("end")
        await settle(pilot)
        assert rows.current == "row 99999"
        assert app.fetched[-1] == (99_800, PAGE)
        assert len(app.fetched) <= 3
        assert "row 99999" in rows.render_line(rows.size.height - 1).text


async def test_keys_move_as_people_expect() -> None:
    async with list_app() as (app, rows, pilot):
        rows.show(1000, app.fetch)
        await settle(pilot)
        for keys, at in [
            (["j", "j", "down"], 3),
            (["k", "up"], 1),
            (["pagedown"], 20),
            (["g"], 0),
            (["G"], 999),
            (["pageup"], 980),
        ]:
            await pilot.press(*keys)
            assert rows.cursor == at, keys


async def test_selection_is_by_key_and_survives_reading_again() -> None:
    async with list_app() as (app, rows, pilot):
        rows.show(1000, app.fetch)
        await settle(pilot)
        await pilot.press("space", "space", "j", "space")
        assert list(rows.selected) == ["row 0", "row 1", "row 3"]
        rows.show(1000, app.fetch, keep_cursor=True)
        await settle(pilot)
        assert rows.cursor == 4
        assert rows.render_line(0).text.startswith("● row 0")
        await pilot.press("home", "space")
        assert list(rows.selected) == ["row 1", "row 3"]


async def test_old_rows_stay_in_sight_until_the_new_ones_come() -> None:
    async with list_app() as (app, rows, pilot):
        rows.show(10, app.fetch)
        await settle(pilot)
        rows.show(10, app.fetch, keep_cursor=True)
        assert "row 3" in rows.render_line(3).text


async def test_a_page_that_comes_late_for_another_list_is_dropped() -> None:
    async with list_app() as (app, rows, pilot):

        async def other(offset: int, limit: int) -> Sequence[str]:
            return [f"other {number}" for number in range(offset, min(offset + limit, 3))]

        rows.show(10, app.fetch)
        rows.show(3, other)
        await settle(pilot)
        assert [rows.row_at(index) for index in range(3)] == ["other 0", "other 1", "other 2"]


async def test_enter_and_double_click_open_a_click_on_the_mark_selects() -> None:
    async with list_app() as (app, rows, pilot):
        rows.show(10, app.fetch)
        await settle(pilot)
        await pilot.press("j", "enter")
        await pilot.click("#list", offset=(10, 4), times=2)
        await pilot.click("#list", offset=(0, 6))
        await pilot.pause()
        assert app.opened == ["row 1", "row 4"]
        assert list(rows.selected) == ["row 6"]


async def test_an_empty_list_says_so_and_ignores_keys() -> None:
    async with list_app() as (app, rows, pilot):
        rows.show(0, app.fetch)
        await pilot.press("j", "space", "enter", "end")
        assert rows.render_line(0).text.strip() == "Nothing here yet."
        assert not rows.selected
        assert app.fetched == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_rows_fill_their_columns_and_no_more(text: str) -> None:
    async with list_app() as (_, rows, pilot):
        rows.show_rows([text, "plain"])
        await settle(pilot)
        strip = rows.render_line(0)
        assert strip.cell_length == rows.scrollable_content_region.width
        assert all(
            character.isprintable() or character in "\u200b\u200d\ufeff" or ord(character) > 0xFF
            for character in strip.text
        )
        assert rows.render_line(1).text.startswith("  plain")
