"""The token tape in an app: flat cost, following, the cursor, selection and branches."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.app import ComposeResult
from textual.geometry import Offset
from textual.pilot import Pilot
from textual.selection import Selection

from lab.decode.types import TokenStat
from lab.ramp import LEVELS
from screens.widgets.token_tape import TokenTape
from tests.screens.fake_engine import statistics
from tests.screens.fakes import Stage


def tokens(texts: list[str], start: int = 0) -> list[TokenStat]:
    return [statistics(start + n, text, 7, seed=1) for n, text in enumerate(texts)]


class TapeApp(Stage):
    def __init__(self) -> None:
        super().__init__()
        self.moves: list[int | None] = []

    def compose(self) -> ComposeResult:
        yield TokenTape(id="tape")

    def on_token_tape_cursor_moved(self, event: TokenTape.CursorMoved) -> None:
        self.moves.append(event.token)


@asynccontextmanager
async def tape_app(size: tuple[int, int] = (40, 10)) -> AsyncIterator[tuple[TokenTape, Pilot[None]]]:
    app = TapeApp()
    async with app.run_test(size=size) as pilot:
        tape = app.query_one(TokenTape)
        tape.focus()
        await pilot.pause()
        yield tape, pilot


async def test_a_token_costs_the_same_at_the_start_and_after_two_thousand() -> None:
    async with tape_app() as (tape, pilot):

        async def lines_built_for(n: int) -> int:
            before = tape.strips_built
            for index in range(n):
                tape.extend(tokens([" word"], start=tape.n_tokens + index))
                await pilot.pause()
            return tape.strips_built - before

        early = await lines_built_for(50)
        tape.extend(tokens([" word"] * 2000, start=tape.n_tokens))
        await pilot.pause()
        late = await lines_built_for(50)
        # A new line scrolls the view, so that the whole view may be drawn again; never the whole answer.
        assert late <= early + 10 * tape.size.height
        assert late < 50 * 3


async def test_laying_out_a_token_looks_at_the_last_line_only() -> None:
    async with tape_app() as (tape, _):
        tape.extend(tokens([" word"] * 2000))
        finished = [id(line) for line in tape.layout_lines.lines[:-1]]
        tape.extend(tokens([" word"] * 50, start=2000))
        assert [id(line) for line in tape.layout_lines.lines[: len(finished)]] == finished


async def test_it_has_at_most_sixteen_styles() -> None:
    async with tape_app() as (tape, pilot):
        tape.extend(tokens([" word", "\n", " x"] * 300))
        tape.branch_token = 3
        tape.move_to(5)
        await pilot.pause()
        styles = {
            (segment.style.color, segment.style.bgcolor, segment.style.bold, segment.style.underline)
            for y in range(tape.size.height)
            for segment in tape.render_line(y)
            if segment.style
        }
        assert LEVELS < 16
        assert 3 < len(styles) <= 16


async def test_it_follows_the_tail_only_while_at_the_end() -> None:
    async with tape_app() as (tape, pilot):
        tape.extend(tokens([" word"] * 200))
        await pilot.pause()
        assert tape.is_vertical_scroll_end
        tape.scroll_to(y=2, animate=False)
        await pilot.pause()
        tape.extend(tokens([" word"] * 50, start=200))
        await pilot.pause()
        assert tape.scroll_offset.y == 2
        await pilot.press("end")
        tape.extend(tokens([" more"] * 50, start=250))
        await pilot.pause()
        assert tape.is_vertical_scroll_end


async def test_the_cursor_walks_by_token_line_and_surprise() -> None:
    async with tape_app() as (tape, pilot):
        tape.extend(tokens(["The", " lan", "tern", " is", " lit", ".", "\n", "Who", " is", " there", "?"]))
        await pilot.press("home")
        assert tape.cursor == 0
        await pilot.press("right", "right")
        assert tape.cursor == 2
        await pilot.press("down")
        assert tape.cursor == 9
        await pilot.press("up")
        assert tape.cursor in (1, 2)
        await pilot.press("left", "h", "h", "h")
        assert tape.cursor == 0
        await pilot.press("escape")
        assert tape.cursor is None
        assert pilot.app.moves[-1] is None  # type: ignore[attr-defined]


async def test_next_surprise_goes_round_the_tokens_of_high_entropy() -> None:
    async with tape_app() as (tape, pilot):
        entropies = [0.1, 2.5, 0.2, 1.7, 0.0]
        made = tokens([" a"] * 5)
        tape.extend([dataclasses.replace(t, entropy_nats=h) for t, h in zip(made, entropies, strict=True)])
        visited = []
        for _ in range(3):
            await pilot.press("n")
            visited.append(tape.cursor)
        assert visited == [1, 3, 1]


async def test_a_click_puts_the_cursor_on_the_token_under_the_mouse() -> None:
    async with tape_app() as (tape, pilot):
        tape.extend(tokens(["The", " lan", "tern", " is", " lit"]))
        await pilot.pause()
        await pilot.click(TokenTape, offset=(8, 0))
        assert tape.cursor == 2


async def test_selected_text_copies_as_it_was() -> None:
    async with tape_app(size=(12, 6)) as (tape, _):
        tape.extend(tokens(["one two", " three", "\n", "a\tb", " end"]))
        everything = tape.get_selection(Selection(None, None))
        assert everything is not None
        assert everything[0] == "one two three\na\tb end"
        some = tape.get_selection(Selection(Offset(4, 0), Offset(3, 1)))
        assert some is not None
        assert some[0] == "two thr"


async def test_a_selection_is_drawn_in_its_own_style() -> None:
    async with tape_app() as (tape, pilot):
        tape.extend(tokens(["abc", "def"]))
        await pilot.pause()
        pilot.app.screen.selections = {tape: Selection(Offset(1, 0), Offset(4, 0))}
        await pilot.pause()
        strip = tape.render_line(0)
        assert strip.text.startswith("abcdef")
        selection = pilot.app.screen.get_component_rich_style("screen--selection")
        chosen = [s.text for s in strip if s.style is not None and s.style.bgcolor == selection.bgcolor]
        assert "".join(chosen) == "bcd"


async def test_resizing_lays_out_anew_and_loses_nothing() -> None:
    async with tape_app() as (tape, pilot):
        tape.extend(tokens([" word"] * 100))
        await pilot.resize_terminal(20, 10)
        await pilot.pause()
        text = "".join(span.source for line in tape.layout_lines.lines for span in line.spans)
        assert text == " word" * 100
        assert all(line.width <= 20 for line in tape.layout_lines.lines)


async def test_the_second_channel_reads_without_color() -> None:
    async with tape_app() as (tape, pilot):
        made = tokens([" sure", " open"])
        tape.extend(
            [dataclasses.replace(made[0], entropy_nats=0.01), dataclasses.replace(made[1], entropy_nats=2.6)]
        )
        await pilot.pause()
        by_text = {segment.text.strip(): segment for segment in tape.render_line(0)}
        sure, wide_open = by_text["sure"], by_text["open"]
        assert sure.style is not None and not sure.style.underline and not sure.style.bold
        assert wide_open.style is not None and wide_open.style.underline and wide_open.style.bold
