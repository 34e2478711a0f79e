"""lek-v2 must give every published value: the engine against a slow reference that shares nothing with it."""

from __future__ import annotations

import random

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
_FILLED = [
    term.replace("~3,30~", gap).replace("~5,40~", gap).replace("~3,20~", gap)
    for term in _TERMS
    for gap in ("ab", "abc", "the other side of it", "x" * 20, "y" * 31, "two\nlines", "and and", "é—ſ")
    if "~" in term
]
_WORDS = _FILLED + [
    form for term in _TERMS for form in (term, term.upper(), term.title(), f"{term}s", f"un{term}")
]
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
