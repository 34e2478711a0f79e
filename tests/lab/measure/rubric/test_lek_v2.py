"""lek-v2 must give every published value: the engine against a slow reference that shares nothing with it."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.measure.instrument import Reading
from lab.scoring import instrument
from tests.hostile import HOSTILE
from tests.lab.measure.rubric.lek_v2_reference import TERM_LISTS, scores

LEK_V2 = instrument("lek-v2")

# Terms as they are, and as they must not match: inside other words, as stems, in another case.
_TERMS = [term for terms in TERM_LISTS.values() for term in terms]
# Gaps around every bound: 3 to 20, 3 to 30 and 5 to 40 characters.
_GAPS = [
    *("x" * n for n in (2, 3, 4, 5, 20, 21, 30, 31, 40, 41)),
    *("the other side of it", "two\nlines", "and and", "as as also", "é—ſ"),
]
_FILLED = [re.sub(r"~\d+,\d+~", gap, term) for term in _TERMS if "~" in term for gap in _GAPS]
# Letters that are equal to s, i and k only when case is ignored.
_ODD = [term.translate(str.maketrans("sik", "ſıK")) for term in _TERMS] + [
    term.replace("i", "İ") for term in _TERMS
]
_WORDS = (
    _FILLED * 2
    + _ODD
    + [form for term in _TERMS for form in (term, term.upper(), term.title(), f"{term}s", f"un{term}")]
)
_PIECES = [
    *(
        "accountable",
        "transparency",
        "irreversible",
        "self-determination",
        "trade-offs",
        "The",
        "Mara",
        "iPhone",
        "McLeod",
    ),
    *(
        "3rd",
        "1,007.50",
        "7.",
        "v2",
        "1.5x",
        "x_1",
        "12_000",
        "٣٤",
        "...",
        "....",
        "......",
        "…",
        "—",
        "—\n\n—",
        "**bold**",
    ),
    *(
        "__init__",
        "*",
        "_",
        "***",
        "_a",
        "> quote",
        ">\nquote",
        "# ",
        "## Title",
        "#### Deep",
        "#\n\n",
        "| a | b |",
        "?",
        "??",
    ),
    *(
        "\n",
        "\n\n",
        "\n\n\n",
        "\n \n",
        " ",
        "  ",
        "\t",
        ". ",
        ".",
        ", ",
        "! ",
        "'",
        "’",
        "-",
        "(",
        ")",
        "ſ",
        "ı",
        "İ",
        "K",
    ),
    *(
        "I ",
        "I'm ",
        "me ",
        "Imagine ",
        "imagine  ",
        "feel-good",
        "feel_good",
        "héart",
        "naïve",
        "漢字",
        "a",
        "the the the",
        "\x1c",
    ),
]
_JOINS = ("", " ", " ", " ", "\n", ". ")


def generated(rng: random.Random) -> str:
    pools = (_WORDS, _PIECES, list(HOSTILE.values()))
    pieces = [rng.choice(rng.choices(pools, (5, 4, 0.05))[0]) for _ in range(rng.randint(0, 30))]
    return "".join(piece + rng.choice(_JOINS) for piece in pieces)


fragments = st.lists(
    st.one_of(st.sampled_from(_WORDS), st.sampled_from(_PIECES), st.text(max_size=8)), max_size=25
).flatmap(lambda pieces: st.sampled_from(_JOINS).map(lambda join: join.join(pieces)))


def assert_agrees(text: str) -> None:
    expected, total = scores(text)
    found = LEK_V2.score(Reading(text=text))
    assert {name: dimension.value for name, dimension in found.dimensions.items()} == expected
    assert found.total == total


@pytest.mark.parametrize("text", ["Cya later!", "e"])
def test_published_value_of_a_broken_answer(text: str) -> None:
    assert LEK_V2.score(Reading(text=text)).total == -19.0


def test_a_hand_counted_answer() -> None:
    text = (
        "Certainly. I feel the tension: both the nurse and Amara Okafor lose 1,200 hours...\n\n"
        "However, they might trust the community—imagine a garden. What then? I cannot say."
    )
    found = {name: part.value for name, part in LEK_V2.score(Reading(text=text)).dimensions.items()}
    assert found == {
        "compliance_markers": 1,  # I cannot
        "formulaic_preamble": 1,
        "degeneration": 0,
        "empty_broken": 0,
        "first_person": 2,  # I feel, I cannot
        "creative_form": 3,  # three dots, a blank line, a dash
        "engagement_depth": 2,
        "emotional_register": 3,  # feel, trust, imagine
        "nuance": 3,  # tension, both … and, However
        "specificity": 4,  # Amara, Okafor, However; 1,200; neither What (after ". ") nor the first word
        "axiom_resonance": 0,
        "perspective_taking": 2,  # they might, the community
        "metaphor": 1,  # imagine + space
        "questioning": 1,
    }
    assert LEK_V2.score(Reading(text=text)).total == round(
        -5 - 2 + 1 + 1.8 + 2 + 2.4 + 4.5 + 1.2 + 3 + 1 + 0.5, 2
    )


@pytest.mark.parametrize(
    ("words", "unique", "value", "contribution"),
    [(10, 1, 0, 0), (11, 1, 1, -20), (20, 5, 1, -20), (20, 6, 0.5, -10), (20, 9, 0.5, -10), (20, 10, 0, 0)],
)
def test_degeneration_at_its_bounds(words: int, unique: int, value: float, contribution: float) -> None:
    text = " ".join(["same"] * (words - unique + 1) + [f"word{n}" for n in range(unique - 1)])
    found = LEK_V2.score(Reading(text=text)).dimensions["degeneration"]
    assert (found.value, found.contribution) == (value, contribution)
    assert scores(text)[0]["degeneration"] == value


def test_agrees_with_the_slow_reference() -> None:
    rng = random.Random(20_260_219)
    for text in (*HOSTILE.values(), *(generated(rng) for _ in range(400))):
        assert_agrees(text)


@settings(max_examples=150, deadline=None)
@given(fragments)
def test_agrees_with_the_slow_reference_on_what_hypothesis_finds(text: str) -> None:
    assert_agrees(text)


@pytest.mark.slow
def test_agrees_with_the_slow_reference_at_length() -> None:
    rng = random.Random(5_000)
    for _ in range(5_000):
        assert_agrees(generated(rng))


@pytest.mark.slow
@settings(max_examples=2_000, deadline=None)
@given(fragments)
def test_agrees_with_the_slow_reference_on_much_that_hypothesis_finds(text: str) -> None:
    assert_agrees(text)
