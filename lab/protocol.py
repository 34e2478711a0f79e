"""What the terminal and the engine process say to each other: one JSON object a line, both ways.

Commands go to the engine's stdin, events come from its stdout. A line is `{"type": NAME, ...fields}`.
Every event about a request carries its `request_id`; events of one answer carry its `generation_id`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, get_args

from lab.decode.types import Alternative, Sampling, TokenStat
from lab.errors import LabError


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Load a model (folder or hub id) with adapters (folders or checkpoint files), replacing what is loaded.

    When it is the model that is loaded already, only the adapters change.
    """

    type: ClassVar[str] = "load"
    request_id: str
    model: str
    adapters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One answer to be made: a prompt under a kernel and sampling settings, with a seed.

    `prefix_token_ids` holds the tokens to start from when branching off `parent_id`;
    `alternatives` is the k of top-k. `adapter` is the id of a loaded adapter, None the model as it is.
    `run_id` is the run that the answer belongs to, None that of the request.
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
    adapter: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """Make answers: one ask streams alone, several run batched, at most `batch_size` rows at a time."""

    type: ClassVar[str] = "generate"
    request_id: str
    asks: tuple[Ask, ...]
    batch_size: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How a side of an overlay reads a text: behind which kernel, on which adapter (see `Ask`)."""

    adapter: str | None = None
    kernel_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What both sides think of one text, token by token, as if either had said it (teacher-forced)."""

    type: ClassVar[str] = "overlay"
    request_id: str
    prompt: str
    token_ids: tuple[int, ...]
    left: View
    right: View
    alternatives: int = 5
    generation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """What tokens read like inside an answer, by the loaded model's tokenizer."""

    type: ClassVar[str] = "spell"
    request_id: str
    token_ids: tuple[int, ...]


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
    """A model is loaded; `model` is its ModelRecord as a mapping, `adapters` are AdapterRecords as asked."""

    type: ClassVar[str] = "loaded"
    request_id: str
    model: Mapping[str, Any]
    load_ms: float
    adapters: tuple[Mapping[str, Any], ...] = ()


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
class OverlayToken:
    """One token of a text as both sides see it; all from their raw distributions, in nats.

    `kl_nats` is KL(left ‖ right) over the full vocabulary. Ranks count from 0. The alternatives are the most
    probable tokens of either side.
    """

    index: int
    token_id: int
    text: str
    left_entropy_nats: float
    right_entropy_nats: float
    left_surprisal_nats: float
    right_surprisal_nats: float
    kl_nats: float
    left_rank: int
    right_rank: int
    left_alternatives: tuple[Alternative, ...] = ()
    right_alternatives: tuple[Alternative, ...] = ()

    @property
    def delta_entropy_nats(self) -> float:
        """ΔH: how much less decided the right side is."""
        return self.right_entropy_nats - self.left_entropy_nats

    @property
    def delta_logp_nats(self) -> float:
        """Δ log p: how much more the right side expects this token."""
        return self.left_surprisal_nats - self.right_surprisal_nats


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlaid:
    """The overlay of a text. The end alternatives are what either side would say after its last token."""

    type: ClassVar[str] = "overlaid"
    request_id: str
    generation_id: str | None
    tokens: tuple[OverlayToken, ...]
    left_end: tuple[Alternative, ...]
    right_end: tuple[Alternative, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelled:
    """The texts of the tokens asked for, in their order."""

    type: ClassVar[str] = "spelled"
    request_id: str
    texts: tuple[str, ...]


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


Command = Load | Generate | Overlay | Spell | Cancel | Shutdown
Event = Ready | Loaded | Started | Token | Finished | Overlaid | Spelled | Progress | Done | Failed

_TYPES: dict[str, type[Any]] = {message.type: message for message in (*get_args(Command), *get_args(Event))}


def encode(message: Command | Event) -> str:
    """One line of JSON, ASCII only and without a newline, so that no text can break the framing."""
    return json.dumps({"type": message.type, **asdict(message)}, ensure_ascii=True, separators=(",", ":"))


def decode(line: str | bytes) -> Command | Event:
    """The message of one line. Raises LabError when the line is not one."""
    try:
        fields = json.loads(line)
        message_type = _TYPES[fields.pop("type")]
        if (restore := _NESTED.get(message_type)) is not None:
            restore(fields)
        message: Command | Event = message_type(**fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LabError(f"engine protocol: not a message: {line[:80]!r} ({error})") from error
    return message


def _load(fields: dict[str, Any]) -> None:
    fields["adapters"] = tuple(fields.get("adapters", ()))


def _generate(fields: dict[str, Any]) -> None:
    fields["asks"] = tuple(_ask(ask) for ask in fields["asks"])


def _ask(fields: dict[str, Any]) -> Ask:
    prefix = tuple(fields.pop("prefix_token_ids", ()))
    return Ask(sampling=Sampling(**fields.pop("sampling")), prefix_token_ids=prefix, **fields)


def _overlay(fields: dict[str, Any]) -> None:
    fields["token_ids"] = tuple(fields["token_ids"])
    fields["left"], fields["right"] = View(**fields["left"]), View(**fields["right"])


def _spell(fields: dict[str, Any]) -> None:
    fields["token_ids"] = tuple(fields["token_ids"])


def _spelled(fields: dict[str, Any]) -> None:
    fields["texts"] = tuple(fields["texts"])


def _token(fields: dict[str, Any]) -> None:
    token = fields["token"]
    fields["token"] = TokenStat(**{**token, "alternatives": _alternatives(token["alternatives"])})


def _overlaid(fields: dict[str, Any]) -> None:
    fields["tokens"] = tuple(
        OverlayToken(
            **{
                **token,
                "left_alternatives": _alternatives(token["left_alternatives"]),
                "right_alternatives": _alternatives(token["right_alternatives"]),
            }
        )
        for token in fields["tokens"]
    )
    fields["left_end"] = _alternatives(fields["left_end"])
    fields["right_end"] = _alternatives(fields["right_end"])


def _alternatives(values: list[dict[str, Any]]) -> tuple[Alternative, ...]:
    return tuple(Alternative(**value) for value in values)


_NESTED: Mapping[type[Any], Callable[[dict[str, Any]], None]] = {
    Load: _load,
    Loaded: _load,
    Generate: _generate,
    Overlay: _overlay,
    Token: _token,
    Overlaid: _overlaid,
    Spell: _spell,
    Spelled: _spelled,
}
"""How the fields of a message that holds more than plain values are made of what JSON gave."""
