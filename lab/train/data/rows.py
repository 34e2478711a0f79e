"""Rows of mlx-lm data directories: chats, completions, texts. Good rows are kept, bad ones named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lab.errors import LabError
from lab.safetext import encodable
from lab.textfiles import BadRow, json_lines

MAX_LINE_BYTES = 8 * 1024 * 1024
GENERAL_HELD_OUT_EVERY = 4


class Features(Protocol):
    """The names of the fields that hold what, as mlx-lm lets people choose them."""

    @property
    def prompt_feature(self) -> str: ...
    @property
    def completion_feature(self) -> str: ...
    @property
    def text_feature(self) -> str: ...
    @property
    def chat_feature(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be trained on: a chat, or (messages empty) a text.

    `sha256` hashes what it says, whatever the model and tokenizer.
    """

    line: int
    messages: tuple[Mapping[str, Any], ...]
    text: str
    tools: Any
    sha256: str


@dataclass(frozen=True, slots=True)
class RowFile:
    """The rows of one file, those that could not be used, and the hash of its bytes."""

    path: Path
    rows: tuple[Row, ...]
    bad: tuple[BadRow, ...]
    sha256: str


def split_file(data: Path, split: str) -> Path | None:
    """The file of a split in a data directory, where there is one. A file itself is its own train split."""
    if data.is_file():
        return data if split == "train" else None
    path = data / f"{split}.jsonl"
    return path if path.is_file() else None


def read_rows(path: Path, features: Features) -> RowFile:
    """Read one JSONL file. Raises LabError when it cannot be read or no row of it can be used."""
    rows: list[Row] = []
    bad: list[BadRow] = []
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            digest.update(file.read())
            file.seek(0)
            for line, value in json_lines(file, MAX_LINE_BYTES):
                try:
                    if isinstance(value, BadRow):
                        bad.append(value)
                    else:
                        rows.append(_row(line, value, features))
                except LabError as error:
                    bad.append(BadRow(line, str(error)))
    except OSError as error:
        raise LabError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not rows:
        why = f": {bad[0]}" if bad else ": it is empty"
        raise LabError(f"{path}: no row can be trained on{why}")
    return RowFile(path, tuple(rows), tuple(bad), digest.hexdigest())


def general_rows(*, held_out: bool = False) -> tuple[Row, ...]:
    """The shipped general questions with their reference answers: those for replay, or the held-out ones.

    Every fourth is held out, in every run, so that no run is measured on what it has practiced.
    """
    from lab.probes.batteries import shipped

    return tuple(
        chat_row(number, probe.prompt, str(probe.extra["reference"]))
        for number, probe in enumerate((p for p in shipped() if p.battery == "general"), start=1)
        if (number % GENERAL_HELD_OUT_EVERY == 0) == held_out
    )


def chat_row(line: int, prompt: str, completion: str) -> Row:
    """A question and its answer as a row."""
    messages = ({"role": "user", "content": prompt}, {"role": "assistant", "content": completion})
    return Row(line, messages, "", None, _sha256([messages, None]))


def _row(line: int, value: Any, features: Features) -> Row:
    if not isinstance(value, Mapping):
        raise LabError("expected an object")
    tools = value.get("tools")
    if features.prompt_feature in value and features.completion_feature in value:
        prompt = _text(value, features.prompt_feature)
        completion = _text(value, features.completion_feature)
        row = chat_row(line, prompt, completion)
        return row if tools is None else Row(line, row.messages, "", tools, _sha256([row.messages, tools]))
    if features.chat_feature in value:
        messages = tuple(_messages(value[features.chat_feature], features.chat_feature))
        return Row(line, messages, "", tools, _sha256([messages, tools]))
    if features.text_feature in value:
        text = _text(value, features.text_feature)
        return Row(line, (), text, None, _sha256(text))
    expected = f"{features.chat_feature}, {features.prompt_feature} and {features.completion_feature}, or "
    found = ", ".join(map(str, value)) or "nothing"
    raise LabError(f"expected {expected}{features.text_feature}; found {found}"[:300])


def _messages(value: Any, field: str) -> Iterator[Mapping[str, Any]]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise LabError(f"{field}: expected a list of messages")
    for index, message in enumerate(value):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise LabError(f"{field}[{index}]: expected role and content")
        content = message.get("content")
        if content is None and message.get("tool_calls"):
            yield {**message, "content": ""}
        elif isinstance(content, str):
            yield {**message, "content": encodable(content)}
        else:
            raise LabError(f"{field}[{index}].content: expected a text")
    if not any(message["role"] == "assistant" for message in value):
        raise LabError(f"{field}: no assistant message: there is nothing to learn")


def _text(value: Mapping[str, Any], field: str) -> str:
    text = value[field]
    if not isinstance(text, str) or not text.strip():
        raise LabError(f"{field}: expected a text" + ("" if text else ", found none"))
    return encodable(text)


def _sha256(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
