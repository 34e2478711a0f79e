"""An adapter's figures against the products written out."""

from __future__ import annotations

import numpy as np
import pytest

from lab.adapters.anatomy import dissect

RNG = np.random.default_rng(5)


def _weights() -> dict[str, np.ndarray]:
    return {
        "layers.0.q.lora_a": RNG.normal(size=(6, 2)),
        "layers.0.q.lora_b": RNG.normal(size=(2, 5)),
        "layers.1.q.lora_a": RNG.normal(size=(6, 2)),
        "layers.1.q.lora_b": np.zeros((2, 5)),
        "layers.1.moe.lora_a": RNG.normal(size=(3, 2, 6)),
        "layers.1.moe.lora_b": RNG.normal(size=(3, 4, 2)),
    }


def test_norms_equal_the_written_out_products() -> None:
    weights = _weights()
    found = {module.name: module for module in dissect(weights, scale=20.0).modules}
    a, b = weights["layers.0.q.lora_a"], weights["layers.0.q.lora_b"]
    assert found["layers.0.q"].a_l2 == pytest.approx(np.sqrt((a**2).sum()))
    assert found["layers.0.q"].b_l2 == pytest.approx(np.sqrt((b**2).sum()))
    assert found["layers.0.q"].change_l2 == pytest.approx(20 * np.linalg.norm(a @ b))
    experts = weights["layers.1.moe.lora_b"] @ weights["layers.1.moe.lora_a"]
    assert found["layers.1.moe"].change_l2 == pytest.approx(20 * np.linalg.norm(experts))
    assert found["layers.1.q"].change_l2 == 0.0 and found["layers.1.q"].moved_l2 is None


def test_totals_sparsity_and_order() -> None:
    weights = _weights()
    anatomy = dissect(weights, scale=1.0)
    every = np.concatenate([array.ravel() for array in weights.values()])
    assert anatomy.parameters == every.size
    assert anatomy.near_zero == pytest.approx(10 / every.size)
    assert anatomy.sum_squares == pytest.approx((every**2).sum())
    assert anatomy.sum_squares_from_init is None
    a = np.concatenate([array.ravel() for name, array in weights.items() if name.endswith("lora_a")])
    assert (anatomy.a.parameters, anatomy.a.std, anatomy.a.l2) == pytest.approx(
        (a.size, a.std(), np.linalg.norm(a))
    )
    changes = [module.change_l2 for module in anatomy.top(3)]
    assert changes == sorted(changes, reverse=True) and len(anatomy.top(2)) == 2


def test_distance_from_initialization() -> None:
    weights = _weights()
    initial = {name: array - 0.5 for name, array in weights.items()}
    anatomy = dissect(weights, 1.0, initial)
    assert anatomy.sum_squares_from_init == pytest.approx(0.25 * anatomy.parameters)
    assert anatomy.modules[0].moved_l2 == pytest.approx(np.sqrt(0.25 * 12))


def test_an_empty_adapter_has_zero_figures() -> None:
    anatomy = dissect({}, 1.0)
    assert anatomy.parameters == 0 and anatomy.near_zero == 0.0 and anatomy.top() == ()
