"""Cross-entropy of the tokens that count, in pieces: the logits of a whole batch never exist at once.

The gradient of a piece, softmax − one-hot through the head, is taken while its logits and their exponentials
are at hand. Nothing is computed for prompts and padding behind the trunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlx.utils import tree_flatten, tree_unflatten

from lab.models.runtime import mx
from lab.train.net import Net

Array = Any

PIECE_LOGITS = 1 << 21
"""How many logits a piece has. The CPU backend runs some ten operations ahead, each with such an array."""

MIN_PIECE_ROWS = 16

WHOLE_LOGITS = 1 << 22
"""Up to so many logits (16 MiB) are made at once: pieces would save nothing and cost a little."""


def token_nll(net: Net, inputs: Array, positions: Array, targets: Array) -> Array:
    """−ln p of `targets` `(n,)`, float32 nats, `(n,)`.

    `inputs` are token ids `(rows, length)`; `positions` `(n,)` say, flat over rows and length, which states
    predict the targets. Any scalar function of the result may be differentiated.
    """
    return states_nll(net, net.hidden(inputs), positions, targets)


def states_nll(net: Net, states: Array, positions: Array, targets: Array) -> Array:
    """The same from the trunk's last states `(rows, length, width)`.

    While the model is in evaluation mode the gradient is left to automatic differentiation, for nobody will
    ask for it.
    """
    picked = states.reshape(-1, states.shape[-1])[positions]
    if net.head is None:
        return _nll(picked, targets)
    if not net.model.training:
        return mx.concatenate([_nll(net.project(x), t) for x, t in _pieces(net, picked, targets)])
    parameters: Any = tree_flatten(net.head.trainable_parameters())
    if not parameters:
        return _with_frozen_head(net, picked, targets)
    if len(targets) * _vocabulary(net) <= WHOLE_LOGITS:
        return _nll(net.project(picked), targets)
    return _with_trained_head(net, picked, targets, parameters)


def _nll(logits: Array, targets: Array) -> Array:
    logits = logits.astype(mx.float32)
    own = mx.take_along_axis(logits, targets[:, None], axis=-1)
    return (mx.logsumexp(logits, axis=-1, keepdims=True) - own)[:, 0]


def _nll_and_gradient(logits: Array, targets: Array) -> tuple[Array, Array]:
    """The losses, and their gradients by the logits, softmax − one-hot: of the same exponentials."""
    logits, index = logits.astype(mx.float32), targets[:, None]
    top = logits.max(axis=-1, keepdims=True)
    weights = mx.exp(logits - top)
    total = weights.sum(axis=-1, keepdims=True)
    own = mx.take_along_axis(logits, index, axis=-1)
    p = weights / total
    gradient = mx.put_along_axis(p, index, mx.take_along_axis(p, index, axis=-1) - 1.0, axis=-1)
    return (top + mx.log(total) - own)[:, 0], gradient


def _with_frozen_head(net: Net, states: Array, targets: Array) -> Array:
    @mx.custom_function
    def nll_and_gradient(states: Array) -> tuple[Array, Array]:
        losses: list[Array] = []
        gradients: list[Array] = []
        for x, t in _pieces(net, states, targets):
            # One piece after the other: else they would all be in memory together.
            ready = mx.depends(x, gradients[-1]) if gradients else x
            loss, upstream = _nll_and_gradient(net.project(ready), t)
            gradients.append(mx.vjp(net.project, [ready], [upstream.astype(x.dtype)])[1][0])
            losses.append(loss)
        return mx.concatenate(losses), mx.concatenate(gradients)

    @nll_and_gradient.vjp
    def backward(_: Array, cotangents: Sequence[Array], outputs: Sequence[Array]) -> Array:
        return outputs[1] * cotangents[0][:, None].astype(outputs[1].dtype)

    outputs: Any = nll_and_gradient(states)
    return outputs[0]


def _with_trained_head(
    net: Net, states: Array, targets: Array, parameters: Sequence[tuple[str, Array]]
) -> Array:
    """The head's own gradient needs the cotangents, so that the logits are made once more on the way back."""
    names = [name for name, _ in parameters]

    def project(x: Array, *values: Array) -> Array:
        net.head.update(tree_unflatten(list(zip(names, values, strict=True))))
        logits = net.project(x)
        net.head.update(tree_unflatten(list(parameters)))
        return logits

    @mx.custom_function
    def nll(states: Array, *values: Array) -> Array:
        losses: list[Array] = []
        for x, t in _pieces(net, states, targets):
            ready = mx.depends(x, losses[-1]) if losses else x
            losses.append(_nll(project(ready, *values), t))
        return mx.concatenate(losses)

    @nll.vjp
    def backward(primals: Sequence[Array], cotangent: Array, _: Array) -> tuple[Array, ...]:
        states, *values = primals
        sums: list[Array] = []
        gradients: list[Array] = []
        for x, t, weight in _pieces(net, states, targets, cotangent):
            ready = mx.depends(x, gradients[-1]) if gradients else x
            upstream = _nll_and_gradient(project(ready, *values), t)[1] * weight[:, None]
            upstream = upstream.astype(x.dtype)
            gradient, *parts = mx.vjp(project, [ready, *values], [upstream])[1]
            sums = [a + b for a, b in zip(sums, parts, strict=True)] if sums else parts
            gradients.append(mx.depends(gradient, sums))
        return mx.concatenate(gradients), *sums

    return nll(states, *(value for _, value in parameters))


def _pieces(net: Net, *arrays: Array) -> list[tuple[Array, ...]]:
    """The arrays, cut alike along their first axis."""
    n = arrays[0].shape[0]
    if n * _vocabulary(net) <= WHOLE_LOGITS:
        return [arrays]
    rows = max(PIECE_LOGITS // _vocabulary(net), MIN_PIECE_ROWS)
    return [tuple(array[first : first + rows] for array in arrays) for first in range(0, n, rows)]


def _vocabulary(net: Net) -> int:
    """Rows of the head's weight, whatever wraps it."""
    module = net.head
    while "weight" not in module:
        module = module.linear if "linear" in module else module.embedding
    return int(module.weight.shape[0])
