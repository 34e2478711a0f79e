"""The tape's word wrap: nothing lost, nothing too wide, and the same however the text was cut into tokens."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from lab.safetext import safe_text
from screens.widgets.tape_layout import TapeLayout
from tests.hostile import HOSTILE

PROSE = st.text(alphabet="abc de  fgh\n.,-漢é", max_size=200)
CUTS = st.lists(st.integers(min_value=1, max_value=7), max_size=60)


def lay_out(tokens: list[str], width: int) -> TapeLayout:
    layout = TapeLayout(width)
    for token in tokens:
        layout.append(token)
    return layout


def shown(layout: TapeLayout) -> list[str]:
    return ["".join(span.text for span in line.spans) for line in layout.lines]


def source(layout: TapeLayout) -> str:
    return "".join(span.source for line in layout.lines for span in line.spans)


def cut(text: str, lengths: list[int]) -> list[str]:
    tokens, start = [], 0
    for length in itertools.chain(lengths, itertools.repeat(3)):
        if start >= len(text):
            return tokens
        tokens.append(text[start : start + length])
        start += length
    return tokens


def test_words_wrap_whole_and_spaces_hang() -> None:
    layout = lay_out(["The", " lan", "tern", " is", " lit"], width=9)
    assert shown(layout) == ["The ", "lantern ", "is lit"]


def test_a_word_of_many_tokens_moves_to_the_next_line_as_a_whole() -> None:
    layout = lay_out(["one two ", "in", "ter", "est"], width=12)
    assert shown(layout) == ["one two ", "interest"]
    assert [layout.line_of[token] for token in range(4)] == [0, 1, 1, 1]


def test_a_word_longer_than_a_line_is_broken() -> None:
    assert shown(lay_out(["x" * 25], width=10)) == ["x" * 10, "x" * 10, "x" * 5]


def test_newlines_show_a_glyph_and_copy_as_newlines() -> None:
    layout = lay_out(["a\n", "\nb"], width=10)
    assert shown(layout) == ["a↵", "↵", "b"]
    assert source(layout) == "a\n\nb"


def test_tabs_go_to_the_next_stop_and_copy_as_tabs() -> None:
    layout = lay_out(["ab\tc"], width=20)
    assert shown(layout) == ["ab  c"]
    assert source(layout) == "ab\tc"


def test_wide_characters_break_anywhere_and_never_in_half() -> None:
    layout = lay_out(["漢字仮名交じり文"], width=5)
    assert shown(layout) == ["漢字", "仮名", "交じ", "り文"]


def test_a_family_that_arrives_in_pieces_is_one_character() -> None:
    layout = lay_out(["👩", "\u200d", "👧", " ok"], width=20)
    first = layout.lines[0].spans[0]
    assert (first.text, first.first, first.last, first.width) == ("👩\u200d👧", 0, 2, 2)


def test_a_combining_mark_joins_the_letter_before_it() -> None:
    layout = lay_out(["e", "\u0301", "t"], width=10)
    assert [(span.text, span.width) for span in layout.lines[0].spans] == [("e\u0301", 1), ("t", 1)]


def test_a_flag_of_two_tokens_is_one_character_and_the_next_flag_is_another() -> None:
    layout = lay_out(["🇺", "🇳", "🇫", "🇷"], width=20)
    assert [span.text for span in layout.lines[0].spans] == ["🇺🇳", "🇫🇷"]


def test_tokens_without_text_belong_to_the_character_they_complete() -> None:
    layout = lay_out(["a", "", "", "é"], width=10)
    assert [(span.text, span.first, span.last) for span in layout.lines[0].spans] == [
        ("a", 0, 0),
        ("é", 1, 3),
    ]


def test_cells_lead_back_to_tokens() -> None:
    layout = lay_out(["The", " lan", "tern", " is"], width=9)
    assert layout.token_at(0, 1) == 1
    assert layout.token_at(3, 1) == 2
    assert layout.token_at(40, 1) == 3
    assert layout.token_at(0, 7) is None
    assert layout.column_of(2) == 3


@given(PROSE, CUTS, CUTS, st.integers(min_value=4, max_value=30))
def test_lines_do_not_depend_on_how_the_text_was_cut(
    text: str, one: list[int], other: list[int], width: int
) -> None:
    assert shown(lay_out(cut(text, one), width)) == shown(lay_out(cut(text, other), width))


@given(PROSE, CUTS, st.integers(min_value=4, max_value=30))
def test_nothing_is_lost_and_nothing_is_wider_than_the_line(
    text: str, lengths: list[int], width: int
) -> None:
    layout = lay_out(cut(text, lengths), width)
    assert source(layout) == safe_text(text)
    for line in layout.lines:
        text_of_line = "".join(span.text for span in line.spans)
        assert line.width == cell_len(text_of_line)
        assert cell_len(text_of_line.removesuffix("↵").removesuffix(" ")) <= width


@given(PROSE, CUTS)
def test_a_token_changes_the_last_line_and_what_follows_only(text: str, lengths: list[int]) -> None:
    layout = TapeLayout(12)
    for token in cut(text, lengths):
        before = shown(layout)
        first_changed = layout.append(token)
        assert first_changed == len(before) - 1
        assert shown(layout)[:first_changed] == before[:first_changed]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("width", [2, 7, 80])
def test_hostile_texts_keep_every_character(text: str, width: int) -> None:
    for tokens in ([text], list(text)):
        assert source(lay_out(tokens, width)) == safe_text(text)
