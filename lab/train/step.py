"""One optimizer step: gradients of its micro-batches added up, over ranks too, then one update."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlx.utils import tree_map

from lab.models.runtime import mx
from lab.train.hooks import Array, Objective, Regularizer
from lab.train.net import Net
from lab.train.optimizers import is_elementwise, optimizer_arrays
from lab.train.ranks import Ranks
from lab.train.sums import sum_of_squares
from lab.train.trainable import Trainable, Weights


class DivergedError(Exception):
    """The loss or its gradient is no number any more; the update was not made."""


def summed(metrics: Mapping[str, Array]) -> dict[str, Array]:
    """Each metric as its sum and how many values that is of, `(2,)`, which can be added up."""
    return {name: mx.stack([values.sum(), mx.array(float(values.size))]) for name, values in metrics.items()}


def averages(sums: Mapping[str, Array]) -> dict[str, float]:
    """The averages of what `summed` made; metrics without a value are left out."""
    found = {name: value.tolist() for name, value in sums.items()}
    return {name: total / count for name, (total, count) in found.items() if count}


@dataclass(frozen=True, slots=True)
class StepResult:
    """A step as measured: the loss without the regularizer's term, and the objective's metrics."""

    loss_nats: float
    weight: float
    grad_norm: float
    metrics: Mapping[str, float]
    penalty_nats: float | None


class Stepper:
    """Holds the optimizer and the gradients of the step under way."""

    def __init__(
        self,
        net: Net,
        objective: Objective,
        optimizer: Any,
        regularizer: Regularizer | None = None,
        max_grad_norm: float | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self._net, self._objective, self._optimizer = net, objective, optimizer
        self._trainable = Trainable(net.model, is_elementwise(optimizer))
        self._regularizer, self._max_grad_norm = regularizer, max_grad_norm
        self._ranks = ranks or Ranks()
        self._value_and_gradients: Any = mx.value_and_grad(self._total)
        self._gradients: Weights | None = None
        self._sums: dict[str, Array] = {}

    def add(self, items: Sequence[Any]) -> None:
        """Add the gradients of a micro-batch, which may be empty on this rank."""
        if not items:
            return
        arrays = self._trainable.arrays()
        found = self._value_and_gradients(arrays, self._objective.collate(items))
        self._trainable.put(arrays)
        (total, (weight, metrics)), by_array = found
        sums = {"total": total, "weight": weight, **metrics}
        gradients = self._trainable.pack(by_array)
        if self._gradients is not None:
            gradients = tree_map(mx.add, gradients, self._gradients)
            sums = {name: sums.get(name, 0.0) + self._sums.get(name, 0.0) for name in {**self._sums, **sums}}
        self._gradients, self._sums = gradients, sums
        mx.eval(gradients, sums)

    def update(self, learning_rate: float) -> StepResult:
        """Make the update. Raises DivergedError, with the weights as they were, where it would ruin them."""
        gradients, sums = self._added_up()
        weight = sums.pop("weight")
        loss = sums.pop("total") / weight
        gradients = tree_map(lambda g: g / weight, gradients)
        gradients, penalty = self._with_penalty(gradients)
        gradients, norm = self._clipped(gradients)
        mx.eval(loss, norm, penalty)
        if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
            raise DivergedError(f"the loss is {loss.item():.4g} and its gradient's norm {norm.item():.4g}")
        self._apply(gradients, learning_rate)
        return StepResult(
            loss_nats=loss.item(),
            weight=weight.item(),
            grad_norm=norm.item(),
            metrics=averages(sums),
            penalty_nats=None if penalty is None else penalty.item(),
        )

    def weights(self) -> Weights:
        """The trainable weights as the step works on them."""
        return self._trainable.pack(self._trainable.arrays())

    def optimizer_arrays(self) -> dict[str, Array]:
        """The optimizer's state by the names of the weights, for a safetensors file."""
        return self._trainable.unpack_state(optimizer_arrays(self._optimizer))

    def restore_optimizer(self, arrays: Mapping[str, Array]) -> None:
        """Put saved arrays back as the optimizer's state."""
        self._optimizer.state = self._trainable.pack_state(arrays)

    def _total(self, arrays: Sequence[Array], batch: Any) -> tuple[Array, tuple[Array, dict[str, Array]]]:
        self._trainable.put(arrays)
        losses = self._objective.losses(self._net, batch)
        return losses.totals.sum(), (losses.weights.sum(), summed(losses.metrics))

    def _added_up(self) -> tuple[Weights, dict[str, Array]]:
        """This step's gradients and sums over all ranks; what is held is let go."""
        gradients, sums = self._gradients, self._sums
        self._gradients, self._sums = None, {}
        if self._ranks.size == 1:
            assert gradients is not None
            return gradients, sums
        if gradients is None:
            gradients = tree_map(mx.zeros_like, self.weights())
        nothing = {"total": mx.array(0.0), "weight": mx.array(0.0)}
        nothing |= {name: mx.zeros((2,)) for name in sorted(self._objective.metric_names())}
        names = list(nothing)
        added = self._ranks.sum([*gradients.values(), *(sums.get(name, nothing[name]) for name in names)])
        total = dict(zip(gradients, added, strict=False))
        return total, dict(zip(names, added[len(gradients) :], strict=True))

    def _with_penalty(self, gradients: Weights) -> tuple[Weights, Array | None]:
        if self._regularizer is None:
            return gradients, None
        weights = self.weights()
        if self._regularizer.penalty(weights) is None:
            return gradients, None
        penalty, pull = mx.value_and_grad(self._regularizer.penalty)(weights)
        return tree_map(mx.add, gradients, pull), penalty

    def _clipped(self, gradients: Weights) -> tuple[Weights, Array]:
        norm = mx.sqrt(sum_of_squares(gradients))
        if self._max_grad_norm is None:
            return gradients, norm
        factor = mx.minimum(self._max_grad_norm / (norm + 1e-6), 1.0)
        return tree_map(lambda g: g * factor, gradients), norm

    def _apply(self, gradients: Weights, learning_rate: float) -> None:
        self._optimizer.learning_rate = learning_rate
        updated = self._optimizer.apply_gradients(gradients, self.weights())
        if self._regularizer is not None:
            updated = self._regularizer.shrink(updated, learning_rate)
        arrays = self._trainable.unpack(updated)
        mx.eval(arrays, self._optimizer.state)
        self._trainable.put(arrays)
