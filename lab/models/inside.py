"""What goes on inside a model while it reads a text: attention maps, gated-delta-net states, hidden states.

The model is left as it was, and computes what it always does: its layers are wrapped for the length of a
`with`, and the functions that its attention calls have their arguments looked at on the way. Maps are
computed beside the fused kernel, from the same queries and keys.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lab.errors import LabError
from lab.models.load import LoadedModel
from lab.models.mlx_lm_api import compute_g
from lab.models.runtime import mx

ATTENTION, DELTA = "scaled_dot_product_attention", "gated_delta_update"
"""The functions of mlx-lm that a layer mixes its tokens with."""

Floats = npt.NDArray[np.float32]


@dataclass(slots=True)
class Inside:
    """What one text looks like inside, by layer; arrays are of its one row.

    Attributes:
        maps: attention by head `(heads, tokens, tokens)`; every row adds up to one.
        decay: how much of the state each head of a gated delta net keeps at each token `(tokens, heads)`.
        write: how much of the token it writes, the gate β `(tokens, heads)`.
        state_norm: the Frobenius norm of each head's state behind the text `(heads,)`.
        hidden: the layer's output `(tokens, width)`.
    """

    maps: dict[int, Floats] = field(default_factory=dict)
    decay: dict[int, Floats] = field(default_factory=dict)
    write: dict[int, Floats] = field(default_factory=dict)
    state_norm: dict[int, Floats] = field(default_factory=dict)
    hidden: dict[int, Floats] = field(default_factory=dict)


def look_inside(
    loaded: LoadedModel, token_ids: Sequence[int], variant: str | None, *, maps: bool = True
) -> Inside:
    """Read a text with the adapter `variant`, or on the model alone, and say what went on.

    Without `maps` only hidden states are kept. Raises LabError for a model whose layers cannot be found.
    """
    found = Inside()
    with loaded.gate.open([variant]), _watched(loaded.model, found, maps):
        mx.eval(loaded.model(mx.array([list(token_ids)])))
    return found


@contextmanager
def _watched(model: Any, found: Inside, maps: bool) -> Iterator[None]:
    layers = _layers(model)
    originals = list(layers)
    now = [0]
    patched: list[tuple[Any, str, Any]] = []
    try:
        for index, layer in enumerate(originals):
            layers[index] = _Watched(layer, index, now, found)
        if maps:
            hooks: dict[str, Callable[[Any], Any]] = {
                ATTENTION: lambda original: _attention(original, now, found),
                DELTA: lambda original: _delta(original, now, found),
            }
            for module in _code_of(originals):
                for name, hook in hooks.items():
                    if (original := getattr(module, name, None)) is not None:
                        patched.append((module, name, original))
                        setattr(module, name, hook(original))
        yield
    finally:
        layers[:] = originals
        for module, name, original in patched:
            setattr(module, name, original)


class _Watched:
    """A layer that says when it is its turn and what came out of it; anything else is the layer's own."""

    def __init__(self, layer: Any, index: int, now: list[int], found: Inside) -> None:
        self._layer, self._index, self._now, self._found = layer, index, now, found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._now[0] = self._index
        out = self._layer(*args, **kwargs)
        self._found.hidden[self._index] = _numpy((out[0] if isinstance(out, tuple) else out)[0])
        return out


def _attention(original: Any, now: list[int], found: Inside) -> Any:
    def attend(queries: Any, keys: Any, values: Any, *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(("cache", "scale", "mask", "sinks"), args, strict=False)) | kwargs
        found.maps[now[0]] = _numpy(
            _map(queries, keys, given["scale"], given.get("mask"), given.get("sinks"))[0]
        )
        return original(queries, keys, values, *args, **kwargs)

    return attend


def _map(queries: Any, keys: Any, scale: float, mask: Any, sinks: Any) -> Any:
    """softmax(q kᵀ · scale + mask) in float32 `(rows, heads, tokens, tokens)`."""
    repeats = queries.shape[1] // keys.shape[1]
    keys = mx.repeat(keys, repeats, axis=1) if repeats > 1 else keys
    scores = (queries.astype(mx.float32) * scale) @ keys.astype(mx.float32).swapaxes(-1, -2)
    if isinstance(mask, str):
        n, m = scores.shape[-2:]
        mask = mx.arange(m - n, m)[:, None] >= mx.arange(m)[None]
    if mask is not None:
        scores = mx.where(mask, scores, -mx.inf) if mask.dtype == mx.bool_ else scores + mask
    if sinks is None:
        return mx.softmax(scores, axis=-1, precise=True)
    column = mx.broadcast_to(sinks[None, :, None, None], (*scores.shape[:-1], 1))
    return mx.softmax(mx.concatenate([column, scores], axis=-1), axis=-1, precise=True)[..., 1:]


def _delta(original: Any, now: list[int], found: Inside) -> Any:
    def update(*args: Any, **kwargs: Any) -> Any:
        out, state = original(*args, **kwargs)
        a, b, a_log, dt_bias = args[3:7]
        reach = 2.0 if kwargs.get("allow_neg_eigval") else 1.0
        if kwargs.get("lower_bound") is None:
            found.decay[now[0]] = _numpy(compute_g(a_log, a, dt_bias)[0])
        found.write[now[0]] = _numpy(reach * mx.sigmoid(b.astype(mx.float32))[0])
        found.state_norm[now[0]] = _numpy(mx.sqrt(mx.square(state.astype(mx.float32)).sum(axis=(-1, -2)))[0])
        return out, state

    return update


def _layers(model: Any) -> list[Any]:
    """The list in which the model keeps its layers."""
    for owner in (model, getattr(model, "language_model", None)):
        layers = getattr(getattr(owner, "model", None), "layers", None)
        if isinstance(layers, list) and layers:
            return layers
    raise LabError(f"{type(model).__module__} keeps its layers where the lab cannot watch them")


def _code_of(layers: Sequence[Any]) -> list[Any]:
    """The modules of Python that the layers' parts are written in."""
    names = {type(part).__module__: None for layer in layers for _, part in layer.named_modules()}
    return [sys.modules[name] for name in names]


def _numpy(array: Any) -> Floats:
    return np.array(array.astype(mx.float32))
