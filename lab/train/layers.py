"""Make a loaded model trainable: low-rank layers or full weights; activations recomputed to save memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
from mlx.utils import tree_flatten, tree_unflatten

from lab.errors import LabError
from lab.models.load import LoadedModel
from lab.models.mlx_lm_api import LoRALinear, linear_to_lora_layers
from lab.models.runtime import mx, nn
from lab.train.functions import use_quick_functions
from lab.train.settings import TrainSettings


def make_trainable(loaded: LoadedModel, settings: TrainSettings) -> int:
    """Freeze the model but for what `settings` trains, as mlx-lm does it; the number of trainable weights.

    The same seed gives the low-rank layers mlx-lm would. Raises LabError for what this model cannot be.
    """
    model = loaded.model
    mx.random.seed(settings.seed)
    model.freeze()
    if settings.fine_tune_type == "full":
        if loaded.record.quantization is not None:
            raise LabError(
                f"{loaded.record.name} is quantized ({loaded.record.quantization}): its weights cannot be "
                "trained themselves; choose fine_tune_type lora"
            )
        for layer in model.layers[-trained_layers(loaded, settings) :]:
            layer.unfreeze()
    else:
        _add_low_rank(loaded, settings)
    parameters: Any = tree_flatten(model.trainable_parameters())
    if not parameters:
        raise LabError(f"nothing to train: no module of {loaded.record.name} matches lora_parameters.keys")
    mx.eval(model.trainable_parameters())
    use_quick_functions(model)
    return sum(int(value.size) for _, value in parameters)


def trained_layers(loaded: LoadedModel, settings: TrainSettings) -> int:
    """How many layers are trained, counted from the last; more than there are, or -1, means all."""
    layers = len(loaded.model.layers)
    return layers if settings.num_layers < 0 else min(settings.num_layers, layers)


def adapter_settings(loaded: LoadedModel, settings: TrainSettings) -> dict[str, Any]:
    """What `adapter_config.json` must say for mlx-lm and the lab to open the adapter."""
    parameters = asdict(settings.lora_parameters)
    if parameters["keys"] is None:
        del parameters["keys"]
    return {
        "fine_tune_type": settings.fine_tune_type,
        "num_layers": trained_layers(loaded, settings),
        "lora_parameters": None if settings.fine_tune_type == "full" else parameters,
        "model": loaded.record.path,
        "base_model_id": loaded.record.id,
    }


def _add_low_rank(loaded: LoadedModel, settings: TrainSettings) -> None:
    parameters = asdict(settings.lora_parameters)
    if parameters["keys"] is None:
        del parameters["keys"]
    try:
        linear_to_lora_layers(
            loaded.model,
            trained_layers(loaded, settings),
            parameters,
            use_dora=settings.fine_tune_type == "dora",
        )
    except ValueError as error:
        raise LabError(f"{loaded.record.name}: {error}; choose lora_parameters.keys without them") from error
    for module in loaded.model.modules():
        if type(module) is LoRALinear:
            module.__class__ = LowRankLinear


class LowRankLinear(LoRALinear):  # type: ignore[misc]
    """mlx-lm's layer, computed in fewer passes: `y + scale · (x A) B` is one product onto `y`.

    mlx-lm makes the delta, scales it, and adds it, each `(rows, length, out)` large, and scales it once more
    on the way back.
    """

    def __call__(self, x: Any) -> Any:
        y = self.linear(x)
        z = self.dropout(x) @ self.lora_a
        if not x.dtype == y.dtype == z.dtype == self.lora_b.dtype:
            return y + (self.scale * (z @ self.lora_b)).astype(x.dtype)
        return mx.addmm(y, z, self.lora_b, alpha=self.scale)


@contextmanager
def recomputed_activations(model: Any) -> Iterator[None]:
    """Inside, the layers of this model keep only their inputs and compute the rest anew on the way back.

    Other models of the process are left alone: each layer gets a class of its own for the time.
    """
    classes = [type(layer) for layer in model.layers]
    for layer, cls in zip(model.layers, classes, strict=True):
        layer.__class__ = type(cls.__name__, (cls,), {"__call__": _recomputing(cls.__call__)})
    try:
        yield
    finally:
        for layer, cls in zip(model.layers, classes, strict=True):
            layer.__class__ = cls


def _recomputing(call: Any) -> Any:
    def recomputing_call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if not layer.training:
            return call(layer, *args, **kwargs)

        def run(parameters: Any, *args: Any) -> Any:
            layer.update(parameters)
            return call(layer, *args, **kwargs)

        return mx.checkpoint(run)(layer.trainable_parameters(), *args)

    return recomputing_call


class Dice:
    """Where the dropout of a model gets its random numbers: a key for every micro-batch.

    Nothing depends on what else draws random numbers, and a layer that is computed a second time on the way
    back (see `recomputed_activations`) drops what it dropped the first time.
    """

    def __init__(self, model: Any) -> None:
        self._key = mx.random.key(0)
        found = [(name, module) for name, module in model.named_modules() if type(module) is nn.Dropout]  # type: ignore[attr-defined]
        replaced = [(name, KeyedDropout(module, self, place)) for place, (name, module) in enumerate(found)]
        if replaced:
            model.update_modules(tree_unflatten(replaced))

    def throw(self, *numbers: int) -> None:
        """Take a key that follows from these numbers."""
        (word,) = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
        self._key = mx.random.key(int(word) >> 1)

    def key(self, place: int) -> Any:
        """The key of the dropout with this number."""
        return mx.stack([self._key[0], self._key[1] ^ mx.array(place, mx.uint32)])


class KeyedDropout(nn.Dropout):  # type: ignore[misc,name-defined]
    """Dropout that draws from a `Dice`."""

    def __init__(self, dropout: Any, dice: Dice, place: int) -> None:
        super().__init__(p=1.0 - dropout._p_1)
        self._dice, self._place = (dice,), place

    def __call__(self, x: Any) -> Any:
        if self._p_1 == 1.0 or not self.training:
            return x
        mask = mx.random.bernoulli(self._p_1, x.shape, key=self._dice[0].key(self._place))
        return (mask * x) / self._p_1
