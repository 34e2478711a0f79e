"""How much memory a run will take, from the model's config and the recipe, before anything is loaded.

Weights, gradients and optimizer moments are counted. Activations are estimated for a transformer layer: with
automatic differentiation a trained layer keeps about 9.2 widths, 5.7 MLP widths and half a score a head and
position for each token (least squares over twelve random llamas on MLX's CPU backend, peaks within -10 % to
+35 % of the figure). `lantern train --check` measures a real step instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError
from lab.train.settings import TrainSettings

WIDTHS_KEPT, MLP_WIDTHS_KEPT, SCORES_KEPT = 9.2, 5.7, 0.5
LOGITS_KEPT = 6.0
MOST_LOGITS = 14 << 21
"""Logits in flight: whole for small vocabularies, pieces for large ones (see `lab.train.loss`)."""

MOMENTS = {"adam": 2, "adamw": 2, "muon": 1, "sgd": 0, "adafactor": 0, "apollo": 2}
FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a transformer's config says of its size."""

    layers: int
    width: int
    mlp_width: int
    heads: int
    kv_width: int
    vocabulary: int

    @property
    def layer_weights(self) -> int:
        """The linear weights of one layer."""
        return self.width * (2 * self.width + 2 * self.kv_width + 3 * self.mlp_width)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEstimate:
    """Bytes by what they are for. Moments are the optimizer's; activations those of the largest batch."""

    weights: int
    trainable_weights: int
    gradients: int
    moments: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        parts = (self.weights, self.trainable_weights, self.gradients, self.moments)
        return sum(parts) + self.activations + self.logits


def read_shape(config: Mapping[str, Any]) -> Shape:
    """The shape in a model's config.json, whose text part counts. Raises LabError where it does not say."""
    text = {**config, **(config.get("text_config") or {})}
    try:
        width, heads = int(text["hidden_size"]), int(text["num_attention_heads"])
        head = int(text.get("head_dim") or width // heads)
        return Shape(
            layers=int(text["num_hidden_layers"]),
            width=width,
            mlp_width=_mlp_width(text),
            heads=heads,
            kv_width=int(text.get("num_key_value_heads") or heads) * head,
            vocabulary=int(text["vocab_size"]),
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise LabError(f"config.json does not say the model's size ({error})") from error


def estimate(
    shape: Shape,
    settings: TrainSettings,
    *,
    weight_bytes: int,
    longest_row: int,
    float_bytes: int = 4,
) -> MemoryEstimate:
    """The memory of a step on `batch_size` rows of `longest_row` tokens.

    `weight_bytes` is what the model takes once loaded, `float_bytes` the size of an activation.
    """
    trained = shape.layers if settings.num_layers < 0 else min(settings.num_layers, shape.layers)
    whole = settings.fine_tune_type == "full"
    trainable = trained * (shape.layer_weights if whole else _low_rank_weights(shape, settings))
    tokens = settings.batch_size * longest_row
    return MemoryEstimate(
        weights=weight_bytes,
        trainable_weights=0 if whole else FLOAT_BYTES * trainable,
        gradients=FLOAT_BYTES * trainable * (2 if settings.grad_accumulation_steps > 1 else 1),
        moments=FLOAT_BYTES * trainable * MOMENTS[settings.optimizer],
        activations=round(float_bytes * tokens * _floats_a_token(shape, settings, trained, longest_row)),
        logits=round(FLOAT_BYTES * min(LOGITS_KEPT * tokens * shape.vocabulary, MOST_LOGITS)),
    )


def _floats_a_token(shape: Shape, settings: TrainSettings, trained: int, length: int) -> float:
    """Activations that a token keeps: of every trained layer, and of the one being worked on."""
    layer = WIDTHS_KEPT * shape.width + MLP_WIDTHS_KEPT * shape.mlp_width + SCORES_KEPT * shape.heads * length
    kept = shape.width if settings.grad_checkpoint else layer
    return trained * kept + layer


def _low_rank_weights(shape: Shape, settings: TrainSettings) -> int:
    """Weights of the low-rank matrices of one layer; without keys every linear module has them."""
    width, mlp, kv = shape.width, shape.mlp_width, shape.kv_width
    sides = {
        "q_proj": (width, width),
        "k_proj": (width, kv),
        "v_proj": (width, kv),
        "o_proj": (width, width),
        "gate_proj": (width, mlp),
        "up_proj": (width, mlp),
        "down_proj": (mlp, width),
    }
    keys = settings.lora_parameters.keys
    named = None if keys is None else {key.rpartition(".")[2] for key in keys}
    return sum(
        settings.lora_parameters.rank * (inside + outside)
        for name, (inside, outside) in sides.items()
        if named is None or name in named
    )


def _mlp_width(text: Mapping[str, Any]) -> int:
    """A mixture of experts works on as many experts a token as its config says."""
    dense = int(text.get("intermediate_size") or 0)
    experts = int(text.get("num_experts_per_tok") or 0) * int(text.get("moe_intermediate_size") or 0)
    return max(dense, experts) or math.ceil(4 * int(text["hidden_size"]))
