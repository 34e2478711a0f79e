"""How far an adapter moves a model inside: attention by head, delta-net and hidden states, steering vectors.

Continuous measures, told from the first step on. They have no bounds: nobody knows yet how much is too much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lab.curriculum.direction import BATTERY
from lab.curriculum.heldout import encode_pairs
from lab.measure.shift import attention_shift, averaged, mean_change, mean_cosine, relative_change
from lab.measure.steering import Steering, cosine, steering
from lab.models.inside import Inside, look_inside
from lab.models.load import LoadedModel
from lab.train.data.examples import Example
from store.records import ProbeRecord, Shift

Doubles = npt.NDArray[np.float64]
Tell = Callable[[], None]

BY_HEAD: Mapping[str, tuple[str, Callable[..., Doubles]]] = {
    "attention_l2": ("maps", attention_shift),
    "decay_change": ("decay", mean_change),
    "write_change": ("write", mean_change),
    "state_norm_change": ("state_norm", relative_change),
}
"""Measures by head: which series of `Inside` each compares, and how."""
HIDDEN = "hidden_cosine"
CONSISTENCY, SPLIT_HALF, STEERING_COSINE = "steering_consistency", "steering_split_half", "steering_cosine"


@dataclass(frozen=True, slots=True, eq=False)
class LayerSteering:
    """The steering vectors of one layer, of the reference and of the adapter."""

    layer: int
    reference: Steering
    tuned: Steering

    @property
    def kept(self) -> float | None:
        """The cosine of the two vectors: how far the direction itself stayed."""
        return cosine(self.reference.vector, self.tuned.vector)


def shifts(
    loaded: LoadedModel,
    texts: Sequence[Example],
    reference: str | None,
    variant: str | None,
    max_tokens: int,
    tell: Tell = lambda: None,
) -> list[Shift]:
    """Every measure by layer and head, averaged over texts, the strongest of each measure first."""
    found: dict[tuple[str, int], list[Doubles]] = {}
    for text in texts:
        tokens = [int(token) for token in text.token_ids[:max_tokens]]
        before = look_inside(loaded, tokens, reference)
        after = look_inside(loaded, tokens, variant)
        for key, value in _compared(before, after):
            found.setdefault(key, []).append(value)
        tell()
    n = len(texts)
    by_measure: dict[str, list[Shift]] = {}
    for (measure, layer), values in found.items():
        means = averaged(values)
        heads: Sequence[int | None] = [None] if measure == HIDDEN else range(len(means))
        by_measure.setdefault(measure, []).extend(
            Shift(measure=measure, layer=layer, head=head, value=float(mean), n=n)
            for head, mean in zip(heads, means, strict=True)
        )
    return [
        shift
        for measure, some in by_measure.items()
        for shift in sorted(some, key=lambda one: one.value if measure == HIDDEN else -abs(one.value))
    ]


def _compared(before: Inside, after: Inside) -> list[tuple[tuple[str, int], Doubles]]:
    found: list[tuple[tuple[str, int], Doubles]] = []
    for measure, (series, compare) in BY_HEAD.items():
        first, second = getattr(before, series), getattr(after, series)
        found += [((measure, layer), compare(first[layer], second[layer])) for layer in first]
    for layer, hidden in before.hidden.items():
        found.append(((HIDDEN, layer), np.array([mean_cosine(hidden, after.hidden[layer])])))
    return found


def steering_by_layer(
    loaded: LoadedModel,
    probes: Sequence[ProbeRecord],
    reference: str | None,
    variant: str | None,
    tell: Tell = lambda: None,
) -> list[LayerSteering]:
    """Vectors from the reply that resists to the one that accepts, layer by layer, over these probes."""
    found: dict[str | None, list[Doubles]] = {}
    for side in dict.fromkeys((reference, variant)):
        found[side] = _differences(loaded, probes, side, tell)
    return [
        LayerSteering(layer, steering(before), steering(after))
        for layer, (before, after) in enumerate(zip(found[reference], found[variant], strict=True))
    ]


def steering_shifts(layers: Sequence[LayerSteering]) -> list[Shift]:
    """What the steering vectors say, as it is kept: the adapter's own figures, and how far they stayed."""
    found = []
    for one in layers:
        for measure, value in (
            (CONSISTENCY, one.tuned.pairwise),
            (SPLIT_HALF, one.tuned.split_half),
            (STEERING_COSINE, one.kept),
        ):
            if value is not None:
                found.append(
                    Shift(measure=measure, layer=one.layer, head=None, value=value, n=one.tuned.pairs)
                )
    return sorted(found, key=lambda shift: shift.measure)


def _differences(
    loaded: LoadedModel, probes: Sequence[ProbeRecord], variant: str | None, tell: Tell
) -> list[Doubles]:
    """By layer, accepting less resisting reply of every probe `(pairs, width)`."""
    replies = [(probe.prompt, str(probe.extra[name])) for probe in probes for name in _accepting_first(probe)]
    means = []
    for example in encode_pairs(replies, loaded, BATTERY):
        means.append(_mean_states(loaded, example, variant))
        tell()
    layers = range(len(means[0]))
    return [
        np.stack([a[layer] - b[layer] for a, b in zip(means[::2], means[1::2], strict=True)])
        for layer in layers
    ]


def _accepting_first(probe: ProbeRecord) -> tuple[str, str]:
    names = ("reference_chosen", "reference_rejected")
    return names if probe.extra["kind"] == "accept" else names[::-1]


def _mean_states(loaded: LoadedModel, example: Example, variant: str | None) -> list[Doubles]:
    """The mean hidden state of the reply's tokens, by layer, without the template's own tokens behind it."""
    tokens = [int(token) for token in example.token_ids]
    end = reply_end(loaded, tokens, example.start)
    inside = look_inside(loaded, tokens[:end], variant, maps=False)
    return [
        inside.hidden[layer][example.start :].astype(np.float64).mean(axis=0)
        for layer in sorted(inside.hidden)
    ]


def reply_end(loaded: LoadedModel, tokens: Sequence[int], start: int) -> int:
    """Where the reply that begins at `start` ends: before control tokens and white space that close it."""
    tokenizer = loaded.tokenizer
    control = set(tokenizer.get_added_vocab().values()) | set(tokenizer.eos_token_ids)
    end = len(tokens)
    while end > start + 1 and (tokens[end - 1] in control or not tokenizer.decode([tokens[end - 1]]).strip()):
        end -= 1
    return end
