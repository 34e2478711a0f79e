"""A prompt computed once for both of its answers, with exact gradients.

The trunk runs over the prompts first, with a cache in every layer that keeps their keys and values as part of
the graph; then over the answers, whose layers attend to these too. Gradients of both answers flow back into
the prompt through the cache. It is tried on a model before it is used: layers with a memory of another kind
(delta nets), or that compute positions in a way of their own, do without.
"""

from __future__ import annotations

from typing import Any

from lab.models.mlx_lm_api import KVCache, RotatingKVCache, make_prompt_cache
from lab.models.runtime import mx
from lab.train.net import Net

Array = Any


class PromptCache:
    """One layer's keys and values of the prompts `(prompts, heads, length, width)`, padded on the right."""

    def __init__(self) -> None:
        self.offset = 0
        self.keys: Array = None
        self.values: Array = None

    def make_mask(self, length: int, return_array: bool = False, window_size: int | None = None) -> Array:
        """Causal; what is padding comes after everything that counts."""
        if not return_array and (window_size is None or length <= window_size):
            return "causal"
        queries, keys = mx.arange(length)[:, None], mx.arange(length)[None]
        return _visible(queries, keys, window_size)

    def update_and_fetch(self, keys: Array, values: Array) -> tuple[Array, Array]:
        self.keys, self.values = keys, values
        return keys, values


class AnswerCache:
    """The same layer for the answers: row i goes on from prompt `owners[i]`, which has `offset[i]` tokens."""

    def __init__(self, prompt: PromptCache, owners: Array, lengths: Array) -> None:
        self._prompt, self._owners = prompt, owners
        self.offset = lengths

    def make_mask(self, length: int, return_array: bool = False, window_size: int | None = None) -> Array:
        """`(rows, 1, length, prompt + length)`: each row sees its own prompt, and itself up to each token."""
        width = self._prompt.keys.shape[2]
        offset = self.offset[:, None, None]
        queries = offset + mx.arange(length)[None, :, None]
        prompt_keys, own_keys = mx.arange(width)[None, None], offset + mx.arange(length)[None, None]
        prompt = _visible(queries, prompt_keys, window_size) & (prompt_keys < offset)
        return mx.concatenate([prompt, _visible(queries, own_keys, window_size)], axis=-1)[:, None]

    def update_and_fetch(self, keys: Array, values: Array) -> tuple[Array, Array]:
        return (
            mx.concatenate([self._prompt.keys[self._owners], keys], axis=2),
            mx.concatenate([self._prompt.values[self._owners], values], axis=2),
        )


def answer_states(net: Net, prompts: Array, answers: Array, owners: Array, lengths: Array) -> Array:
    """The trunk's last states of the answers `(rows, length, width)`.

    `prompts` are token ids `(prompts, longest)` padded on the right, `answers` `(rows, length)`; row i goes
    on behind the first `lengths[i]` tokens of prompt `owners[i]`.
    """
    caches = [PromptCache() for _ in make_prompt_cache(net.model)]
    net.hidden(prompts, cache=caches)
    return net.hidden(answers, cache=[AnswerCache(cache, owners, lengths) for cache in caches])


def can_share(net: Net) -> bool:
    """Whether this model gives the same states either way; tried, not assumed. In evaluation mode."""
    if not all(isinstance(cache, KVCache | RotatingKVCache) for cache in make_prompt_cache(net.model)):
        return False
    tokens = mx.arange(12)
    prompts = mx.stack([tokens[:5], mx.concatenate([tokens[:3], mx.zeros(2, tokens.dtype)])])
    answers = mx.stack([tokens[5:9], tokens[3:7]])
    try:
        shared = answer_states(net, prompts, answers, mx.arange(2), mx.array([5, 3]))
        plain = mx.concatenate([net.hidden(tokens[None, :9])[:, 5:], net.hidden(tokens[None, :7])[:, 3:]])
        apart = mx.abs(shared - plain).max() / mx.abs(plain).max()
        return bool((apart <= (1e-3 if plain.dtype == mx.float32 else 5e-2)).item())
    except (TypeError, ValueError, AttributeError, RuntimeError, IndexError):
        return False


def _visible(queries: Array, keys: Array, window_size: int | None) -> Array:
    """Which places see which, by their positions."""
    seen = keys <= queries
    return seen if window_size is None else seen & (keys > queries - window_size)
