"""The words of decoding, shared by the loop, the engine protocol and the screens. Pure: no heavy imports."""

from __future__ import annotations

from dataclasses import dataclass

from store.records import FinishReason


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. Temperature 0 is greedy; top_k 0, top_p 1, min_p 0 switch a filter off."""

    temperature: float = 0.7
    top_p: float = 0.9
    top_k: int = 0
    min_p: float = 0.0
    max_tokens: int = 320


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of the k most probable tokens at a step, from the raw distribution."""

    token_id: int
    text: str
    p: float


@dataclass(frozen=True, slots=True)
class TokenStat:
    """A token and what the model thought there. All from the raw float32 logits except the sampling entropy.

    `text` is the piece this token adds to the answer (empty while a multi-byte character is incomplete).
    `rank` is 0 for the most probable token. `surprisal_nats` is −ln p(token), which is not entropy.
    """

    index: int
    token_id: int
    text: str
    entropy_nats: float
    sampling_entropy_nats: float
    surprisal_nats: float
    p_top1: float
    margin: float
    rank: int
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of one row: why it ended, and what it cost."""

    reason: FinishReason
    prompt_tokens: int
    prefill_ms: float
    wall_ms: float
    peak_memory_bytes: int
