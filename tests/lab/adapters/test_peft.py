"""Two layouts, one adapter: there and back, the change it makes, and what cannot be carried over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.adapters.peft import from_peft, to_peft
from lab.errors import LabError


def _adapter(rank: int, scale: float, first: int, total: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    rng = np.random.default_rng(rank)
    weights = {}
    for layer in range(first, total):
        for key in ("self_attn.q_proj", "mlp.up_proj"):
            weights[f"model.layers.{layer}.{key}.lora_a"] = rng.normal(size=(8, rank)).astype(np.float32)
            weights[f"model.layers.{layer}.{key}.lora_b"] = rng.normal(size=(rank, 6)).astype(np.float32)
    config = {
        "fine_tune_type": "lora",
        "num_layers": total - first,
        "lora_parameters": {
            "rank": rank,
            "scale": scale,
            "dropout": 0.05,
            "keys": ["mlp.up_proj", "self_attn.q_proj"],
        },
    }
    return weights, config


@given(st.integers(1, 16), st.floats(0.1, 64), st.integers(0, 3))
def test_there_and_back(rank: int, scale: float, first: int) -> None:
    weights, config = _adapter(rank, scale, first, 4)
    back, back_config = from_peft(*to_peft(weights, config, "base"), layers_total=4)
    assert back.keys() == weights.keys()
    assert all(np.array_equal(back[name], weights[name]) for name in weights)
    assert back_config["lora_parameters"].pop("scale") == pytest.approx(
        config["lora_parameters"].pop("scale")
    )
    assert back_config == config


def test_the_change_is_the_same_in_both_layouts() -> None:
    weights, config = _adapter(4, 20.0, 0, 1)
    exported, peft = to_peft(weights, config, "base")
    name = "model.layers.0.mlp.up_proj"
    theirs = (
        peft["lora_alpha"]
        / peft["r"]
        * exported[f"base_model.model.{name}.lora_B.weight"]
        @ exported[f"base_model.model.{name}.lora_A.weight"]
    )
    ours = 20.0 * weights[f"{name}.lora_a"] @ weights[f"{name}.lora_b"]
    np.testing.assert_allclose(theirs, ours.T, rtol=1e-5)
    assert name in peft["target_modules"]


def test_rank_stabilized_scale() -> None:
    weights, config = _adapter(4, 20.0, 0, 1)
    exported, peft = to_peft(weights, config, "base")
    _, back = from_peft(exported, {**peft, "use_rslora": True, "lora_alpha": 40.0}, 1)
    assert back["lora_parameters"]["scale"] == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"peft_type": "IA3"}, "IA3"),
        ({"rank_pattern": {"q": 2}}, "rank_pattern"),
        ({"r": 3}, "not of rank 3"),
    ],
)
def test_what_mlx_lm_has_no_place_for(changes: dict[str, Any], word: str) -> None:
    exported, peft = to_peft(*_adapter(4, 20.0, 0, 2), "base")
    with pytest.raises(LabError, match=word):
        from_peft(exported, {**peft, **changes}, 2)


def test_what_peft_has_no_place_for() -> None:
    weights, config = _adapter(4, 20.0, 0, 1)
    with pytest.raises(LabError, match="dora"):
        to_peft(weights, {**config, "fine_tune_type": "dora"}, "base")
    with pytest.raises(LabError, match="no low-rank matrix"):
        to_peft({"model.layers.0.moe.lora_a": np.zeros((2, 3, 4))}, config, "base")
    with pytest.raises(LabError, match="layer 1 has weights, the model has 1"):
        from_peft(*to_peft(*_adapter(4, 20.0, 0, 2), "base"), layers_total=1)
