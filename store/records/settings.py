"""What a person chose for the lab, kept in its store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRecord:
    """A fact about the store itself, such as the version of the seeds it holds; the latest `at` wins."""

    kind: ClassVar[str] = "setting"

    key: str
    value: str
    at: str
