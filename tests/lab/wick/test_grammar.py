"""The text grammar: choices, slots, inflection, articles, and errors that name what is wrong."""

import random
import re

import pytest

from lab.errors import LabError
from lab.wick.grammar import Fixed, Grammar, Literal, tidy
from lab.wick.situation import NounPhrase, Party, third_person


def grammar(**rules: list[str]) -> Grammar:
    return Grammar(rules)


def everything(rule: list[str], **slots: Literal) -> set[str]:
    """All texts a rule gives over many seeds."""
    compiled = grammar(start=rule)
    return {compiled.expand("start", slots, random.Random(seed)) for seed in range(400)}


def test_choices_nest_and_multiply() -> None:
    assert everything(["X [a|b [c|d]] Y"]) == {"X a Y", "X b c Y", "X b d Y"}


def test_a_bare_bar_splits_the_whole_alternative() -> None:
    assert everything(["One.|Two [x|y]."]) == {"One.", "Two x.", "Two y."}


def test_an_empty_choice_leaves_no_double_blank() -> None:
    assert everything(["A [|b] c, [d|]."]) == {"A c, d.", "A b c, d.", "A c,.", "A b c,."}


def test_escaped_brackets_and_loose_braces_are_literal() -> None:
    assert everything(['{ "a": \\[1, 2\\] }']) == {'{ "a": [1, 2] }'}


def test_numbers_stay_in_their_range() -> None:
    seen = {int(text) for text in everything(["{n:3-6}"])}
    assert seen == {3, 4, 5, 6}


def test_slots_win_over_rules_and_take_features() -> None:
    compiled = grammar(start=["{thing.the.cap} {thing.v:need} {thing}."], thing=["never"])
    assert (
        compiled.expand("start", {"thing": NounPhrase.parse("keys")}, random.Random(0))
        == "The keys need keys."
    )


@pytest.mark.parametrize("text", ["a [b", "a b]", "[a|[b]"])
def test_unbalanced_brackets_are_refused_with_the_text(text: str) -> None:
    with pytest.raises(LabError, match=re.escape(repr(text))):
        grammar(start=[text])


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(LabError, match="nowhere"):
        grammar(start=["{nowhere}"]).expand("start", {}, random.Random(0))


def test_fixed_slots_have_every_form_and_literals_none() -> None:
    assert Fixed("this").form("the") == "this"
    with pytest.raises(LabError, match="no form"):
        Literal("this").form("the")


def test_tidy_articles_and_capitals() -> None:
    assert (
        tidy("a apple and a hour. a uniform was a one-off") == "An apple and an hour. A uniform was a one-off"
    )
    assert tidy('so? yes! "no." maybe  not') == 'So? Yes! "no." Maybe not'


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("need", "needs"),
        ("carry", "carries"),
        ("say", "says"),
        ("miss", "misses"),
        ("have", "has"),
        ("go", "goes"),
    ],
)
def test_third_person(verb: str, expected: str) -> None:
    assert third_person(verb) == expected


@pytest.mark.parametrize(
    ("entry", "the", "a", "verb"),
    [
        ("home server", "the home server", "a home server", "is"),
        ("old laptops", "the old laptops", "old laptops", "are"),
        ("metadata~m", "the metadata", "metadata", "is"),
        ("forged papers~p", "the forged papers", "forged papers", "are"),
        ("row of lockers", "the row of lockers", "a row of lockers", "is"),
        ("canvas~s", "the canvas", "a canvas", "is"),
        ("glass", "the glass", "a glass", "is"),
    ],
)
def test_noun_phrases_agree(entry: str, the: str, a: str, verb: str) -> None:
    phrase = NounPhrase.parse(entry)
    assert (phrase.form("the"), phrase.form("a"), phrase.form("is")) == (the, a, verb)


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        ("the council", "wants"),
        ("the older members", "want"),
        ("the people whose data it is", "want"),
        ("the ones who stayed", "want"),
        ("the one who was hurt", "wants"),
        ("the children", "want"),
    ],
)
def test_parties_agree_with_their_verb(words: str, verb: str) -> None:
    assert Party(words).form("v:want") == verb


def test_possessives_of_parties() -> None:
    assert Party("the council").form("poss") == "the council's"
    assert Party("the older members").form("poss") == "the older members'"
