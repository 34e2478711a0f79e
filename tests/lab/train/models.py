"""Loaded small models for the training tests, made trainable the way mlx-lm does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mlx_lm.tuner.utils import linear_to_lora_layers

from lab.models.load import LoadedModel, load
from lab.models.runtime import mx
from lab.train.data.examples import Example
from tests.models import VOCAB, tiny_model


def loaded(arch: str = "llama", quantized: bool = False) -> LoadedModel:
    return load(str(tiny_model(arch, quantized)))


def with_lora(model: Any, keys: Sequence[str] | None = None, seed: int = 3, layers: int = 2) -> Any:
    """Give a model LoRA layers whose B is not zero, so that every gradient is alive."""
    mx.random.seed(seed)
    model.freeze()
    parameters = {"rank": 4, "scale": 2.0, "dropout": 0.0}
    linear_to_lora_layers(model, layers, parameters if keys is None else {**parameters, "keys": list(keys)})
    for _, module in model.named_modules():
        if "lora_b" in module:
            module.lora_b = 0.05 * mx.random.normal(module.lora_b.shape)
    return model


def examples(lengths: Sequence[int], starts: Sequence[int] | None = None, seed: int = 0) -> list[Example]:
    dice = np.random.default_rng(seed)
    starts = starts or [0] * len(lengths)
    return [
        Example(dice.integers(3, VOCAB, size=length).astype(np.int32), start, f"{seed}-{row}", row + 1)
        for row, (length, start) in enumerate(zip(lengths, starts, strict=True))
    ]
