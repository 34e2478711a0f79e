"""Models of the llama family decoded in NumPy: what MLX computes, several times as fast on a Linux CPU.

MLX's CPU backend is made to be right rather than quick: a step of a small model is some three hundred
operations of about six microseconds each, exponentials are scalar calls into libm, attention reads every
row's own copy of a shared kernel, and the wheel's products are the reference BLAS's. NumPy works on the same
memory with vectorized exponentials and an OpenBLAS of its own.

Models qualify by what they consist of (plain float32 layers of mlx-lm's llama, qwen2 and qwen3, which also
carry mistral; low-rank adapters may be attached) and by proof: once per model, logits are compared with
MLX's. Whatever does not qualify takes the general path; so does everything on a GPU.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.blas import single_threaded
from lab.decode.host_cache import Attention, HostCache, Shape
from lab.decode.host_layers import (
    Floats,
    Linear,
    RMSNorm,
    Rope,
    UnsupportedError,
    Variants,
    exactly,
    product,
    rotate,
    silu_times,
    view,
)
from lab.models.load import LoadedModel
from lab.models.mlx_lm_api import LLAMA_FAMILY, KVCache, make_prompt_cache
from lab.models.runtime import mx, nn, on_cpu

_nn: Any = nn
_PROOF = (np.arange(7) * 37 % 101, np.arange(1) + 5)
_TOLERANCE = 1e-3
ONE_THREAD_PARAMETERS = 200_000_000
ONE_THREAD_MULTIPLICATIONS = 5_000_000_000
"""A pass below both, a tenth of a second at most, is left to one thread. OpenBLAS's threads spin while they
wait for each other: beside another busy process a second one slowed such passes down tenfold, and alone it
gained a sixth on the steps of a model of 50 million parameters."""


class HostModel:
    """A view of a loaded model. It sees weights as they are when it is made."""

    def __init__(self, model: Any, rope: Rope, parameters: int) -> None:
        """Raises UnsupportedError for what has no counterpart here."""
        self._parameters = parameters
        self._embedding = view(exactly(model.model.embed_tokens, _nn.Embedding).weight)
        self._blocks = [_Block(layer, rope) for layer in model.model.layers]
        self._norm = RMSNorm(model.model.norm)
        tied = model.args.tie_word_embeddings
        self._head = None if tied else Linear(model.lm_head)
        attention = model.model.layers[0].self_attn
        self._shape = Shape(len(self._blocks), attention.n_kv_heads, rope.size)
        self._rope = rope

    def new_cache(self, row: HostCache | None = None) -> HostCache:
        """The cache of a row of this model: of one that has got so far, or of which nothing has been read."""
        cache = HostCache(self._shape) if row is None else row
        cache.model = self
        return cache

    def read(self, tokens: Sequence[int], cache: HostCache, variant: str | None) -> Floats:
        """Take in a chunk of one row's prompt: what the last layer makes of its last token `(1, size)`."""
        return self._run(np.array([tokens]), cache, [variant], wanted=1)

    def logits(self, x: Floats, variants: Sequence[str | None]) -> Floats:
        """Logits `(rows, vocab)` of the last layer's output `(rows, size)`."""
        return self._logits(x, _places(variants, 1))

    def __call__(self, tokens: NDArray[Any], cache: HostCache, variants: Sequence[str | None]) -> Floats:
        """Logits `(rows, positions, vocab)` of `tokens` `(rows, positions)`; the cache moves on."""
        rows, n = tokens.shape
        x = self._run(tokens, cache, variants, wanted=n)
        return self._logits(x, _places(variants, n)).reshape(rows, n, -1)

    def _run(
        self, tokens: NDArray[Any], cache: HostCache, variants: Sequence[str | None], wanted: int
    ) -> Floats:
        """What the last layer makes of the last `wanted` positions `(rows · wanted, size)`."""
        n, slots = tokens.shape[1], len(cache.prefixes)
        by_slot = np.zeros((slots, n), dtype=np.intp)
        by_slot[cache.slots] = tokens
        on: list[str | None] = [None] * slots
        for slot, variant in zip(cache.slots, variants, strict=True):
            on[slot] = variant
        positions = cache.starts()[:, None] + np.arange(n)
        step = _Pass(slots, n, _places(on, n), self._rope.table(positions.ravel()), cache.advance(n))
        last = step if wanted == n else step.narrowed(on, wanted)
        x = self._embedding[by_slot.ravel()]
        with self._threads(slots * n), np.errstate(over="ignore"):
            for layer, block in enumerate(self._blocks):
                x = block(layer, x, step, last if layer == len(self._blocks) - 1 else step)
        return x.reshape(slots, wanted, -1)[cache.slots].reshape(-1, x.shape[-1])

    def _threads(self, positions: int) -> AbstractContextManager[None]:
        few = positions * self._parameters < ONE_THREAD_MULTIPLICATIONS
        return single_threaded() if few and self._parameters < ONE_THREAD_PARAMETERS else nullcontext()

    def _logits(self, x: Floats, variants: Variants) -> Floats:
        x = self._norm(x)
        with self._threads(len(x)):
            return product(x, self._embedding.T) if self._head is None else self._head(x, variants)


@dataclass(frozen=True, slots=True)
class _Pass:
    """What all layers of one pass over `n` positions in each slot have in common."""

    slots: int
    n: int
    variants: Variants
    table: tuple[Floats, Floats]
    attention: Attention

    def narrowed(self, on: Sequence[str | None], wanted: int) -> _Pass:
        """The same for the last `wanted` positions alone."""
        cos, sin = (self.last(part, wanted) for part in self.table)
        return _Pass(self.slots, wanted, _places(on, wanted), (cos, sin), self.attention)

    def last(self, x: Floats, wanted: int) -> Floats:
        """The last positions of every slot in `x` `(slots · n, ...)`."""
        by_slot = x.reshape(self.slots, self.n, *x.shape[1:])
        return by_slot[:, self.n - wanted :].reshape(self.slots * wanted, *x.shape[1:])


class _Block:
    """One layer: attention and feed-forward, each behind a norm and beside a residual."""

    def __init__(self, layer: Any, rope: Rope) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self._before = RMSNorm(layer.input_layernorm)
        self._between = RMSNorm(layer.post_attention_layernorm)
        self._query, self._key = Linear(attention.q_proj), Linear(attention.k_proj)
        self._value, self._out = Linear(attention.v_proj), Linear(attention.o_proj)
        self._query_norm = RMSNorm(attention.q_norm) if "q_norm" in attention else None
        self._key_norm = RMSNorm(attention.k_norm) if "k_norm" in attention else None
        self._gate, self._up, self._down = Linear(mlp.gate_proj), Linear(mlp.up_proj), Linear(mlp.down_proj)
        self._heads, self._key_heads = attention.n_heads, attention.n_kv_heads
        self._size = rope.size
        self._scale = np.float32(attention.scale)

    def __call__(self, layer: int, x: Floats, step: _Pass, last: _Pass) -> Floats:
        """The output for the positions of `last`, given the input `(slots · n, size)` for those of `step`."""
        h = self._before(x)
        keys = self._key(h, step.variants).reshape(-1, self._key_heads, self._size)
        if self._key_norm is not None:
            keys = self._key_norm(keys)
        values = self._value(h, step.variants).reshape(step.slots, step.n, self._key_heads, self._size)
        step.attention.write(layer, rotate(keys, step.table).reshape(values.shape), values)
        if last is not step:
            x, h = step.last(x, last.n), step.last(h, last.n)
        queries = self._query(h, last.variants).reshape(-1, self._heads, self._size)
        if self._query_norm is not None:
            queries = self._query_norm(queries)
        queries = rotate(queries, last.table)
        queries *= self._scale
        seen = last.attention(layer, queries.reshape(last.slots, last.n, self._heads, self._size))
        x = x + self._out(seen.reshape(len(x), -1), last.variants)
        h = self._between(x)
        x += self._down(silu_times(self._gate(h, last.variants), self._up(h, last.variants)), last.variants)
        return x


def _places(on: Sequence[str | None], n: int) -> Variants:
    """Which of the `n` positions of every slot run on which adapter."""
    return _places_of(tuple(on), n)


@functools.lru_cache(maxsize=256)
def _places_of(on: tuple[str | None, ...], n: int) -> Variants:
    if all(variant == on[0] for variant in on):
        return [] if on[0] is None else [(on[0], slice(None))]
    variants = np.array([variant or "" for variant in on]).repeat(n)
    return [
        (name, places)
        for name in dict.fromkeys(filter(None, on))
        for places in _slices(np.flatnonzero(variants == name))
    ]


def _slices(places: NDArray[np.intp]) -> list[slice]:
    """One slice where places are evenly spaced, else one for every run of neighbors."""
    steps = np.diff(places)
    if len(steps) and (steps == steps[0]).all():
        return [slice(int(places[0]), int(places[-1]) + 1, int(steps[0]))]
    runs = np.split(places, np.flatnonzero(steps > 1) + 1)
    return [slice(int(run[0]), int(run[-1]) + 1) for run in runs]


@dataclass(slots=True)
class _Known:
    """What is found out about a model once."""

    rope: Rope
    proven: bool


_known: dict[int, _Known | None] = {}
"""By the identity of a model, as long as it lives; None for one that is not of the family."""


def host_model(loaded: LoadedModel, variant: str | None) -> HostModel | None:
    """The model as it is now, if it can be decoded here, with rows on `variant`; else None."""
    if not on_cpu() or variant in loaded.gate.full:
        return None
    known = _known_of(loaded)
    if known is None or not known.proven:
        return None
    try:
        return HostModel(loaded.model, known.rope, loaded.record.parameters)
    except UnsupportedError:
        return None


def _known_of(loaded: LoadedModel) -> _Known | None:
    model = loaded.model
    if id(model) not in _known:
        try:
            _known[id(model)] = _find_out(model, loaded.record.parameters)
        except UnsupportedError:
            _known[id(model)] = None
        weakref.finalize(model, _known.pop, id(model), None)
    return _known[id(model)]


def _find_out(model: Any, parameters: int) -> _Known:
    """Raises UnsupportedError for a model that is not of the family."""
    if type(model) not in LLAMA_FAMILY:
        raise UnsupportedError
    if any(type(part) is not KVCache for part in make_prompt_cache(model)):
        raise UnsupportedError
    attention = model.model.layers[0].self_attn
    key = attention.k_proj
    rope = Rope(attention.rope, getattr(key, "base", key).weight.shape[0] // attention.n_kv_heads)
    return _Known(rope, _proven(model, HostModel(model, rope, parameters)))


def _proven(model: Any, host: HostModel) -> bool:
    """Whether both compute the same logits of a few tokens, read together and one by one."""
    cache, rows = make_prompt_cache(model), host.new_cache()
    for tokens in _PROOF:
        expected = np.asarray(model(mx.array(tokens[None]), cache=cache))
        found = host(tokens[None], rows, [None])
        if not np.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE * np.abs(expected).max()):
            return False
    return True
