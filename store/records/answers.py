"""Answers and everything they depend on: models, probes, kernels, conditions, traces, scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

FinishReason = Literal["stop", "length", "cancelled"]
KernelPlacement = Literal["none", "system", "user"]
BY_HAND = "by hand"
"""In the place of a model's id: a person wrote this answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """A model as loaded: the id hashes what decides its output (weights, tokenizer, chat template)."""

    kind: ClassVar[str] = "model"

    id: str
    name: str
    path: str
    architecture: str
    parameters: int
    vocab_size: int
    quantization: str | None
    weights_sha256: str
    tokenizer_sha256: str
    template_sha256: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRecord:
    """One revision of a probe. The key is (battery, id); the latest `at` wins; `retired` hides it."""

    kind: ClassVar[str] = "probe"

    battery: str
    id: str
    domain: str
    prompt: str
    sha256: str
    origin: str
    at: str
    subjects: tuple[str, ...] = ()
    source_probe: str | None = None
    rephrase_type: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)
    retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRecord:
    """A kernel: raw text, hashed as it stands and never parsed."""

    kind: ClassVar[str] = "kernel"

    sha256: str
    name: str
    text: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionRecord:
    """Under what an answer was made: kernel and sampling. The id hashes every other field but `at`."""

    kind: ClassVar[str] = "condition"

    id: str
    name: str
    kernel_name: str | None
    kernel_sha256: str | None
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    max_tokens: int
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Per-token series of one answer; all lists have one entry a token unless said otherwise.

    `ends[i]` is the length in characters of the answer's text once token i is decoded (non-decreasing).
    Alternatives are flat with stride `k`, best first; empty when they were not recorded.
    """

    token_ids: tuple[int, ...]
    ends: tuple[int, ...]
    entropy_nats: tuple[float, ...]
    sampling_entropy_nats: tuple[float, ...]
    surprisal_nats: tuple[float, ...]
    p_top1: tuple[float, ...]
    margin: tuple[float, ...]
    rank: tuple[int, ...]
    k: int = 0
    alternative_ids: tuple[int, ...] = ()
    alternative_p: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRecord:
    """One finished answer with everything needed to ask for it again.

    `text` is the answer as decoded, special tokens of the chat template left out.
    `parent_id` and `parent_token` are set when the answer was branched off another before that token index;
    its first `parent_token` tokens are then the parent's and keep the parent's statistics. An answer that a
    person wrote over another has a `parent_id` alone, BY_HAND as its model, and no statistics.
    """

    kind: ClassVar[str] = "generation"

    id: str
    run_id: str | None
    model_id: str
    adapter_sha256: str | None
    condition_id: str
    kernel_placement: KernelPlacement
    probe_battery: str | None
    probe_id: str | None
    probe_sha256: str | None
    prompt: str
    seed: int
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    n_tokens: int
    started_at: str
    prefill_ms: float
    wall_ms: float
    tokens_per_second: float
    peak_memory_bytes: int
    mean_entropy_nats: float | None
    median_entropy_nats: float | None
    p90_entropy_nats: float | None
    max_entropy_nats: float | None
    backend: str
    at: str
    parent_id: str | None = None
    parent_token: int | None = None
    trace: Trace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRecord:
    """What one instrument says of one answer. Undefined dimensions are None. `detail` is free JSON."""

    kind: ClassVar[str] = "score"

    id: str
    generation_id: str
    instrument: str
    version: str
    text_sha256: str
    dimensions: Mapping[str, float | None]
    at: str
    total: float | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
