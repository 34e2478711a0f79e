"""A preference pair as every format carries it: a conversation up to the question, and two answers to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencePair:
    """Two answers to one conversation, of which `chosen` was preferred.

    `messages` ends with the user's turn. Models, scores and the probe are None where they are not known.
    `is_stated` is false where a file holds two answers but no preference between them.
    """

    id: str
    messages: tuple[Message, ...]
    chosen: str
    rejected: str
    chosen_model: str | None = None
    rejected_model: str | None = None
    chosen_score: float | None = None
    rejected_score: float | None = None
    probe: str | None = None
    is_stated: bool = True

    @property
    def system(self) -> str | None:
        """The system message's text, where there is one."""
        first = self.messages[0]
        return first.content if first.role == "system" else None

    @property
    def turns(self) -> tuple[Message, ...]:
        """The conversation without its system message."""
        return self.messages[1:] if self.messages[0].role == "system" else self.messages


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A pair that an export does not hold, and why."""

    pair_id: str
    reason: str
