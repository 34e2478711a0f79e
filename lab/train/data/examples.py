"""Rows as tokens: which of them are learned, what was cut off, what to look at before a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lab.errors import LabError
from lab.textfiles import BadRow
from lab.train.data.rows import Row

SHOWN_LINES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A row as tokens; those from index `start` on are learned. `length` is what buckets go by."""

    token_ids: npt.NDArray[np.int32]
    start: int
    sha256: str
    line: int

    @property
    def length(self) -> int:
        return len(self.token_ids)

    @property
    def learned(self) -> int:
        """How many of its tokens are predicted and counted; the first never is."""
        return len(self.token_ids) - max(self.start, 1)


@dataclass(slots=True)
class Encoding:
    """What became of the rows of one source. Lines are those of its file."""

    source: str
    examples: list[Example] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    truncated: list[int] = field(default_factory=list)
    tokens_cut: int = 0
    duplicates: list[int] = field(default_factory=list)
    spelling_control_tokens: list[int] = field(default_factory=list)
    inexact_masks: list[int] = field(default_factory=list)
    folded_system: list[int] = field(default_factory=list)

    def notices(self, max_seq_length: int) -> list[str]:
        """What a person should know of this source, one line each."""
        kinds = (
            (self.truncated, f"cut to {max_seq_length} tokens, {self.tokens_cut:,} tokens lost"),
            (self.duplicates, "said before in the same file, kept once"),
            (self.spelling_control_tokens, "spell control tokens of the chat template in their text"),
            (self.inexact_masks, "rendered otherwise without their answer; masked up to where they part"),
            (self.folded_system, "have a system message the template refuses; put before the user's"),
        )
        said = [
            f"{self.source}: {_count(lines)} {words} ({_lines(lines)})" for lines, words in kinds if lines
        ]
        if self.bad:
            first = "; ".join(map(str, self.bad[:3]))
            said.insert(0, f"{self.source}: {_count(self.bad)} left out ({first})")
        return said


def encode(
    rows: Iterable[Row],
    tokenizer: Any,
    *,
    source: Path | str,
    mask_prompt: bool,
    max_seq_length: int,
    keep_duplicates: bool = False,
) -> Encoding:
    """Tokenize rows as mlx-lm does: chats by the template, texts with the end token behind them.

    Rows of which nothing is left to learn are bad ones. Raises LabError when no row remains.
    """
    found = Encoding(str(source))
    control = control_tokens(tokenizer)
    said: set[str] = set()
    for row in rows:
        if row.sha256 in said:
            found.duplicates.append(row.line)
            if not keep_duplicates:
                continue
        said.add(row.sha256)
        try:
            example = example_of(row, tokenizer, mask_prompt, max_seq_length, found)
        except LabError as error:
            found.bad.append(BadRow(row.line, str(error)))
            continue
        found.examples.append(example)
        if spells(row.messages, control):
            found.spelling_control_tokens.append(row.line)
    if not found.examples:
        raise LabError(f"{source}: no row can be trained on: {found.bad[0]}")
    return found


def control_tokens(tokenizer: Any) -> list[str]:
    """What a template may be written in: tokens that are picked out of a text before it is looked at."""
    return [text for text in tokenizer.get_added_vocab() if len(text) > 1]


def spells(messages: Iterable[Mapping[str, Any]], control: Sequence[str]) -> bool:
    """Whether a message spells one of these tokens."""
    return any(text in str(message["content"]) for message in messages for text in control)


def example_of(row: Row, tokenizer: Any, mask_prompt: bool, limit: int, found: Encoding) -> Example:
    """One row as tokens, with what happened on the way noted in `found`. Raises LabError saying why not."""
    if row.messages:
        ids, start = _chat(row, tokenizer, mask_prompt, found)
    else:
        ids, start = _text(row, tokenizer, mask_prompt), 0
    if len(ids) > limit:
        if start >= limit:
            raise LabError(f"its prompt alone has {start} tokens, max_seq_length is {limit}")
        found.truncated.append(row.line)
        found.tokens_cut += len(ids) - limit
        ids = ids[:limit]
    if len(ids) <= max(start, 1):
        raise LabError("there is nothing to learn in it: the answer has no tokens")
    return Example(np.asarray(ids, dtype=np.int32), start, row.sha256, row.line)


def _text(row: Row, tokenizer: Any, mask_prompt: bool) -> list[int]:
    if mask_prompt:
        raise LabError(
            "a text has no prompt to mask: set mask_prompt to false, or give prompt and completion"
        )
    ids: list[int] = tokenizer.encode(row.text)
    if ids[-1:] != [tokenizer.eos_token_id]:
        ids.append(tokenizer.eos_token_id)
    return ids


def _chat(row: Row, tokenizer: Any, mask_prompt: bool, found: Encoding) -> tuple[list[int], int]:
    if not tokenizer.has_chat_template:
        raise LabError("this model has no chat template: give rows with a text instead")
    messages: Sequence[Any] = row.messages
    try:
        ids = _render(tokenizer, messages, row.tools)
    except LabError:
        if messages[0]["role"] != "system" or len(messages) < 2:
            raise
        messages = _fold_system(messages)
        ids = _render(tokenizer, messages, row.tools)
        found.folded_system.append(row.line)
    if not mask_prompt:
        return ids, 0
    if messages[-1]["role"] != "assistant":
        raise LabError("the last message is not the assistant's: with mask_prompt nothing would be learned")
    if len(messages) < 2:
        return ids, 0
    prompt = _render(tokenizer, messages[:-1], row.tools, add_generation_prompt=True)
    start = _common_prefix(prompt, ids)
    if start < len(prompt):
        found.inexact_masks.append(row.line)
    return ids, start


def _render(
    tokenizer: Any, messages: Sequence[Any], tools: Any, add_generation_prompt: bool = False
) -> list[int]:
    try:
        return list(
            tokenizer.apply_chat_template(
                list(messages), tools=tools, add_generation_prompt=add_generation_prompt, return_dict=False
            )
        )
    except Exception as error:
        # Templates raise through Jinja, custom renderers raise what they like.
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise LabError(f"the chat template refuses it: {first[:160]}") from error


def _fold_system(messages: Sequence[Any]) -> list[Any]:
    system, user, *rest = messages
    return [{**user, "content": f"{system['content']}\n\n{user['content']}"}, *rest]


def _common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    for index, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return index
    return min(len(left), len(right))


def _count(rows: Sequence[object]) -> str:
    return "1 row" if len(rows) == 1 else f"{len(rows):,} rows"


def _lines(lines: Sequence[int]) -> str:
    shown = ", ".join(map(str, lines[:SHOWN_LINES]))
    more = ", …" if len(lines) > SHOWN_LINES else ""
    return f"line {shown}" if len(lines) == 1 else f"lines {shown}{more}"
