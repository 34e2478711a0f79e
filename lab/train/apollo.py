"""APOLLO (arXiv 2412.05270): AdamW's step sizes, estimated in a random low-rank projection of the gradient.

Its state is rank × channels instead of two copies of the weights, which makes full fine-tuning affordable.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from mlx.optimizers import Optimizer

from lab.errors import LabError
from lab.models.runtime import mx

Array = Any

GROWTH_LIMIT = 1.01


class Apollo(Optimizer):
    """APOLLO for 2-D weights whose smaller side is above `rank`, AdamW for the others.

    `scale_type` "channel" scales every channel (the longer side) of the gradient by itself, "tensor" the
    whole of it (APOLLO-Mini: rank 1, scale 128). The projection is drawn anew every `update_every` steps
    from a seed that is kept instead of it.
    """

    def __init__(
        self,
        learning_rate: float,
        rank: int = 256,
        scale: float = 1.0,
        scale_type: Literal["channel", "tensor"] = "channel",
        update_every: int = 200,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if scale_type not in ("channel", "tensor"):
            raise LabError(f"optimizer_config.apollo.scale_type: {scale_type!r}; expected channel or tensor")
        self._maybe_schedule("learning_rate", learning_rate)
        self.rank, self.scale, self.scale_type = rank, scale, scale_type
        self.update_every, self.betas, self.eps = update_every, tuple(betas), eps
        self.weight_decay, self.seed = weight_decay, seed
        self._weights = 0

    def init_single(self, parameter: Array, state: dict[str, Array]) -> None:
        """M and V of the projection, or of the weight itself; its place tells projections apart."""
        if self._projects(parameter):
            shape = (self.rank, max(parameter.shape))
            state["place"] = mx.array(self._weights, mx.uint32)
            state["norm"] = mx.array(-1.0)
        else:
            shape = parameter.shape
        self._weights += 1
        state["m"], state["v"] = mx.zeros(shape, mx.float32), mx.zeros(shape, mx.float32)

    def apply_single(self, gradient: Array, parameter: Array, state: dict[str, Array]) -> Array:
        """The weight after one update."""
        lr = self.learning_rate.astype(gradient.dtype)
        beta1, beta2 = self.betas
        t = self.step.astype(mx.float32)
        corrected = lr * mx.sqrt(1.0 - beta2**t) / (1.0 - beta1**t)
        kept = parameter * (1.0 - lr * self.weight_decay)
        if not self._projects(parameter):
            return kept - corrected * self._adam(gradient, state)
        return kept - corrected * math.sqrt(self.scale) * self._scaled(gradient, state)

    def _projects(self, parameter: Array) -> bool:
        return bool(parameter.ndim == 2 and min(parameter.shape) > self.rank)

    def _adam(self, gradient: Array, state: dict[str, Array]) -> Array:
        """M / (√V + ε) after taking in `gradient`."""
        beta1, beta2 = self.betas
        state["m"] = beta1 * state["m"] + (1.0 - beta1) * gradient
        state["v"] = beta2 * state["v"] + (1.0 - beta2) * mx.square(gradient)
        return state["m"] / (mx.sqrt(state["v"]) + self.eps)

    def _scaled(self, gradient: Array, state: dict[str, Array]) -> Array:
        """The gradient times its channels' (or its own) step size, its growth limited."""
        tall = gradient.shape[0] > gradient.shape[1]
        wide = gradient.T if tall else gradient
        projected = self._projection(wide.shape[0], state) @ wide
        stepped = self._adam(projected, state)
        axis = 0 if self.scale_type == "channel" else None
        sizes = _norm(stepped, axis) / (_norm(projected, axis) + 1e-8)
        update = wide * sizes
        norm = _norm(update, None)
        before = mx.where(state["norm"] < 0.0, norm, state["norm"])
        growth = mx.maximum(norm / (before + 1e-8), GROWTH_LIMIT) / GROWTH_LIMIT
        state["norm"] = norm / growth
        update = update / growth
        return update.T if tall else update

    def _projection(self, width: int, state: dict[str, Array]) -> Array:
        """P `(rank, width)`, entries N(0, 1/rank), the same until it is time for another."""
        turn = (self.step.astype(mx.uint32) - 1) // self.update_every
        keys = mx.random.split(mx.random.key(self.seed), 2)
        key = mx.stack([keys[0, 0] ^ state["place"], keys[1, 0] ^ turn])
        return mx.random.normal((self.rank, width), key=key) / math.sqrt(self.rank)


def _norm(array: Array, axis: int | None) -> Array:
    return mx.sqrt(mx.sum(mx.square(array), axis=axis))
