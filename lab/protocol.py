"""What the terminal and the engine process say to each other: one JSON object a line, both ways.

Commands go to the engine's stdin, events come from its stdout. A line is `{"type": NAME, ...fields}`.
Every event about a request carries its `request_id`; events of one answer carry its `generation_id`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, get_args

from lab.decode.types import Alternative, Sampling, TokenStat
from lab.errors import LabError


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Load a model (folder or hub id), replacing the one that is loaded."""

    type: ClassVar[str] = "load"
    request_id: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One answer to be made: a prompt under a kernel and sampling settings, with a seed.

    `prefix_token_ids` holds the tokens to start from when branching off `parent_id`;
    `alternatives` is the k of top-k.
    """

    prompt: str
    sampling: Sampling
    seed: int
    kernel_name: str | None = None
    kernel_text: str | None = None
    probe_battery: str | None = None
    probe_id: str | None = None
    probe_sha256: str | None = None
    parent_id: str | None = None
    prefix_token_ids: tuple[int, ...] = ()
    alternatives: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """Make answers: one ask streams alone, several run batched, at most `batch_size` rows at a time."""

    type: ClassVar[str] = "generate"
    request_id: str
    asks: tuple[Ask, ...]
    batch_size: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Stop a request within one token; finished answers stay, unfinished ones are kept as cancelled."""

    type: ClassVar[str] = "cancel"
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown:
    """Finish the token in hand and exit 0. The end of stdin means the same."""

    type: ClassVar[str] = "shutdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The engine is up. `device` is "cpu" or "gpu"; `backend` names the BLAS on a CPU."""

    type: ClassVar[str] = "ready"
    pid: int
    device: str
    backend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model is loaded; `model` is its ModelRecord as a mapping."""

    type: ClassVar[str] = "loaded"
    request_id: str
    model: Mapping[str, Any]
    load_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """An answer has begun: the prompt is in the cache and tokens follow. `ask` indexes the request's asks."""

    type: ClassVar[str] = "started"
    request_id: str
    generation_id: str
    ask: int
    prompt_tokens: int
    kernel_placement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """The next token of an answer."""

    type: ClassVar[str] = "token"
    request_id: str
    generation_id: str
    token: TokenStat


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """An answer is finished and in the engine's journal; `generation` is its record without the trace."""

    type: ClassVar[str] = "finished"
    request_id: str
    generation_id: str
    ask: int
    generation: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a request is: answers done of all, tokens/s over all rows, seconds left (None: unknown)."""

    type: ClassVar[str] = "progress"
    request_id: str
    done: int
    total: int
    tokens_per_second: float
    eta_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A generate request is over: all its answers are finished, or it was cancelled."""

    type: ClassVar[str] = "done"
    request_id: str
    done: int
    total: int
    cancelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A request failed with a message for people; the engine goes on. `request_id` is None for a bad line."""

    type: ClassVar[str] = "failed"
    request_id: str | None
    message: str


Command = Load | Generate | Cancel | Shutdown
Event = Ready | Loaded | Started | Token | Finished | Progress | Done | Failed

_TYPES: dict[str, type[Any]] = {message.type: message for message in (*get_args(Command), *get_args(Event))}


def encode(message: Command | Event) -> str:
    """One line of JSON, ASCII only and without a newline, so that no text can break the framing."""
    return json.dumps({"type": message.type, **asdict(message)}, ensure_ascii=True, separators=(",", ":"))


def decode(line: str | bytes) -> Command | Event:
    """The message of one line. Raises LabError when the line is not one."""
    try:
        fields = json.loads(line)
        message_type = _TYPES[fields.pop("type")]
        if message_type is Generate:
            fields["asks"] = tuple(_ask(ask) for ask in fields["asks"])
        if message_type is Token:
            fields["token"] = _token(fields["token"])
        message: Command | Event = message_type(**fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LabError(f"engine protocol: not a message: {line[:80]!r} ({error})") from error
    return message


def _ask(fields: dict[str, Any]) -> Ask:
    prefix = tuple(fields.pop("prefix_token_ids", ()))
    return Ask(sampling=Sampling(**fields.pop("sampling")), prefix_token_ids=prefix, **fields)


def _token(fields: dict[str, Any]) -> TokenStat:
    alternatives = tuple(Alternative(**alternative) for alternative in fields.pop("alternatives"))
    return TokenStat(**fields, alternatives=alternatives)
