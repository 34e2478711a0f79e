"""Training rows as they come, reduced to what is measured: the prompt and the answer.

Read are mlx-lm's `messages`, `prompt` with `completion` or `response`, Alpaca (`instruction`, `input`,
`output`) and plain `text`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError
from lab.textfiles import replace_surrogates

EXPECTED = "messages, prompt with completion or response, instruction with output, or text"


@dataclass(frozen=True, slots=True)
class Example:
    """One training row. `prompt` is None where the form has none (`text`)."""

    line: int
    prompt: str | None
    answer: str


def is_row(value: Any) -> bool:
    """Whether a JSON value is meant as a training row: an object with one of the fields that are read."""
    return isinstance(value, Mapping) and not {"messages", "prompt", "instruction", "text"}.isdisjoint(value)


def example(line: int, row: Any) -> Example:
    """The prompt and answer of a row. Raises LabError naming the field and what was expected.

    Of a conversation the last assistant message is the answer, and the user message before it the prompt.
    """
    if not isinstance(row, Mapping):
        raise LabError(f"expected an object with {EXPECTED}")
    if "messages" in row:
        return Example(line, *_conversation(row["messages"]))
    for answer_field in ("completion", "response"):
        if "prompt" in row and answer_field in row:
            return Example(line, _text(row, "prompt"), _text(row, answer_field))
    if "instruction" in row and "output" in row:
        return Example(line, _alpaca_prompt(row), _text(row, "output"))
    if "text" in row:
        return Example(line, None, _text(row, "text"))
    raise LabError(f"expected {EXPECTED}; found {', '.join(map(str, row)) or 'nothing'}"[:200])


def _conversation(messages: Any) -> tuple[str | None, str]:
    if isinstance(messages, str) or not isinstance(messages, Sequence):
        raise LabError("messages: expected a list of {role, content}")
    prompt, answer, pending = None, None, None
    for index, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise LabError(f"messages[{index}]: expected {{role, content}}")
        if message["role"] == "user":
            pending = _content(message.get("content"), index)
        elif message["role"] == "assistant" and message.get("content"):
            prompt, answer = pending, _content(message["content"], index)
    if answer is None:
        raise LabError("messages: no assistant message with text")
    return prompt, answer


def _content(content: Any, index: int) -> str:
    """The text of a message, whose content is text or a list of parts of which some are text."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        content = "\n".join(part for part in parts if isinstance(part, str)) or None
    if not isinstance(content, str) or not content.strip():
        raise LabError(f"messages[{index}].content: expected text")
    return replace_surrogates(content)


def _alpaca_prompt(row: Mapping[str, Any]) -> str:
    instruction = _text(row, "instruction")
    return f"{instruction}\n\n{_text(row, 'input')}" if row.get("input") else instruction


def _text(row: Mapping[str, Any], field: str) -> str:
    value = row[field]
    if not isinstance(value, str) or not value.strip():
        raise LabError(f"{field}: expected text" + (", found none" if not value else ""))
    return replace_surrogates(value)
