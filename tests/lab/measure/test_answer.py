from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.measure.answer import answer_of


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        ("plain", "plain"),
        ("  padded \n", "padded"),
        ("", ""),
        ("<s>Hello</s>", "Hello"),
        ("Hello<|eot_id|><|end_of_text|>", "Hello"),
        ("Hello<end_of_turn>\n<eos><pad><pad><unused12>", "Hello"),
        ("<|im_start|>assistant\nHello<|im_end|>", "Hello"),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nHello", "Hello"),
        ("<start_of_turn>model\nHello", "Hello"),
        ("<｜begin▁of▁sentence｜>Hello<｜end▁of▁sentence｜>", "Hello"),
        ("<think>Let me see.\n\nYes.</think>\n\nHello", "Hello"),
        ("Before <think>hidden</think>after", "Before after"),
        ("hidden, the template had opened it</think>Hello", "Hello"),
        ("<think>never closed, so no answer", ""),
        ("[THINK]hidden[/THINK]Hello", "Hello"),
        ("◁think▷hidden◁/think▷Hello", "Hello"),
        (
            "<|channel|>analysis<|message|>hidden<|end|><|start|>assistant<|channel|>final<|message|>Hello<|return|>",
            "Hello",
        ),
        ("a < b and b > c; [1] is |x|", "a < b and b > c; [1] is |x|"),
        ("<b>bold</b> <thinker>", "<b>bold</b> <thinker>"),
        ("The word think> is no mark", "The word think> is no mark"),
    ],
)
def test_debris_is_left_out(raw: str, answer: str) -> None:
    assert answer_of(raw).text == answer


_PIECES = [
    "word ",
    "<think>",
    "</think>",
    "<|eot_id|>",
    "<|im_start|>assistant\n",
    "</s>",
    "[INST]",
    "<",
    "|",
    " ",
    "\n",
    "é",
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(_PIECES), st.text(max_size=4)), max_size=30).map("".join))
def test_every_character_knows_where_it_stood(raw: str) -> None:
    answer = answer_of(raw)
    assert answer.text == answer.text.strip()
    assert all(
        raw[slice(*answer.raw_span(at, at + 1))] == character for at, character in enumerate(answer.text)
    )
