"""Optimizers by mlx-lm's names, and APOLLO; their state as flat arrays and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mlx.optimizers as optim
from mlx.utils import tree_flatten

from lab.errors import LabError
from lab.train.apollo import Apollo
from lab.train.settings import TrainSettings

_CLASSES: Mapping[str, Any] = {
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "muon": optim.Muon,
    "sgd": optim.SGD,
    "adafactor": optim.Adafactor,
    "apollo": Apollo,
}


_DECAYING = frozenset({"adamw", "sgd", "muon", "apollo"})
"""Those that take a weight decay of their own."""

_ELEMENTWISE = (optim.Adam, optim.AdamW, optim.SGD)
"""Those to which a weight is a number; the others look at the rows and columns of its matrix."""


def make_optimizer(settings: TrainSettings) -> Any:
    """The optimizer of `settings` with the options of its own name. Raises LabError for options it lacks."""
    options = dict(settings.optimizer_config.get(settings.optimizer, {}))
    if settings.optimizer == "apollo":
        options.setdefault("seed", settings.seed)
    # Beside a control unit λ is to be the only pull on the weights.
    alone = settings.scu is not None and settings.optimizer in _DECAYING
    if alone and options.setdefault("weight_decay", 0.0) > 0.0:
        raise LabError(f"optimizer_config.{settings.optimizer}.weight_decay: expected 0 beside scu")
    if isinstance(options.get("betas"), list):
        options["betas"] = tuple(options["betas"])
    try:
        return _CLASSES[settings.optimizer](learning_rate=settings.learning_rate, **options)
    except (TypeError, ValueError) as error:
        raise LabError(f"optimizer_config.{settings.optimizer}: {error}") from error


def is_elementwise(optimizer: Any) -> bool:
    """Whether it treats every number by itself, whatever array it is in."""
    return type(optimizer) in _ELEMENTWISE


def optimizer_arrays(optimizer: Any) -> dict[str, Any]:
    """The state as named arrays."""
    flat: Any = tree_flatten(optimizer.state)
    return dict(flat)
