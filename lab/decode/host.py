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
from lab.decode.host_deltas import Variants
from lab.decode.host_layers import (
    Floats,
    Linear,
    Projections,
    RMSNorm,
    Rope,
    UnsupportedError,
    exactly,
    rotate,
    silu_times,
    view,
)
from lab.decode.host_products import Matrix
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
        one_thread = parameters < ONE_THREAD_PARAMETERS
        self._embedding = view(exactly(model.model.embed_tokens, _nn.Embedding).weight)
        self._blocks = [_Block(layer, rope, one_thread) for layer in model.model.layers]
        self._norm = RMSNorm(model.model.norm)
        tied = model.args.tie_word_embeddings
        self._head = None if tied else Projections(Linear(model.lm_head, one_thread))
        self._tied_head = Matrix(self._embedding, one_thread)
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
        return self._logits(x, _places(tuple(variants), 1))

    def __call__(self, tokens: NDArray[Any], cache: HostCache, variants: Sequence[str | None]) -> Floats:
        """Logits `(rows, positions, vocab)` of `tokens` `(rows, positions)`; the cache moves on."""
        rows, n = tokens.shape
        x = self._run(tokens, cache, variants, wanted=n)
        return self._logits(x, _places(tuple(variants), n)).reshape(rows, n, -1)

    def _run(
        self, tokens: NDArray[Any], cache: HostCache, variants: Sequence[str | None], wanted: int
    ) -> Floats:
        """What the last layer makes of the last `wanted` positions `(rows · wanted, size)`."""
        n, slots = tokens.shape[1], len(cache.prefixes)
        by_slot, on = tokens, tuple(variants)
        if not cache.in_order:
            by_slot, on = _by_slot(cache, tokens, variants)
        positions = cache.starts()[:, None] + np.arange(n)
        table = self._rope.table(positions.ravel())
        step = _Pass(slots, n, _places(on, n), table, cache.advance(n))
        last = step if wanted == n else step.narrowed(on, wanted)
        x: Floats = self._embedding[by_slot.ravel()]
        with self._threads(slots * n), np.errstate(over="ignore"):
            for layer, block in enumerate(self._blocks):
                x = block(layer, x, step, last if layer == len(self._blocks) - 1 else step)
        if cache.in_order:
            return x
        return x.reshape(slots, wanted, -1)[cache.slots].reshape(-1, x.shape[-1])

    def _threads(self, positions: int) -> AbstractContextManager[None]:
        few = positions * self._parameters < ONE_THREAD_MULTIPLICATIONS
        return single_threaded() if few and self._parameters < ONE_THREAD_PARAMETERS else nullcontext()

    def _logits(self, x: Floats, variants: Variants) -> Floats:
        x = self._norm(x)
        with self._threads(len(x)):
            return self._tied_head(x) if self._head is None else self._head(x, variants)


Ons = tuple[str | None, ...]
"""The variant of every slot."""


def _by_slot(
    cache: HostCache, tokens: NDArray[Any], variants: Sequence[str | None]
) -> tuple[NDArray[np.intp], Ons]:
    """What is given for every row in the order of the slots; free ones read token 0 on the base."""
    slots = len(cache.prefixes)
    by_slot = np.zeros((slots, tokens.shape[1]), dtype=np.intp)
    by_slot[cache.slots] = tokens
    on: list[str | None] = [None] * slots
    for slot, variant in zip(cache.slots, variants, strict=True):
        on[slot] = variant
    return by_slot, tuple(on)


@dataclass(frozen=True, slots=True)
class _Pass:
    """What all layers of one pass over `n` positions in each slot have in common."""

    slots: int
    n: int
    variants: Variants
    table: Floats
    attention: Attention

    def narrowed(self, on: Ons, wanted: int) -> _Pass:
        """The same for the last `wanted` positions alone."""
        table = np.stack([self.last(part, wanted) for part in self.table])
        return _Pass(self.slots, wanted, _places(on, wanted), table, self.attention)

    def last(self, x: Floats, wanted: int) -> Floats:
        """The last positions of every slot in `x` `(slots · n, ...)`."""
        by_slot = x.reshape(self.slots, self.n, *x.shape[1:])
        return by_slot[:, self.n - wanted :].reshape(self.slots * wanted, *x.shape[1:])


class _Block:
    """One layer: attention and feed-forward, each behind a norm and beside a residual."""

    def __init__(self, layer: Any, rope: Rope, one_thread: bool) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self._before = RMSNorm(layer.input_layernorm)
        self._between = RMSNorm(layer.post_attention_layernorm)
        names = ("q_proj", "k_proj", "v_proj", "o_proj")
        query, key, value, out = (Linear(attention[name], one_thread) for name in names)
        gate, up, down = (Linear(mlp[name], one_thread) for name in ("gate_proj", "up_proj", "down_proj"))
        self._attended = Projections(query, key, value)
        self._query, self._key_value = Projections(query), Projections(key, value)
        self._out, self._gate_up, self._down = Projections(out), Projections(gate, up), Projections(down)
        self._query_norm = RMSNorm(attention.q_norm) if "q_norm" in attention else None
        self._key_norm = RMSNorm(attention.k_norm) if "k_norm" in attention else None
        self._heads, self._key_heads = attention.n_heads, attention.n_kv_heads
        self._size = rope.size
        self._scale = np.float32(attention.scale)

    def __call__(self, layer: int, x: Floats, step: _Pass, last: _Pass) -> Floats:
        """The output for the positions of `last`, given the input `(slots · n, size)` for those of `step`."""
        h = self._before(x)
        if last is step:
            heads = self._attended(h, step.variants).reshape(len(h), -1, self._size)
            queries = heads[:, : self._heads]
            turned, values = heads[:, : -self._key_heads], heads[:, -self._key_heads :]
            self._normalize(queries, heads[:, self._heads : -self._key_heads])
            turned = rotate(turned, step.table)
            queries, keys = turned[:, : self._heads], turned[:, self._heads :]
        else:
            heads = self._key_value(h, step.variants).reshape(len(h), -1, self._size)
            keys, values = heads[:, : self._key_heads], heads[:, self._key_heads :]
            x, h = step.last(x, last.n), step.last(h, last.n)
            queries = self._query(h, last.variants).reshape(len(h), -1, self._size)
            self._normalize(queries, keys)
            queries, keys = rotate(queries, last.table), rotate(keys, step.table)
        by_slot = (step.slots, step.n, self._key_heads, self._size)
        step.attention.write(layer, keys.reshape(by_slot), values.reshape(by_slot))
        queries *= self._scale
        seen = last.attention(layer, queries.reshape(last.slots, last.n, self._heads, self._size))
        x = x + self._out(seen.reshape(len(x), -1), last.variants)
        both = self._gate_up(self._between(x), last.variants)
        half = both.shape[1] // 2
        x += self._down(silu_times(both[:, :half], both[:, half:]), last.variants)
        return x

    def _normalize(self, queries: Floats, keys: Floats) -> None:
        """In place, where the model has norms for them."""
        if self._query_norm is not None:
            queries[...] = self._query_norm(queries)
        if self._key_norm is not None:
            keys[...] = self._key_norm(keys)


@functools.lru_cache(maxsize=256)
def _places(on: Ons, n: int) -> Variants:
    """Which of the `n` positions of every slot run on which adapter."""
    return Variants(on, n)


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
