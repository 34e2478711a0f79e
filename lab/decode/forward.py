"""Running the model: prefill, one step for several rows, and the scores of given tokens.

Every call of the model goes through here, the one place that has to know which variant a row wants, and
whether MLX computes or, where that is quicker, NumPy (`lab.decode.host`). Logits are an array of the one kind
or the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from lab.decode.host import HostModel, host_model
from lab.decode.host_cache import HostCache
from lab.decode.prefix import PrefixCache
from lab.models.load import LoadedModel
from lab.models.mlx_lm_api import make_prompt_cache
from lab.models.runtime import mx

PREFILL_TOKENS = 512
_SCORED_LOGITS = 2**23


class StoppedError(Exception):
    """The caller asked to stop while a prompt was being read."""


def forward(loaded: LoadedModel, tokens: Any, cache: list[Any], variants: Sequence[str | None]) -> Any:
    """Logits `(rows, positions, vocab)` in float32; the cache moves on.

    `tokens` `(rows, positions)` are an array or a list of lists. `variants` says for every row which adapter
    it runs on; None is the base. Raises LabError for an adapter that is not attached, and for rows that
    cannot share a batch.
    """
    with loaded.gate.open(variants):
        if (host := _host(cache)) is not None:
            return host(np.asarray(tokens), cache[0], variants)
        tokens = tokens if isinstance(tokens, mx.array) else mx.array(tokens)
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
    host = host_model(loaded, variant)
    owner = f"{loaded.record.id}/{variant}" + ("" if host is None else "/host")
    done, cache = 0, None
    if prefix_cache is not None:
        done, cache = prefix_cache.longest(owner, tokens)
    cache = _bound(loaded, host, cache)
    if prefix_cache is not None and (split := prefix_cache.split_at(owner, tokens, done)):
        _read(loaded, tokens[done:split], cache, variant, should_stop)
        prefix_cache.keep(owner, tokens[:split], cache)
        done = split
        if host is not None and (kept := prefix_cache.longest(owner, tokens))[0] == split:
            # From here on the row shares what was kept.
            cache = _bound(loaded, host, kept[1])
    if host is not None:
        return cache, _read(loaded, tokens[done:], cache, variant, should_stop)
    _read(loaded, tokens[done:-1], cache, variant, should_stop)
    logits = forward(loaded, [tokens[-1:]], cache, [variant])[:, -1, :]
    mx.eval(logits)
    return cache, logits


def computed_by(loaded: LoadedModel, variant: str | None = None) -> str:
    """What makes the logits of rows on `variant`: "mlx", or "numpy" with the BLAS it was built with."""
    if host_model(loaded, variant) is None:
        return "mlx"
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"numpy, {blas['name']} {blas['version']}"


def _bound(loaded: LoadedModel, host: HostModel | None, cache: list[Any] | None) -> list[Any]:
    """A row's cache, begun or not, for whichever computes."""
    if host is not None:
        return [host.new_cache(None if cache is None else cache[0])]
    return make_prompt_cache(loaded.model) if cache is None else cache


def _host(cache: list[Any]) -> HostModel | None:
    return cache[0].model if isinstance(cache[0], HostCache) else None


def _read(
    loaded: LoadedModel,
    tokens: Sequence[int],
    cache: list[Any],
    variant: str | None,
    should_stop: Callable[[], bool],
) -> Any:
    """Run tokens for the sake of the cache. The logits `(1, vocab)` behind the last come from the host alone:
    MLX computes them for every token or for none."""
    host, x = _host(cache), None
    for begin in range(0, len(tokens), PREFILL_TOKENS):
        if should_stop():
            raise StoppedError
        chunk = tokens[begin : begin + PREFILL_TOKENS]
        if host is not None:
            with loaded.gate.open([variant]):
                x = host.read(chunk, cache[0], variant)
            continue
        forward(loaded, [chunk], cache, [variant])
        mx.eval([part.state for part in cache])
        mx.clear_cache()
    return None if host is None or x is None else host.logits(x, [variant])


def score(
    loaded: LoadedModel, tokens: Sequence[int], cache: list[Any], logits: Any, variant: str | None
) -> Iterator[tuple[int, Any]]:
    """Logits around given tokens, in chunks `(i, (n, vocab))`: row j are the logits before token `i + j`.

    `logits` `(1, vocab)` are those before the first token; the very last row is what follows the last token.
    """
    per_chunk = max(_SCORED_LOGITS // logits.shape[-1], 16)
    yield 0, logits
    for begin in range(0, len(tokens), per_chunk):
        after = forward(loaded, [tokens[begin : begin + per_chunk]], cache, [variant])[0]
        if _host(cache) is None:
            mx.eval(after, [part.state for part in cache])
        yield begin + 1, after
