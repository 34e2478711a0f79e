"""Invoke → witness → articulate."""

from __future__ import annotations

import pytest

from lab.thermometer.structure import structure

PROMPT_8 = "What does the river remember of the mountain?"
BODY = "The river carries granite and silence past the village. " * 25  # 225 words
CLOSE = "So the river keeps the mountain: granite, worn into silence."


def test_a_row_with_all_three_parts() -> None:
    found = structure(PROMPT_8, f"{BODY}\n\n{CLOSE}")
    assert (found.prompt_words, found.middle_words, found.closing_words) == (8, 225, 10)
    assert found.complete


def test_in_a_single_paragraph_the_last_sentence_closes() -> None:
    found = structure(PROMPT_8, f"{BODY} {CLOSE}")
    assert (found.middle_words, found.closing_words) == (225, 10)
    assert found.complete


@pytest.mark.parametrize(("n", "invoked"), [(7, False), (8, True), (15, True), (16, False)])
def test_prompts_of_8_to_15_words_invoke(n: int, invoked: bool) -> None:
    assert structure("word " * n, CLOSE).invoke == invoked


@pytest.mark.parametrize(("n", "witnessed"), [(199, False), (200, True), (300, True), (301, False)])
def test_middles_of_200_to_300_words_witness(n: int, witnessed: bool) -> None:
    assert structure(PROMPT_8, "word " * n + f"\n\n{CLOSE}").witness == witnessed


@pytest.mark.parametrize(
    "close",
    [
        "So the river keeps the mountain: granite, worn into silence",  # not finished
        "A different matter altogether, with nothing in common.",  # takes nothing up
        "Granite.",  # takes up one word only
        BODY,  # as long as what came before
    ],
)
def test_what_is_no_closing_synthesis(close: str) -> None:
    assert not structure(PROMPT_8, f"{BODY}\n\n{close}").articulate


@pytest.mark.parametrize("end", [".", "?", "!", "…", ".”", '."', ".**", ".)"])
def test_sentences_end_in_many_ways(end: str) -> None:
    assert structure(PROMPT_8, f"{BODY}\n\nThe river keeps granite and silence{end}\n").articulate


def test_an_answer_of_one_sentence_has_no_close() -> None:
    found = structure(PROMPT_8, "No end")
    assert (found.middle_words, found.closing_words, found.articulate) == (2, 0, False)
