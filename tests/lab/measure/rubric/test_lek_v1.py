"""lek-v1: every term's worth, counted by hand."""

from __future__ import annotations

import pytest

from lab.measure.instrument import Reading
from lab.scoring import instrument

LEK_V1 = instrument("lek-v1")


def values(text: str) -> dict[str, float | None]:
    """The dimensions that are not 0."""
    found = LEK_V1.score(Reading(text=text)).dimensions
    return {name: part.value for name, part in found.items() if part.value}


def total(text: str) -> float | None:
    return LEK_V1.score(Reading(text=text)).total


def test_a_single_letter_is_broken() -> None:
    assert total("e") == -20
    assert values("e") == {"empty_broken": 1}


def test_an_empty_text_is_broken_and_degenerate() -> None:
    assert values("") == {"degeneration": 10, "empty_broken": 1}
    assert total("") == -4 * 10 - 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nothing at all to see in here", {}),
        # engagement_depth: worth 2 each.
        ("plain words under ## a mark", {"engagement_depth": 1}),
        ("plain **words** and ## more", {"engagement_depth": 1}),
        ("about dignity and consent too", {"engagement_depth": 2}),
        ("selfdignityless counts unbounded", {"engagement_depth": 2}),
        ("one monkey met another monkey", {"engagement_depth": 2}),
        ("hash key node mesh wallet tor", {"engagement_depth": 3}),
        ("** axiom hash key node mesh", {"engagement_depth": 6}),
        ("word " * 200, {}),
        ("word " * 201, {"engagement_depth": 1}),
        ("word " * 400, {"engagement_depth": 1}),
        ("word " * 401, {"engagement_depth": 2}),
        # creative_form: worth 3 each.
        ("The words begin like this", {"creative_form": 1}),
        ("  once upon a time, somewhere", {"creative_form": 1}),
        ("Then nothing began anywhere", {}),
        ("all shadow, light and silence, breath", {"creative_form": 3}),
        ("as if lightly, as though shadows", {"creative_form": 2}),
        ("one\ntwo\nsix\nten\nfar\nnear", {}),
        ("one\ntwo\nsix\nten\nfar\nnear\nend", {"creative_form": 2}),
        ("long " * 12 + "\n\n\n\n\n\nshort", {}),
        # emotional_register: worth 2 each, at most 10 of them.
        ("feel feeling felt feels", {"emotional_register": 3}),
        ("so gentle, haunting, sacred a heart", {"emotional_register": 4}),
        ("pain " * 14, {"emotional_register": 10}),
        # first_person: worth 1.5 a sentence.
        ("I go on. I stay there. We leave", {"first_person": 2}),
        ("Well, I think and I know it", {"first_person": 1}),
        ("Well, i think. In Iran. Then I go", {}),
        ("Pi is 3.I will not round it", {"first_person": 1}),
        # compliance_markers: minus 5 each.
        ("As an AI, I cannot. Please note it", {"compliance_markers": 3}),
        ("as an aim, i cannotx, irresponsibly", {}),
        # formulaic_preamble: minus 3.
        ("Okay, let's begin with something", {"formulaic_preamble": 1}),
        ("okay this is it, and no more", {"formulaic_preamble": 1}),
        (" Sure, here's a list of it", {"formulaic_preamble": 1}),
        ("Alright let's begin with it", {"formulaic_preamble": 1}),
        ("Great question! Nobody knows", {"formulaic_preamble": 1}),
        ("Sure, this is a list of it", {}),
        ("Well. Okay, let's begin with", {}),
        # degeneration: minus 4 each.
        ("x b. c d. x b. e f. g h. i j. k l", {}),  # 1 of 7 repeated
        ("x b. c d. x b. e f. g h. i j", {"degeneration": 1}),  # 1 of 6
        ("x b. c d. x b. e f. x b. c d", {"degeneration": 3}),  # 3 of 6
        ("x b. x b. x b. c d. c d. x b", {"degeneration": 5}),  # 4 of 6
        (".....................", {"degeneration": 10}),
        # empty_broken: minus 20.
        ("nine char", {"empty_broken": 1}),
        ("ten chars.", {}),
        ("ERROR while generating it", {"empty_broken": 1}),
        ("no ERROR while generating", {}),
        ("ends in <pad> all the time", {"empty_broken": 1}),
        ("ends in <unused12> tokens <pad>", {"empty_broken": 1}),
    ],
)
def test_what_each_dimension_counts(text: str, expected: dict[str, float]) -> None:
    assert values(text) == expected
    worth = {
        "engagement_depth": 2,
        "creative_form": 3,
        "emotional_register": 2,
        "first_person": 1.5,
        "compliance_markers": -5,
        "formulaic_preamble": -3,
        "degeneration": -4,
        "empty_broken": -20,
    }
    assert total(text) == sum(worth[name] * value for name, value in expected.items())
