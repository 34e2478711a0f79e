"""Small LoRA adapters in mlx-lm's layout, written for a model folder without loading it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

LAYERS = ("self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj")
RANK = 4


def write_adapter(
    folder: Path, model: Path, *, strength: float = 0.5, seed: int = 0, scale: float = 2.0
) -> Path:
    """A random adapter of rank 4 on every layer; `strength` is the size of B, 0 makes it do nothing."""
    dice = np.random.default_rng(seed)
    base = load_file(model / "model.safetensors")
    tensors: dict[str, np.ndarray] = {}
    for name, weight in base.items():
        layer = name.removesuffix(".weight")
        if layer.endswith(LAYERS):
            rows, columns = weight.shape
            tensors[f"{layer}.lora_a"] = dice.normal(0, columns**-0.5, (columns, RANK)).astype(np.float32)
            tensors[f"{layer}.lora_b"] = dice.normal(0, strength, (RANK, rows)).astype(np.float32)
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapters.safetensors")
    settings = {
        "fine_tune_type": "lora",
        "num_layers": -1,
        "lora_parameters": {"rank": RANK, "scale": scale, "dropout": 0.0, "keys": list(LAYERS)},
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder
