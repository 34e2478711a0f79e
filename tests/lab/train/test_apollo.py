"""APOLLO against a slow NumPy reference written from the formulas."""

from __future__ import annotations

import numpy as np
import pytest

from lab.errors import LabError
from lab.models.runtime import mx
from lab.train.apollo import Apollo


def reference(
    weight: np.ndarray, gradients: list[np.ndarray], projections: list[np.ndarray], *, kind: str, scale: float
) -> np.ndarray:
    """The weights after all gradients; lr 0.05, weight decay 0.1."""
    lr, decay, beta1, beta2, eps = 0.05, 0.1, 0.9, 0.999, 1e-6
    weight = weight.astype(np.float64)
    m = v = 0.0
    previous = None
    for t, (gradient, p) in enumerate(zip(gradients, projections, strict=True), start=1):
        g = gradient if gradient.shape[0] <= gradient.shape[1] else gradient.T
        r = p @ g
        m = beta1 * m + (1 - beta1) * r
        v = beta2 * v + (1 - beta2) * r**2
        stepped = m / (np.sqrt(v) + eps)
        if kind == "channel":
            sizes = np.linalg.norm(stepped, axis=0) / (np.linalg.norm(r, axis=0) + 1e-8)
            u = g @ np.diag(sizes)
        else:
            u = g * np.linalg.norm(stepped) / (np.linalg.norm(r) + 1e-8)
        norm = np.linalg.norm(u)
        limit = max(norm / ((norm if previous is None else previous) + 1e-8), 1.01) / 1.01
        u, previous = u / limit, norm / limit
        update = lr * np.sqrt(1 - beta2**t) / (1 - beta1**t) * np.sqrt(scale) * u
        weight = weight - (update if update.shape == weight.shape else update.T) - lr * decay * weight
    return weight


@pytest.mark.parametrize("shape", [(6, 10), (10, 6)])
@pytest.mark.parametrize(("kind", "rank", "scale"), [("channel", 3, 1.0), ("tensor", 1, 128.0)])
def test_it_is_the_formula(shape: tuple[int, int], kind: str, rank: int, scale: float) -> None:
    dice = np.random.default_rng(0)
    weight = dice.normal(size=shape).astype(np.float32)
    gradients = [(3.0**i * dice.normal(size=shape)).astype(np.float32) for i in range(5)]
    optimizer = Apollo(
        0.05, rank=rank, scale=scale, scale_type=kind, update_every=2, weight_decay=0.1, seed=9
    )
    parameters = {"w": mx.array(weight)}
    projections = []
    for gradient in gradients:
        parameters = optimizer.apply_gradients({"w": mx.array(gradient)}, parameters)
        projections.append(np.array(optimizer._projection(min(shape), optimizer.state["w"])))
    assert np.array_equal(projections[0], projections[1])
    assert not np.array_equal(projections[1], projections[2])
    expected = reference(weight, gradients, projections, kind=kind, scale=scale)
    np.testing.assert_allclose(np.array(parameters["w"]), expected, rtol=2e-4, atol=2e-5)


def test_small_and_flat_weights_go_by_adamw() -> None:
    optimizer = Apollo(0.01, rank=4)
    gradient = np.array([0.5, -2.0], np.float32)
    moved = optimizer.apply_gradients({"b": mx.array(gradient)}, {"b": mx.zeros(2)})["b"]
    np.testing.assert_allclose(np.array(moved), -0.01 * np.sign(gradient), rtol=1e-3)
    assert "norm" not in optimizer.state["b"]


def test_projections_are_scaled_normal_numbers_and_differ_by_weight() -> None:
    optimizer = Apollo(0.01, rank=64)
    weights = {"a": mx.zeros((500, 600)), "b": mx.zeros((500, 600))}
    optimizer.apply_gradients({name: mx.ones_like(w) for name, w in weights.items()}, weights)
    a, b = (np.array(optimizer._projection(500, optimizer.state[name])) for name in "ab")
    assert a.std() == pytest.approx(1 / 8, rel=0.02)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.03


def test_the_low_rank_ratio_is_about_the_root_of_the_dimensions() -> None:
    dice = np.random.default_rng(1)
    rank, m = 16, 256
    optimizer = Apollo(1.0, rank=rank)
    gradient = mx.array(dice.normal(size=(m, 300)).astype(np.float32))
    optimizer.apply_gradients({"w": gradient}, {"w": mx.zeros((m, 300))})
    state = optimizer.state["w"]
    projected = np.array(optimizer._projection(m, state)) @ np.array(gradient)
    low = np.linalg.norm(np.array(state["m"] / (mx.sqrt(state["v"]) + 1e-6))) / np.linalg.norm(projected)
    full = np.linalg.norm(0.1 * np.sign(gradient) / np.sqrt(1e-3)) / np.linalg.norm(gradient)
    assert full / low == pytest.approx(np.sqrt(m / rank), rel=0.1)


def test_an_unknown_scale_type_is_refused() -> None:
    with pytest.raises(LabError, match="scale_type"):
        Apollo(0.1, scale_type="row")  # type: ignore[arg-type]
