"""A language model in two parts: the trunk up to the last hidden states, and the head that makes logits.

Parted, the loss can be computed for the tokens that count only, and in pieces (see `lab.train.loss`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lab.models.runtime import mx

PROBE_TOKENS = 8


@dataclass(frozen=True, slots=True)
class Net:
    """A model as the loop sees it.

    `hidden` takes token ids `(rows, length)` to states `(rows, length, width)`, and `cache`, an object for
    each layer that keeps keys and values, as mlx-lm's models do; `project` takes states to
    logits over the vocabulary, and `head` is the module whose parameters it uses. A model that could not be
    parted has `head` None: its "hidden states" are the logits themselves and `project` returns them.
    """

    model: Any
    hidden: Callable[..., Any]
    project: Callable[[Any], Any]
    head: Any


def split(model: Any) -> Net:
    """Part `model`; whether trunk and head together give the model's own logits is tried, not assumed."""
    for owner in _owners(model):
        for head, project in _heads(owner):
            net = Net(model, owner.model, project, head)
            if _agrees(net):
                return net
    return Net(model, model, lambda states: states, None)


def _owners(model: Any) -> Iterator[Any]:
    """The module that holds trunk and head: the model itself, or what a multimodal model wraps."""
    for owner in (model, getattr(model, "language_model", None)):
        if callable(getattr(owner, "model", None)):
            yield owner


def _heads(owner: Any) -> Iterator[tuple[Any, Callable[[Any], Any]]]:
    if callable(getattr(owner, "lm_head", None)):
        yield owner.lm_head, owner.lm_head
    embeddings: Any = getattr(owner.model, "embed_tokens", None)
    if hasattr(embeddings, "as_linear"):
        yield embeddings, embeddings.as_linear


def _agrees(net: Net) -> bool:
    """Heads that cap or scale their logits do not pass."""
    tokens = mx.arange(PROBE_TOKENS)[None]
    try:
        expected = net.model(tokens)
        difference = mx.abs(net.project(net.hidden(tokens)) - expected).max()
        return bool((difference <= 1e-6 * mx.abs(expected).max()).item())
    except (TypeError, ValueError, AttributeError, RuntimeError):
        return False
