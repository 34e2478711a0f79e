"""The random llama of 50 million parameters that decoding is measured on beside wick, and random adapters."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.models.gated_layers import LINEAR, low_rank_shapes
from lab.models.load import LoadedModel, resolve
from lab.models.names import SETTINGS, WEIGHTS
from lab.models.runtime import mx

LLAMA_50M: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 640,
    "num_hidden_layers": 10,
    "intermediate_size": 1728,
    "num_attention_heads": 10,
    "num_key_value_heads": 5,
    "rms_norm_eps": 1e-5,
    "vocab_size": 8192,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}


def write_random_llama(
    folder: Path, tokenizer_from: str = "wick", config: Mapping[str, Any] = LLAMA_50M
) -> Path:
    """Write a model with seeded random weights; it borrows the tokenizer of another model."""
    from mlx.utils import tree_flatten
    from mlx_lm.models import llama

    folder.mkdir(parents=True, exist_ok=True)
    mx.random.seed(0)
    model = llama.Model(llama.ModelArgs.from_dict(dict(config)))
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    (folder / "config.json").write_text(json.dumps(dict(config)), encoding="utf-8")
    for path in resolve(tokenizer_from).iterdir():
        if path.name.startswith(("tokenizer", "special_tokens", "chat_template")):
            shutil.copy(path, folder / path.name)
    return folder


def write_random_adapter(loaded: LoadedModel, folder: Path, seed: int, rank: int, scale: float) -> Path:
    """Write a LoRA adapter for every linear layer of the model's blocks, with seeded random factors."""
    folder.mkdir(parents=True, exist_ok=True)
    mx.random.seed(seed)
    weights = {}
    for name, layer in (loaded.gate.modules or dict(loaded.model.named_modules())).items():
        if ".layers." in name and isinstance(layer, LINEAR):
            shapes = low_rank_shapes(layer, rank)
            weights[f"{name}.lora_a"] = mx.random.normal(shapes["lora_a"]) * shapes["lora_a"][0] ** -0.5
            weights[f"{name}.lora_b"] = mx.random.normal(shapes["lora_b"]) * 1e-3
    mx.save_safetensors(str(folder / WEIGHTS), weights)
    settings = {
        "fine_tune_type": "lora",
        "num_layers": len(loaded.model.layers),
        "lora_parameters": {"rank": rank, "scale": scale, "dropout": 0.0},
    }
    (folder / SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
    return folder
