"""A file of preference pairs, whatever tool wrote it: good rows kept, bad ones named by line."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.preference.detect import as_messages, format_of
from lab.preference.elsewhere import ALL, ARGILLA, LOG
from lab.preference.formats import PairFormat, Row, kto_answer, kto_pair, kto_partners, read_row
from lab.preference.pairs import Message, PreferencePair
from lab.textfiles import BadRow, decode, json_array, json_lines, read_bytes, replace_surrogates
from lab.textfiles import Row as NumberedRow

MAX_BYTES = 1 << 30
MAX_LINE_BYTES = 64 * 1024 * 1024
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class FoundPair:
    """A pair and the line (a Parquet file: the row) that holds it, in a KTO file the first of the two."""

    line: int
    pair: PreferencePair


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFile:
    """What a file holds: its pairs, the rows that could not be used, and in which formats they are."""

    found: tuple[FoundPair, ...]
    bad: tuple[BadRow, ...]
    formats: tuple[str, ...]


def read_pairs(data: bytes, source: str, form: str = AUTO) -> PairFile:
    """The pairs of a JSONL or JSON file. Raises LabError for a form that is not known, or no JSON at all."""
    return pairs_of(_rows(data, source), form)


def pairs_of(rows: Iterator[NumberedRow] | Sequence[NumberedRow], form: str = AUTO) -> PairFile:
    """The pairs of rows by line, in the format named `form` or, for auto, each in the one it looks like."""
    if form != AUTO and form not in ALL:
        raise LabError(f"no format {form!r}: there is {AUTO}, {', '.join(ALL)}")
    found: list[FoundPair] = []
    bad: list[BadRow] = []
    formats: dict[str, None] = {}
    single: list[tuple[int, Row]] = []
    for line, row in rows:
        try:
            if isinstance(row, BadRow):
                bad.append(row)
                continue
            of = ALL[form] if form != AUTO else _format_of(row)
            if of.name == "kto":
                kto_answer(_object(row, of))
                single.append((line, row))
            else:
                found.append(FoundPair(line, _usable(read_row(as_messages(_object(row, of)), of))))
            formats[of.name] = None
        except LabError as error:
            bad.append(BadRow(line, str(error)))
        except RecursionError:
            bad.append(BadRow(line, "nested too deeply"))
    _join(single, found, bad)
    return PairFile(
        found=tuple(sorted(found, key=lambda one: one.line)),
        bad=tuple(sorted(bad, key=lambda one: one.line)),
        formats=tuple(formats),
    )


def read_file(path: Path) -> bytes:
    """The bytes of a file of pairs."""
    return read_bytes(path, MAX_BYTES)


def _rows(data: bytes, source: str) -> Iterator[NumberedRow]:
    """A JSON array's items, or JSON lines."""
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"[":
        return json_array(decode(data, source), source)
    return json_lines(io.BytesIO(data), MAX_LINE_BYTES)


def _format_of(row: Any) -> PairFormat:
    if isinstance(row, dict):
        if any(str(name).endswith(".responses") for name in row):
            return ARGILLA
        if "corrected" in row or "actual" in row:
            return LOG
    return format_of(row)


def _object(row: Any, of: PairFormat) -> Row:
    if not isinstance(row, dict):
        raise LabError(f"expected an object with the columns of {of.name}, got {type(row).__name__}")
    return row


def _join(single: list[tuple[int, Row]], found: list[FoundPair], bad: list[BadRow]) -> None:
    """KTO's rows of one answer each, as far as they find a partner."""
    partners, alone = kto_partners([row for _, row in single])
    bad += [BadRow(single[place][0], "no answer to its prompt with the other label") for place in alone]
    for chosen, rejected in partners:
        line = single[min(chosen, rejected)][0]
        try:
            found.append(FoundPair(line, _usable(kto_pair(single[chosen][1], single[rejected][1]))))
        except LabError as error:
            bad.append(BadRow(line, str(error)))


def _usable(pair: PreferencePair) -> PreferencePair:
    """The pair as UTF-8 can hold it. Raises LabError where there is nothing to prefer."""
    clean = replace(
        pair,
        messages=tuple(Message(one.role, replace_surrogates(one.content)) for one in pair.messages),
        chosen=replace_surrogates(pair.chosen),
        rejected=replace_surrogates(pair.rejected),
    )
    if clean.chosen == clean.rejected:
        raise LabError("chosen and rejected are the same text: there is nothing to prefer")
    return clean
