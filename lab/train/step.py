"""One optimizer step: gradients of its micro-batches added up, over ranks too, then one update."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlx.utils import tree_flatten, tree_map, tree_unflatten

from lab.models.runtime import mx, nn
from lab.train.hooks import Array, Objective, Regularizer, Tree
from lab.train.net import Net
from lab.train.ranks import Ranks


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
        self._net, self._objective, self.optimizer = net, objective, optimizer
        self._regularizer, self._max_grad_norm = regularizer, max_grad_norm
        self._ranks = ranks or Ranks()
        self._value_and_gradients: Any = nn.value_and_grad(net.model, self._total)  # type: ignore[attr-defined]
        self._gradients: Tree | None = None
        self._sums: dict[str, Array] = {}

    def add(self, items: Sequence[Any]) -> None:
        """Add the gradients of a micro-batch, which may be empty on this rank."""
        if not items:
            return
        (total, (weight, metrics)), gradients = self._value_and_gradients(self._objective.collate(items))
        sums = {"total": total, "weight": weight, **metrics}
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

    def _total(self, batch: Any) -> tuple[Array, tuple[Array, dict[str, Array]]]:
        losses = self._objective.losses(self._net, batch)
        return losses.totals.sum(), (losses.weights.sum(), summed(losses.metrics))

    def _added_up(self) -> tuple[Tree, dict[str, Array]]:
        """This step's gradients and sums over all ranks; what is held is let go."""
        gradients, sums = self._gradients, self._sums
        self._gradients, self._sums = None, {}
        if self._ranks.size == 1:
            assert gradients is not None
            return gradients, sums
        if gradients is None:
            gradients = tree_map(mx.zeros_like, self._net.model.trainable_parameters())
        nothing = {"total": mx.array(0.0), "weight": mx.array(0.0)}
        nothing |= {name: mx.zeros((2,)) for name in sorted(self._objective.metric_names())}
        names = list(nothing)
        flat: Any = tree_flatten(gradients)
        added = self._ranks.sum([g for _, g in flat] + [sums.get(name, nothing[name]) for name in names])
        tree = tree_unflatten([(name, value) for (name, _), value in zip(flat, added, strict=False)])
        return tree, dict(zip(names, added[len(flat) :], strict=True))

    def _with_penalty(self, gradients: Tree) -> tuple[Tree, Array | None]:
        if self._regularizer is None:
            return gradients, None
        trainable = self._net.model.trainable_parameters()
        if self._regularizer.penalty(trainable) is None:
            return gradients, None
        penalty, pull = mx.value_and_grad(self._regularizer.penalty)(trainable)
        return tree_map(mx.add, gradients, pull), penalty

    def _clipped(self, gradients: Tree) -> tuple[Tree, Array]:
        flat: Any = tree_flatten(gradients)
        norm = mx.sqrt(sum((mx.square(g).sum() for _, g in flat), mx.array(0.0)))
        if self._max_grad_norm is None:
            return gradients, norm
        factor = mx.minimum(self._max_grad_norm / (norm + 1e-6), 1.0)
        return tree_map(lambda g: g * factor, gradients), norm

    def _apply(self, gradients: Tree, learning_rate: float) -> None:
        model = self._net.model
        self.optimizer.learning_rate = learning_rate
        updated = self.optimizer.apply_gradients(gradients, model.trainable_parameters())
        if self._regularizer is not None:
            updated = self._regularizer.shrink(updated, learning_rate)
        model.update(updated)
        mx.eval(model.trainable_parameters(), self.optimizer.state)
