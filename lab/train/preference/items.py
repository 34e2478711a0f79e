"""Pairs as tokens: one prompt, and the tokens of each answer, which alone are counted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lab.errors import LabError
from lab.safetext import encodable
from lab.textfiles import BadRow
from lab.train.data.examples import Encoding, Example, control_tokens, example_of, spells
from lab.train.data.rows import Row
from lab.train.preference.data import AnswerRow

Tokens = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A prompt `(p,)`, p ≥ 1, with its answers `(c,)` and `(r,)`; a labeled single answer leaves one empty.

    `sha256` hashes what the row says; `key` what the model reads: the tokens, and which of them are counted.
    """

    prompt: Tokens
    chosen: Tokens
    rejected: Tokens
    sha256: str
    line: int
    key: str

    @property
    def is_whole(self) -> bool:
        """Whether there are two answers to compare."""
        return len(self.chosen) > 0 and len(self.rejected) > 0

    @property
    def learned(self) -> int:
        """How many tokens are counted."""
        return len(self.chosen) + len(self.rejected)

    @property
    def length(self) -> int:
        """The tokens of both conversations."""
        conversations = (len(self.chosen) > 0) + (len(self.rejected) > 0)
        return conversations * len(self.prompt) + self.learned


@dataclass(slots=True)
class PairEncoding:
    """What became of the pairs of one file."""

    notes: Encoding
    pairs: list[Pair] = field(default_factory=list)

    def notices(self, max_seq_length: int) -> list[str]:
        """What a person should know, one line each."""
        for lines in (self.notes.truncated, self.notes.inexact_masks, self.notes.folded_system):
            lines[:] = sorted(set(lines))
        return self.notes.notices(max_seq_length)


def encode_pairs(
    rows: Iterable[AnswerRow],
    tokenizer: Any,
    *,
    source: Path | str,
    max_seq_length: int,
    keep_duplicates: bool = False,
) -> PairEncoding:
    """Tokenize rows by the model's chat template, as `lab.train.data.examples` does for single answers.

    A pair of which an answer has no tokens, or the same as the other, is a bad row. Raises LabError when no
    row remains.
    """
    found = PairEncoding(Encoding(str(source)))
    control, said = control_tokens(tokenizer), set()
    for row in rows:
        digest = _sha256(row)
        if digest in said:
            found.notes.duplicates.append(row.line)
            if not keep_duplicates:
                continue
        said.add(digest)
        try:
            pair = _pair(row, digest, tokenizer, max_seq_length, found.notes)
        except LabError as error:
            found.notes.bad.append(BadRow(row.line, str(error)))
            continue
        found.pairs.append(pair)
        texts = [{"content": m.content} for m in row.messages]
        texts += [{"content": text} for text in (row.chosen, row.rejected) if text is not None]
        if spells(texts, control):
            found.notes.spelling_control_tokens.append(row.line)
    if not found.pairs:
        raise LabError(f"{source}: no row can be trained on: {found.notes.bad[0]}")
    return found


def pair_of(prompt: Tokens, chosen: Tokens, rejected: Tokens, sha256: str = "", line: int = 0) -> Pair:
    """A pair of tokens."""
    parts = (prompt, chosen, rejected)
    told = np.asarray([len(part) for part in parts], dtype=np.int64).tobytes()
    key = hashlib.sha256(told + b"".join(np.asarray(part, dtype=np.int32).tobytes() for part in parts))
    return Pair(prompt, chosen, rejected, sha256, line, key.hexdigest())


def _pair(row: AnswerRow, digest: str, tokenizer: Any, limit: int, notes: Encoding) -> Pair:
    examples = {
        name: _named(name, row, text, tokenizer, limit, notes)
        for name, text in (("chosen", row.chosen), ("rejected", row.rejected))
        if text is not None
    }
    start = _shared_start([*examples.values()])
    prompt = next(iter(examples.values())).token_ids[:start]
    nothing = np.zeros(0, dtype=np.int32)
    chosen, rejected = (
        examples[name].token_ids[start:] if name in examples else nothing for name in ("chosen", "rejected")
    )
    if np.array_equal(chosen, rejected):
        raise LabError(f"both answers are the same within max_seq_length ({limit} tokens)")
    return pair_of(prompt, chosen, rejected, digest, row.line)


def _named(name: str, row: AnswerRow, text: str, tokenizer: Any, limit: int, notes: Encoding) -> Example:
    try:
        return example_of(_chat(row, text), tokenizer, True, limit, notes)
    except LabError as error:
        raise LabError(f"{name}: {error}") from error


def _shared_start(examples: Sequence[Example]) -> int:
    """Where the counted tokens begin: behind what both conversations have in common of the prompt."""
    start = min(max(example.start, 1) for example in examples)
    first, last = examples[0].token_ids[:start], examples[-1].token_ids[:start]
    parted = np.flatnonzero(first != last)
    return max(int(parted[0]), 1) if len(parted) else start


def _chat(row: AnswerRow, answer: str) -> Row:
    messages = [{"role": m.role, "content": encodable(m.content)} for m in row.messages]
    messages.append({"role": "assistant", "content": encodable(answer)})
    return Row(row.line, tuple(messages), "", None, "")


def _sha256(row: AnswerRow) -> str:
    said = [[[message.role, message.content] for message in row.messages], row.chosen, row.rejected]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
