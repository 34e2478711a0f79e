"""Preference files as rows to train on: good ones are kept, bad ones named by line. No model code."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.preference.detect import as_messages, format_of
from lab.preference.formats import kto_answer, kto_pair, kto_partners, read_row
from lab.preference.pairs import Message, PreferencePair
from lab.textfiles import BadRow, json_lines
from lab.train.data.rows import MAX_LINE_BYTES


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A conversation with its answers; of a labeled single answer (KTO) one of both is None."""

    line: int
    messages: tuple[Message, ...]
    chosen: str | None
    rejected: str | None


@dataclass(frozen=True, slots=True)
class PairFile:
    """The rows of one file, those that could not be used, and the hash of its bytes."""

    path: Path
    rows: tuple[AnswerRow, ...]
    bad: tuple[BadRow, ...]
    sha256: str


def read_pairs(path: Path, single_answers: bool = False) -> PairFile:
    """Read a JSONL file in any of the forms that `lab.preference.detect` knows, mixed as they may be.

    With `single_answers` labeled rows stay as they are; otherwise those of one prompt are joined into pairs.
    Raises LabError when the file cannot be read or no row of it can be used.
    """
    try:
        data = path.read_bytes()
        with path.open("rb") as file:
            lines = list(json_lines(file, MAX_LINE_BYTES))
    except OSError as error:
        raise LabError(f"{path}: cannot be read: {error.strerror or error}") from error
    rows: list[AnswerRow] = []
    labeled: list[tuple[int, dict[str, Any]]] = []
    bad: list[BadRow] = []
    for line, value in lines:
        try:
            if isinstance(value, BadRow):
                bad.append(value)
                continue
            row = as_messages(value)
            form = format_of(row)
            if form.name != "kto":
                rows.append(_paired(line, read_row(row, form)))
                continue
            single = _single(line, row)
            if single_answers:
                rows.append(single)
            else:
                labeled.append((line, row))
        except LabError as error:
            bad.append(BadRow(line, str(error)))
    pairs, alone = _joined(labeled)
    rows = sorted([*rows, *pairs], key=lambda row: row.line)
    bad = sorted([*bad, *alone], key=lambda row: row.line)
    if not rows:
        why = f": {bad[0]}" if bad else ": it is empty"
        raise LabError(f"{path}: no row can be trained on{why}")
    return PairFile(path, tuple(rows), tuple(bad), hashlib.sha256(data).hexdigest())


def _paired(line: int, pair: PreferencePair) -> AnswerRow:
    if pair.chosen == pair.rejected:
        raise LabError("both answers are the same text: nothing is preferred")
    return AnswerRow(line, pair.messages, pair.chosen, pair.rejected)


def _single(line: int, row: dict[str, Any]) -> AnswerRow:
    messages, answer, desirable = kto_answer(row)
    return AnswerRow(line, messages, answer if desirable else None, None if desirable else answer)


def _joined(labeled: Sequence[tuple[int, dict[str, Any]]]) -> tuple[list[AnswerRow], list[BadRow]]:
    """Rows with labels as pairs, and those without a partner; a pair has the line of its first row."""
    partners, alone = kto_partners([row for _, row in labeled])
    rows: list[AnswerRow] = []
    bad = [BadRow(labeled[place][0], "its prompt has no answer with the other label") for place in alone]
    for chosen, rejected in partners:
        line = labeled[min(chosen, rejected)][0]
        try:
            rows.append(_paired(line, kto_pair(labeled[chosen][1], labeled[rejected][1])))
        except LabError as error:
            bad.append(BadRow(line, str(error)))
    return rows, bad
