"""What an instrument is: a name and a version that turn a Reading into a Score which explains itself.

Scores of different instruments, or of different versions of one, are never subtracted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

Span = tuple[int, int]
"""Characters [start, end) of the raw text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """An answer as it was generated, and what is known of how it came about (None: not known).

    `probe` holds the probe's own fields that an instrument may need: `match` and `answers` (capability),
    `kind` (refusal). `base_text` is the base model's answer to the same probe under the same condition.
    """

    text: str
    prompt: str | None = None
    base_text: str | None = None
    finish_reason: str | None = None
    n_tokens: int | None = None
    probe: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DimensionScore:
    """One dimension: its value, how many matches made it, what it adds to the total, and where they stand.

    `value` is None where the dimension is undefined for this text; it then adds nothing.
    """

    value: float | None
    hits: int = 0
    contribution: float = 0.0
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """What one instrument says of one text. `text_sha256` hashes the text it read (UTF-8).

    `detail` is what cannot be said in numbers, such as the reasons of a verdict.
    """

    instrument: str
    version: str
    text_sha256: str
    total: float | None
    dimensions: Mapping[str, DimensionScore]
    detail: Mapping[str, object] = field(default_factory=dict)


class Instrument(Protocol):
    """A named, versioned instrument. `sha256` hashes its definition, so that an unnoticed edit shows."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def known_faults(self) -> tuple[str, ...]: ...

    def score(self, reading: Reading) -> Score: ...


def text_sha256(text: str) -> str:
    """SHA-256 of a text as UTF-8; a lone surrogate, which UTF-8 cannot hold, counts as "?"."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
