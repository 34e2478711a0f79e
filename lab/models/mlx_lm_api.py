"""What the lab uses of mlx-lm, gathered so that MLX's BLAS is loaded before mlx-lm imports MLX."""
# ruff: noqa: I001  (the order of these imports is the point)

from __future__ import annotations

from lab.models.runtime import mx as _mx  # noqa: F401

from mlx_lm.generate import generate, stream_generate
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchGLU, SwitchLinear, SwitchMLP
from mlx_lm.sample_utils import make_sampler
from mlx_lm.utils import get_total_parameters, load_model, load_tokenizer

__all__ = [
    "QuantizedSwitchLinear",
    "SwitchGLU",
    "SwitchLinear",
    "SwitchMLP",
    "generate",
    "get_total_parameters",
    "load_model",
    "load_tokenizer",
    "make_prompt_cache",
    "make_sampler",
    "stream_generate",
]
