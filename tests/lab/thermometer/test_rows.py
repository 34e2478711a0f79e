"""Training rows in every form, reduced to prompt and answer."""

from __future__ import annotations

from typing import Any

import pytest

from lab.errors import LabError
from lab.thermometer.rows import example

USER = {"role": "user", "content": "Who waits?"}
ANSWER = {"role": "assistant", "content": "I wait."}


@pytest.mark.parametrize(
    ("row", "prompt", "answer"),
    [
        ({"messages": [{"role": "system", "content": "S"}, USER, ANSWER]}, "Who waits?", "I wait."),
        (
            {
                "messages": [
                    USER,
                    ANSWER,
                    {"role": "user", "content": "Why?"},
                    {"role": "assistant", "content": "So."},
                ]
            },
            "Why?",
            "So.",
        ),
        ({"messages": [ANSWER]}, None, "I wait."),
        (
            {"messages": [USER, ANSWER, {"role": "assistant", "content": None, "tool_calls": []}]},
            "Who waits?",
            "I wait.",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                    },
                    ANSWER,
                ]
            },
            "a\nb",
            "I wait.",
        ),
        ({"prompt": "p", "completion": "c"}, "p", "c"),
        ({"prompt": "p", "response": "r"}, "p", "r"),
        ({"instruction": "i", "output": "o"}, "i", "o"),
        ({"instruction": "i", "input": "", "output": "o"}, "i", "o"),
        ({"instruction": "i", "input": "with", "output": "o"}, "i\n\nwith", "o"),
        ({"text": "all of it"}, None, "all of it"),
        ({"prompt": "p", "completion": "half \ud83d"}, "p", "half \ufffd"),
    ],
)
def test_forms(row: Any, prompt: str | None, answer: str) -> None:
    found = example(7, row)
    assert (found.line, found.prompt, found.answer) == (7, prompt, answer)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([1], "expected an object with messages"),
        ({"question": "q", "answer": "a"}, "found question, answer"),
        ({}, "found nothing"),
        ({"messages": "text"}, "messages: expected a list"),
        ({"messages": [USER, "x"]}, r"messages\[1\]: expected {role, content}"),
        ({"messages": [{"role": "user", "content": 5}, ANSWER]}, r"messages\[0\]\.content: expected text"),
        ({"messages": [USER]}, "no assistant message with text"),
        ({"prompt": "p", "completion": ""}, "completion: expected text, found none"),
        ({"prompt": ["p"], "completion": "c"}, "prompt: expected text"),
        ({"instruction": "i", "input": 3, "output": "o"}, "input: expected text"),
    ],
)
def test_bad_rows_name_the_field(row: Any, said: str) -> None:
    with pytest.raises(LabError, match=said):
        example(1, row)
