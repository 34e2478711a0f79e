"""Marks in a text: where it is cut, what covers what, and going from match to match."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from textual.app import ComposeResult

from screens.widgets.marked_text import MarkedText, pieces_of
from tests.hostile import HOSTILE
from tests.screens.fakes import Stage, screen_text

SPANS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 14)).map(lambda ends: tuple(sorted(ends))), max_size=6
)


def test_a_text_is_cut_where_spans_begin_and_end() -> None:
    starts, covering = pieces_of(10, [[(2, 5)], [(4, 7)]])
    assert starts == [0, 2, 4, 5, 7]
    assert covering == [frozenset(), {0}, {0, 1}, {1}, frozenset()]


def test_spans_beyond_the_text_and_empty_ones_mark_nothing_more() -> None:
    assert pieces_of(4, [[(3, 9), (2, 2), (7, 8)]]) == ([0, 3], [frozenset(), frozenset({0})])
    assert pieces_of(0, [[(0, 3)]]) == ([], [])


@given(groups=st.lists(SPANS, max_size=4), length=st.integers(0, 12))
def test_every_character_is_covered_by_the_groups_whose_spans_hold_it(
    groups: list[list[tuple[int, int]]], length: int
) -> None:
    starts, covering = pieces_of(length, groups)
    for position in range(length):
        piece = max(index for index, start in enumerate(starts) if start <= position)
        holding = {n for n, spans in enumerate(groups) if any(a <= position < b for a, b in spans)}
        assert covering[piece] == holding


class MarkedApp(Stage):
    def compose(self) -> ComposeResult:
        yield MarkedText(id="marked")


async def test_matches_are_gone_through_around_the_ends_and_brought_into_sight() -> None:
    text = "\n".join(f"line {n} hope" for n in range(100))
    spans = tuple((at, at + 4) for at in range(len(text)) if text.startswith("hope", at))
    app = MarkedApp()
    async with app.run_test(size=(40, 10)) as pilot:
        marked = app.query_one(MarkedText)
        marked.show(text, [spans, ((0, 4),)])
        assert len(marked.matches) == 101
        marked.choose(0)
        marked.go(-1)
        await pilot.pause()
        assert marked.current == 99 and "line 99" in screen_text(app)
        marked.go(1)
        await pilot.pause()
        assert marked.current == 0 and "line 0" in screen_text(app)
        marked.choose(1)
        assert marked.current is None and marked.matches == ((0, 4),)


async def test_the_chosen_groups_matches_look_different() -> None:
    app = MarkedApp()
    async with app.run_test(size=(40, 4)) as pilot:
        marked = app.query_one(MarkedText)
        marked.show("one two three", [((0, 3),), ((4, 7),)])
        marked.choose(0)
        await pilot.pause()
        looks = {segment.text: segment.style for segment in marked.render_line(0)}
        assert looks["one"] and looks["two"] and looks["one"].bgcolor != looks["two"].bgcolor
        assert looks["two"].underline and not looks["one"].underline
        marked.go(1)
        current = {segment.text: segment.style for segment in marked.render_line(0)}
        assert current["one"] != looks["one"] and current["two"] == looks["two"]


async def test_a_growing_text_keeps_its_place() -> None:
    text = "\n".join(f"line {n}" for n in range(100))
    app = MarkedApp()
    async with app.run_test(size=(40, 10)) as pilot:
        marked = app.query_one(MarkedText)
        marked.show(text, [])
        await pilot.pause()
        marked.scroll_to(y=40, animate=False)
        await pilot.pause()
        marked.show(text + "\nmore", [])
        await pilot.pause()
        assert "line 40" in screen_text(app)
        marked.show("another", [])
        await pilot.pause()
        assert "another" in screen_text(app)


async def test_hostile_texts_are_shown_with_marks_everywhere() -> None:
    app = MarkedApp()
    async with app.run_test(size=(40, 10)) as pilot:
        marked = app.query_one(MarkedText)
        for name, text in HOSTILE.items():
            marked.show(text, [tuple((n, n + 1) for n in range(0, min(len(text), 50), 2))])
            marked.go(1)
            await pilot.pause()
            assert not {c for c in screen_text(app) if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)}, (
                name
            )
