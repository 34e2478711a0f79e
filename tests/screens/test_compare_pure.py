"""The pure parts of the Compare screen, against values worked out by hand and slow references."""

from __future__ import annotations

import dataclasses
import itertools
import random
from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.color import Color

from lab.decode.types import Alternative
from lab.protocol import OverlayToken
from screens.compare.alternatives import Place, place_rows
from screens.compare.blind import order_of
from screens.compare.diff import changed_pieces, changed_words, unmatched
from screens.compare.heat import HEATS, heat_styles, level_of, value_of
from screens.compare.pair import Pair, place_of, side_score
from screens.compare.ratings import rated_scales
from screens.compare.rows import comparison_cells, comparisons_header, mark_of, pair_cells, pairs_header
from screens.compare.score_panel import PairScores, SideScore, ranked, score_rows
from screens.compare.texts import SideText, folded, parting, side_text
from screens.theme.themes import SHIPPED
from store.queries import ComparisonRow, PairRow, RatingRow
from store.records import ScoreRecord
from tests.screens.answers import finished_answer

WORDS = st.lists(st.sampled_from(["a ", "b ", "c\n", "dd "]), max_size=12)


def side(*pieces: str, over: bool = True) -> SideText:
    return SideText(pieces, tuple(hash(piece) % 1000 for piece in pieces), tuple(0.5 for _ in pieces), over)


# -- where they part -----------------------------------------------------------------------------------------


def test_two_answers_part_at_the_first_other_token() -> None:
    at = parting(side("a", "b", "c"), side("a", "x", "c"), same_tokens=True)
    assert at is not None and (at.left, at.right, at.by_tokens) == (1, 1, True)


def test_an_answer_that_ended_parts_behind_its_last_token() -> None:
    at = parting(side("a", "b"), side("a", "b", "c"), same_tokens=True)
    assert at is not None and (at.left, at.right) == (2, 2)
    assert parting(side("a", "b"), side("a", "b"), same_tokens=True) is None


def test_an_answer_that_is_only_not_that_far_has_not_parted() -> None:
    assert parting(side("a", over=False), side("a", "b"), same_tokens=True) is None
    assert parting(side("a", over=False), side("x", over=False), same_tokens=True) is not None


def test_other_tokenizers_part_where_their_characters_do() -> None:
    left, right = side("the ", "riv", "er"), side("the r", "oad")
    at = parting(left, right, same_tokens=False)
    assert at is not None and (at.left, at.right, at.by_tokens) == (1, 1, False)
    assert parting(side("ab", "c"), side("a", "bc"), same_tokens=False) is None


def test_only_a_long_shared_start_is_folded() -> None:
    shared = [f"w{n} " for n in range(12)]
    assert folded(parting(side(*shared, "x"), side(*shared, "y"), same_tokens=True)) == (12, 12)
    assert folded(parting(side(*shared[:11], "x"), side(*shared[:11], "y"), same_tokens=True)) == (0, 0)
    assert folded(None) == (0, 0)


def test_an_answer_without_a_trace_is_shown_word_by_word() -> None:
    answer = finished_answer("one two  three\nfour ")
    answer.tokens = []
    shown = side_text(answer)
    assert shown.text == "one two  three\nfour " and len(shown.pieces) == 5 and shown.over


# -- what differs --------------------------------------------------------------------------------------------


def test_changed_words_are_marked_where_they_stand() -> None:
    left, right = changed_words("the old river sings", "the river sings well")
    assert [("the old river sings")[a:b] for a, b in left] == ["old"]
    assert [("the river sings well")[a:b] for a, b in right] == ["well"]


def test_a_changed_word_marks_every_piece_that_holds_some_of_it() -> None:
    left = SideText(("the", " ri", "ver", " sings"))
    right = SideText(("the", " road", " sings"))
    assert changed_pieces(left, right, "words") == ({1, 2}, {1})
    assert changed_pieces(left, right, "tokens") == ({1, 2}, {1})


@given(WORDS, WORDS)
def test_what_is_unmatched_is_what_a_longest_matching_leaves(left: list[str], right: list[str]) -> None:
    gone, new = unmatched(left, right)
    blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    kept_left = {n for a, _, size in blocks for n in range(a, a + size)}
    kept_right = {n for _, b, size in blocks for n in range(b, b + size)}
    assert set(gone) == set(range(len(left))) - kept_left
    assert set(new) == set(range(len(right))) - kept_right
    assert [left[n] for n in sorted(kept_left)] == [right[n] for n in sorted(kept_right)]


@given(WORDS)
def test_equal_texts_differ_nowhere(pieces: list[str]) -> None:
    text = SideText(tuple(pieces))
    for mode in ("words", "tokens"):
        assert changed_pieces(text, text, mode) == (frozenset(), frozenset())  # type: ignore[arg-type]


# -- blind order ---------------------------------------------------------------------------------------------


def test_sides_are_balanced_over_ten_thousand_pairs_and_independent_of_their_place() -> None:
    orders = [order_of("comparison", place, "ada") for place in range(10_000)]
    assert sum(order == ("right", "left") for order in orders) == 5_000
    firsts = orders[::2]
    swapped = sum(order == ("right", "left") for order in firsts)
    assert 2_350 < swapped < 2_650
    runs = sum(one == other for one, other in itertools.pairwise(firsts))
    assert 2_350 < runs < 2_650


def test_the_order_is_the_same_at_every_visit_and_another_for_another_rater() -> None:
    mine = [order_of("c", place, "ada") for place in range(64)]
    assert mine == [order_of("c", place, "ada") for place in range(64)]
    assert mine != [order_of("c", place, "\ud800") for place in range(64)]
    assert mine != [order_of("d", place, "ada") for place in range(64)]


# -- heat ----------------------------------------------------------------------------------------------------


def overlay_token(**changes: float) -> OverlayToken:
    fields = {
        "left_entropy_nats": 1.0,
        "right_entropy_nats": 1.75,
        "left_surprisal_nats": 2.0,
        "right_surprisal_nats": 0.5,
        "kl_nats": 0.3,
    }
    return OverlayToken(index=0, token_id=1, text="x", left_rank=1, right_rank=0, **{**fields, **changes})  # type: ignore[arg-type]


def test_the_overlay_shows_right_less_left() -> None:
    token = overlay_token()
    assert value_of("entropy", token) == pytest.approx(0.75)
    assert value_of("logp", token) == pytest.approx(1.5)
    assert value_of("kl", token) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("kind", "value", "level"),
    [
        ("entropy", 0.0, 0),
        ("entropy", 0.1, 0),
        ("entropy", 0.11, 1),
        ("entropy", -0.6, -2),
        ("entropy", 9.0, 3),
    ],
)
def test_levels_begin_at_their_bounds(kind: str, value: float, level: int) -> None:
    assert level_of(kind, value) == level  # type: ignore[arg-type]


def test_strong_differences_read_without_color_and_every_level_has_contrast() -> None:
    from tests.screens.test_actions import contrast

    for theme in SHIPPED:
        assert theme.background and theme.foreground
        styles = heat_styles(Color.parse(theme.background), Color.parse(theme.foreground), dark=theme.dark)
        assert len(styles) == 7
        assert styles[3].bold and styles[-3].underline and not styles[-3].bold
        for level, style in styles.items():
            assert style.color and style.bgcolor
            text, behind = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
            assert contrast(text, behind) >= 4.5, (theme.name, level)
    assert set(HEATS) == {"entropy", "logp", "kl"}


# -- alternatives --------------------------------------------------------------------------------------------


def test_the_place_of_the_parting_holds_both_sides_alternatives() -> None:
    left, right = finished_answer("the old river sings"), finished_answer("the new river sings")
    pair = Pair("c", 0, "P01", "why?", 1, left=left, right=right)
    texts = side_text(left), side_text(right)
    ids = [[hash(piece) for piece in text.pieces] for text in texts]
    at = parting(
        *(dataclasses.replace(text, token_ids=tuple(own)) for text, own in zip(texts, ids, strict=True)),
        same_tokens=True,
    )
    assert at is not None and at.left == 1
    place = place_of(pair, at, None, None)
    assert place.title == "Where they part · token 2"
    assert (place.left_said, place.right_said) == (" old", " new")
    assert place.left == left.tokens[1].alternatives and place.right == right.tokens[1].alternatives
    later = place_of(pair, at, "right", 3)
    assert later.left == () and later.right == right.tokens[3].alternatives and "H asks" in later.note


def test_alternatives_stand_side_by_side_and_fit() -> None:
    options = tuple(Alternative(n, f" word{n}", 0.5 / (n + 1)) for n in range(5))
    place = Place("t", " word0", "", options, options[:3], overlay_token())
    for width, height in ((36, 6), (56, 9), (90, 9)):
        rows = place_rows(place, width, height)
        assert len(rows) <= height and all(row.cell_length <= width for row in rows)
        assert "left said" in rows[0].plain and "right said ended" in rows[0].plain
        assert rows[1].plain.count("0.500") == 2
    assert any("KL 0.30" in row.plain for row in place_rows(place, 56, 9))


# -- scores --------------------------------------------------------------------------------------------------


def score(instrument: str, total: float | None, version: str = "1", **fields: object) -> ScoreRecord:
    dimensions = {"warmth": 2.0, "length": 1.0}
    detail = {"contributions": {"warmth": 3.0}}
    record = ScoreRecord(
        id="s",
        generation_id="g",
        instrument=instrument,
        version=version,
        text_sha256="0",
        dimensions=dimensions,
        at="2026",
        total=total,
        detail=detail,
    )
    return dataclasses.replace(record, **fields)  # type: ignore[arg-type]


def test_a_side_is_scored_by_the_comparisons_own_instrument_and_version() -> None:
    scores = [score("lek-v2", 1.0), score("mine", 5.0, "2"), score("mine", 3.0), score("mine", 4.0)]
    found = side_score(scores, "mine", "1")
    assert found is not None and found.total == 4.0 and found.dimensions == {"warmth": 3.0, "length": 0.0}
    assert side_score(scores, "mine", "9") is None


def test_failure_modes_come_from_their_detectors() -> None:
    loops = score("degeneration", 1.0, dimensions={"collapse": 0.0})
    found = side_score([score("mine", 1.0), loops, score("topic-evasion", 1.0)], "mine", "1")
    assert found is not None and found.modes == ("topic evasion", "token loops")
    broken = side_score(
        [score("mine", 1.0), score("degeneration", 1.0, dimensions={"collapse": 1.0})], "mine", "1"
    )
    assert broken is not None and broken.modes == ("collapse",)


def test_what_differs_most_comes_first_and_sums_stand_in_their_columns() -> None:
    left = SideScore(1.0, {"a": 1.0, "b": 0.0, "c": 2.0})
    right = SideScore(4.5, {"a": 1.5, "b": 3.0, "c": None}, ("token loops",))
    assert [name for name, *_ in ranked(left, right)] == ["b", "a", "c"]
    scores = PairScores("mine", "1", left, right)
    assert scores.delta == 3.5
    for width in (34, 56):
        rows = score_rows(scores, width, 8)
        assert all(row.cell_length <= width for row in rows)
        assert rows[1].plain.split() == ["total", "1.00", "4.50", "+3.50"]
        assert rows[2].plain.split() == ["b", "0.00", "3.00", "+3.00"]
        assert "token loops" in rows[-1].plain
    assert len(score_rows(scores, 34, 3)) == 3


# -- lists ---------------------------------------------------------------------------------------------------


def pair_row(**changes: object) -> PairRow:
    row = PairRow(
        0, 1, "core", "P01_IDENTITY", "Identity", None, "why?", "l", "r", 1.0, 3.0, 2.0, False, (), ()
    )
    return dataclasses.replace(row, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "mark"),
    [
        ({}, "▲"),
        ({"delta": 0.5}, "·"),
        ({"delta": -0.51}, "▼"),
        ({"delta": 0.0, "same_text": True}, "="),
        ({"delta": None}, " "),
        ({"right_modes": ("collapse",)}, "!"),
    ],
)
def test_a_pair_is_marked_by_what_came_of_it(changes: dict[str, object], mark: str) -> None:
    assert mark_of(pair_row(**changes))[0] == mark


@pytest.mark.parametrize("width", [28, 36, 52, 90])
@pytest.mark.parametrize("blind", [False, True])
def test_rows_of_pairs_fit_and_hide_what_must_be_hidden(width: int, blind: bool) -> None:
    cells = pair_cells(pair_row(), width, blind, rated=False)
    assert sum(cell.width or len(cell.text) for cell in cells) <= width
    said = " ".join(cell.text for cell in cells)
    assert ("+2.00" in said, "▲" in said) == (not blind, not blind)
    assert pairs_header(width, blind).cell_length <= width + 2


@pytest.mark.parametrize("width", [73, 113, 190])
def test_rows_of_comparisons_stand_under_their_header(width: int) -> None:
    row = ComparisonRow(
        "c", "n", "wick", "wick + tuned", "core", "lantern-v1", "1", "2026-11-21T04:35:00", 101, 7
    )
    cells = comparison_cells(row, width)
    assert sum(cell.width or len(cell.text) for cell in cells) <= width
    header = comparisons_header(width).plain
    before = sum(cell.width or len(cell.text) for cell in cells[:3])
    assert header.index("right") == before + 2
    assert header.index("pairs") + 5 == 2 + sum(cell.width or len(cell.text) for cell in cells[:7])


# -- ratings -------------------------------------------------------------------------------------------------


def rating(
    place: int, side_name: str, value: int, scale: str = "depth", rater: str = "ada", blind: bool = True
) -> RatingRow:
    return RatingRow(f"{place}{side_name}", place, side_name, scale, value, rater, blind, "left", "2026")  # type: ignore[arg-type]


def test_ratings_are_paired_and_raters_averaged() -> None:
    rows = [
        rating(0, "left", 2),
        rating(0, "right", 4),
        rating(0, "right", 5, rater="bob", blind=False),
        rating(1, "left", 3),
        rating(1, "right", 3),
        rating(2, "left", 1),
        rating(0, "left", 2, scale="insight"),
    ]
    (depth,) = rated_scales(rows)
    assert (depth.scale, depth.left, depth.right, depth.n_blind) == ("depth", 2.5, 3.75, 1)
    assert depth.effect.value == pytest.approx(1.25) and depth.effect.n == 2


def test_ratings_in_any_order_give_the_same() -> None:
    rows = [rating(n, name, 1 + n % 5) for n in range(8) for name in ("left", "right")]
    mixed = random.Random(1).sample(rows, len(rows))
    assert rated_scales(rows) == rated_scales(mixed)
