"""Running the model: prefill, one step for several rows, and the scores of given tokens.

Every call of the model goes through `forward`, the one place that has to know which variant a row wants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lab.decode.prefix import PrefixCache
from lab.models.load import LoadedModel
from lab.models.mlx_lm_api import make_prompt_cache
from lab.models.runtime import mx

PREFILL_TOKENS = 512
_SCORED_LOGITS = 2**23


class StoppedError(Exception):
    """The caller asked to stop while a prompt was being read."""


def forward(loaded: LoadedModel, tokens: Any, cache: list[Any], variants: Sequence[str | None]) -> Any:
    """Logits `(rows, positions, vocab)` in float32 of `tokens` `(rows, positions)`; the cache moves on.

    `variants` says for every row which adapter it runs on; None is the base. Raises LabError for an adapter
    that is not attached, and for rows that cannot share a batch.
    """
    with loaded.gate.open(variants):
        return loaded.model(tokens, cache=cache).astype(mx.float32)


def prefill(
    loaded: LoadedModel,
    tokens: Sequence[int],
    variant: str | None,
    prefix_cache: PrefixCache | None,
    should_stop: Callable[[], bool],
) -> tuple[list[Any], Any]:
    """Read a prompt: the cache behind it, and the logits `(1, vocab)` after its last token.

    Raises StoppedError when `should_stop` turns true between two chunks.
    """
    owner = f"{loaded.record.id}/{variant}"
    done, cache = 0, None
    if prefix_cache is not None:
        done, cache = prefix_cache.longest(owner, tokens)
    if cache is None:
        cache = make_prompt_cache(loaded.model)
    if prefix_cache is not None and (split := prefix_cache.split_at(owner, tokens, done)):
        _read(loaded, tokens[done:split], cache, variant, should_stop)
        prefix_cache.keep(owner, tokens[:split], cache)
        done = split
    _read(loaded, tokens[done:-1], cache, variant, should_stop)
    logits = forward(loaded, mx.array([list(tokens[-1:])]), cache, [variant])[:, -1, :]
    mx.eval(logits)
    return cache, logits


def _read(
    loaded: LoadedModel,
    tokens: Sequence[int],
    cache: list[Any],
    variant: str | None,
    should_stop: Callable[[], bool],
) -> None:
    """Run tokens for the sake of the cache alone: their logits are never computed."""
    for begin in range(0, len(tokens), PREFILL_TOKENS):
        if should_stop():
            raise StoppedError
        chunk = mx.array([list(tokens[begin : begin + PREFILL_TOKENS])])
        forward(loaded, chunk, cache, [variant])
        mx.eval([part.state for part in cache])
        mx.clear_cache()


def score(
    loaded: LoadedModel, tokens: Sequence[int], cache: list[Any], logits: Any, variant: str | None
) -> Iterator[tuple[int, Any]]:
    """Logits around given tokens, in chunks `(i, (n, vocab))`: row j are the logits before token `i + j`.

    `logits` `(1, vocab)` are those before the first token; the very last row is what follows the last token.
    """
    per_chunk = max(_SCORED_LOGITS // logits.shape[-1], 16)
    yield 0, logits
    for begin in range(0, len(tokens), per_chunk):
        chunk = mx.array([list(tokens[begin : begin + per_chunk])])
        after = forward(loaded, chunk, cache, [variant])[0]
        mx.eval(after, [part.state for part in cache])
        yield begin + 1, after
