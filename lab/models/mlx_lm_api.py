"""What the lab uses of mlx-lm, gathered so that MLX's BLAS is loaded before mlx-lm imports MLX."""
# ruff: noqa: I001  (the order of these imports is the point)

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from lab.models.runtime import mx as _mx  # noqa: F401

from mlx_lm.generate import generate, stream_generate
from mlx_lm.models import llama, qwen2, qwen3
from mlx_lm.models.activations import swiglu
from mlx_lm.models.base import scaled_dot_product_attention
from mlx_lm.models.cache import KVCache, RotatingKVCache, make_prompt_cache
from mlx_lm.models.gated_delta import compute_g
from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchGLU, SwitchLinear, SwitchMLP
from mlx_lm.sample_utils import make_sampler
from mlx_lm.tuner.lora import LoRALinear
from mlx_lm.tuner.utils import load_adapters
from mlx_lm.utils import get_total_parameters, load_model, load_tokenizer

import mlx_lm.gguf
import mlx_lm.utils
from mlx.utils import tree_flatten, tree_unflatten

GGUF_ARCHITECTURES = ("llama", "mistral", "mixtral")
LLAMA_FAMILY = (llama.Model, qwen2.Model, qwen3.Model)
"""Models of mlx-lm that are built alike; mistral is one of the first."""

__all__ = [
    "GGUF_ARCHITECTURES",
    "LLAMA_FAMILY",
    "KVCache",
    "LoRALinear",
    "QuantizedSwitchLinear",
    "RotatingKVCache",
    "SwitchGLU",
    "SwitchLinear",
    "SwitchMLP",
    "compute_g",
    "fuse_adapter",
    "generate",
    "get_total_parameters",
    "linear_to_lora_layers",
    "load_adapters",
    "load_model",
    "load_tokenizer",
    "make_prompt_cache",
    "make_sampler",
    "scaled_dot_product_attention",
    "stream_generate",
    "swiglu",
    "write_gguf",
]


def linear_to_lora_layers(model: Any, num_layers: int, parameters: dict[str, Any], use_dora: bool) -> None:
    """mlx-lm's own; its tuner is imported when it is needed, for it brings a trainer along."""
    from mlx_lm.tuner.utils import linear_to_lora_layers as convert

    convert(model, num_layers, parameters, use_dora=use_dora)


def fuse_adapter(model: Path, adapter: Path, target: Path, dequantize: bool) -> None:
    """Write `model` with the adapter of folder `adapter` worked into its weights to `target`."""
    fused, tokenizer, config = mlx_lm.utils.load(str(model), adapter_path=str(adapter), return_config=True)
    layers = [(n, m.fuse(dequantize=dequantize)) for n, m in fused.named_modules() if hasattr(m, "fuse")]
    fused.update_modules(tree_unflatten(layers))
    if dequantize:
        fused = mlx_lm.utils.dequantize_model(fused)
        config = {key: value for key, value in config.items() if not key.startswith("quantization")}
    mlx_lm.utils.save(target, str(model), fused, tokenizer, config, donate_model=False)


def write_gguf(model: Path, target: Path) -> None:
    """Write a model folder of one of GGUF_ARCHITECTURES as a GGUF file."""
    loaded, _, config = mlx_lm.utils.load(str(model), return_config=True)
    with redirect_stdout(sys.stderr):
        mlx_lm.gguf.convert_to_gguf(model, dict(tree_flatten(loaded.parameters())), config, str(target))
