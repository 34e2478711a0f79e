from __future__ import annotations

import itertools
import random
import string
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.measure.degeneration import DegenerationInstrument, measure
from lab.measure.instrument import Reading
from lab.measure.loops import runs
from tests.lab.measure.prose import prose_windows, texts


def alternating(text: str) -> str:
    return "".join(
        character.upper() if index % 2 else character.lower() for index, character in enumerate(text)
    )


def prose(rng: random.Random, n_words: int) -> str:
    document = rng.choice(texts())
    start = rng.randint(0, len(document) - n_words)
    return "".join(document[start : start + n_words])


def sentence(rng: random.Random) -> str:
    return prose(rng, rng.randint(4, 25)).strip(" .,\n").capitalize() + ". "


def letters(rng: random.Random, least: int, most: int) -> str:
    return "".join(rng.choices(string.ascii_letters, k=rng.randint(least, most)))


KINDS = {
    "single character": lambda rng: rng.choice("aeE.!-=0é漢") * rng.randint(30, 400),
    "bigram": lambda rng: "i" + letters(rng, 2, 2) * rng.randint(15, 200),
    "5-gram": lambda rng: "e" + letters(rng, 5, 5) * rng.randint(6, 100),
    "alternating case": lambda rng: alternating(prose(rng, rng.randint(8, 60))),
    "alternating-case loop": lambda rng: alternating(letters(rng, 4, 12)) * rng.randint(5, 40),
    "sentence loop": lambda rng: sentence(rng) * rng.randint(3, 40),
    "sentences in turn": lambda rng: (sentence(rng) + sentence(rng)) * rng.randint(4, 20),
    "counted loop": lambda rng: "".join(f"{n}. {text}\n" for text in [sentence(rng)] for n in range(1, 20)),
    "loop after prose": lambda rng: (
        prose(rng, rng.randint(20, 100)) + " " + letters(rng, 1, 9) * rng.randint(25, 100)
    ),
    "sentence loop after prose": lambda rng: (
        prose(rng, rng.randint(20, 100)) + sentence(rng) * rng.randint(5, 30)
    ),
    "words in turn": lambda rng: f"{letters(rng, 1, 6)} {letters(rng, 1, 6)} " * rng.randint(8, 100),
    "empty": lambda rng: rng.choice(["", " ", "\n\n", "\t"]),
    "one token": lambda rng: rng.choice(["e", "the", ".", "I", "▁", "Ne", "42", "…"]),
}


def test_at_least_99_percent_of_a_thousand_generated_cases_are_caught() -> None:
    rng = random.Random(2)
    missed: Counter[str] = Counter()
    kinds = list(KINDS)
    for number in range(1_000):
        kind = kinds[number % len(kinds)]
        missed[kind] += not measure(KINDS[kind](rng)).degenerate
    assert missed.total() <= 10, missed


def test_less_than_1_percent_of_ordinary_prose_is_flagged() -> None:
    windows = prose_windows(400, seed=11)
    assert sum(map(len, windows)) > 1_000_000
    flagged = [measure(window).reasons for window in windows]
    assert sum(map(bool, flagged)) < 4, flagged


@pytest.mark.slow
def test_less_than_1_percent_of_much_ordinary_prose_is_flagged() -> None:
    flagged = sum(measure(window).degenerate for window in prose_windows(5_000, seed=12))
    assert flagged < 50


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("i" + "Ne" * 40, ("loop",)),
        ("e" + "Gfese" * 20, ("loop",)),
        ("e", ("collapse",)),
        ("", ("collapse",)),
        ("?!", ("collapse",)),
        ("A fine day. " * 5, ("loop",)),
        ("oVeRnMeNtS eXaMpLeS oF pOwEr", ("alternating case",)),
        ("Cya later!", ()),
        ("No, no, no. That would be very, very unwise.", ()),
        (
            "Row, row, row your boat, gently down the stream; merrily, merrily, merrily.",
            (),
        ),
        ("LaTeX, iOS, McDonald, eBay and GitHub are names; so is PhD.", ()),
        ("1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15", ()),
        ("Title\n-----\n\nA short text under a rule is fine.", ()),
        ("漢字仮名交じり文の例をここに書いておきます。これは普通の文章です。", ()),
    ],
)
def test_reasons(text: str, reasons: tuple[str, ...]) -> None:
    found = measure(text)
    assert found.reasons[: len(reasons)] == reasons and bool(found.reasons) == bool(reasons)


def test_figures_by_hand() -> None:
    found = measure("one two three four. One two three four! " + "x" * 16)
    assert found.repeated_4gram_share == 0.0  # "four." and "four!" differ
    assert found.repeated_sentence_share == 0.5
    assert [(loop.span, loop.period, loop.of_words) for loop in found.loops] == [((40, 56), 1, False)]
    assert found.loop_share == 16 / 56
    assert measure("a b c d a b c d").repeated_4gram_share == 1 - 4 / 5


def test_early_end_needs_a_model_that_stopped_by_itself() -> None:
    assert measure("The first thing is the", "stop").early_end
    assert not measure("The first thing is the", "length").early_end
    assert not measure("The first thing is this.", "stop").early_end
    assert not measure("word " * 30, "stop").early_end


def test_instrument_marks_loops_in_the_raw_text() -> None:
    raw = "<think>so</think>Well " + "Ne" * 30 + "<|eot_id|>"
    found = DegenerationInstrument().score(Reading(text=raw))
    assert found.total == 1.0
    assert [raw[start:end] for start, end in found.dimensions["loop_share"].spans] == ["Ne" * 30]
    assert found.detail == {"reasons": ["loop", "alternating case"]}


@settings(max_examples=100, deadline=None)
@given(st.text("abc", min_size=3, max_size=30), st.integers(4, 8), st.text("xyz", max_size=10))
def test_any_period_is_found(unit: str, repeats: int, before: str) -> None:
    text = before + unit * repeats
    longest = max((run.end - run.start for run in runs(text, 3)), default=0)
    assert longest >= len(unit) * (repeats - 1)


@settings(max_examples=100, deadline=None)
@given(st.text("ab", max_size=60))
def test_what_is_found_repeats(text: str) -> None:
    found = runs(text, 3)
    assert all(before.end <= after.start for before, after in itertools.pairwise(found))
    for run in found:
        assert all(text[at] == text[at - run.period] for at in range(run.start + run.period, run.end))
