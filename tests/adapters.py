"""Small random adapters for the tiny models, made and saved by mlx-lm itself; nonzero in every factor."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

from tests.models import _home, tiny_model


@functools.cache
def tiny_adapter(
    arch: str = "llama",
    quantized: bool = False,
    *,
    seed: int = 0,
    kind: str = "lora",
    keys: tuple[str, ...] | None = None,
    rank: int = 4,
    scale: float = 2.0,
    num_layers: int = 4,
) -> Path:
    """The folder of an adapter for `tiny_model(arch, quantized)`; the same folder for the same arguments.

    `kind` is mlx-lm's fine_tune_type; a "full" one holds the tuned weights of the last layers.
    """
    from mlx_lm.tuner.utils import linear_to_lora_layers

    from lab.models.mlx_lm_api import load_model
    from lab.models.runtime import mx

    folder = Path(tempfile.mkdtemp(dir=_home(), prefix=f"{arch}-{kind}-adapter-"))
    parameters: dict[str, Any] = {"rank": rank, "scale": scale, "dropout": 0.0}
    if keys is not None:
        parameters["keys"] = list(keys)
    model, _ = load_model(tiny_model(arch, quantized))
    model.set_dtype(mx.float32)
    model.freeze()
    mx.random.seed(seed)
    if kind == "full":
        for layer in model.layers[-num_layers:]:
            layer.unfreeze()
    else:
        linear_to_lora_layers(model, num_layers, parameters, use_dora=kind == "dora")
    save_adapter(
        model, folder, {"fine_tune_type": kind, "num_layers": num_layers, "lora_parameters": parameters}
    )
    return folder


def save_adapter(model: Any, folder: Path, settings: dict[str, Any]) -> None:
    """Save what is trainable of a model as mlx-lm's trainer does, moved as if it had been trained."""
    from mlx.utils import tree_flatten
    from mlx_lm.utils import save_config

    from lab.models.runtime import mx

    weights = {name: _moved(name, value) for name, value in tree_flatten(model.trainable_parameters())}
    folder.mkdir(exist_ok=True)
    mx.save_safetensors(str(folder / "adapters.safetensors"), weights)
    save_config(settings, folder / "adapter_config.json")


def _moved(name: str, value: Any) -> Any:
    from lab.models.runtime import mx

    leaf = name.rsplit(".", 1)[-1]
    if leaf == "lora_a":
        return value
    if leaf == "lora_b":
        return 0.1 * mx.random.normal(value.shape)
    return value * mx.random.uniform(0.8, 1.2, value.shape)


def tuned_by_mlx_lm(arch: str, quantized: bool, adapter: Path | None) -> Any:
    """The tiny model with an adapter as plain mlx-lm has it, in float32; None is the base."""
    from mlx_lm.tuner.utils import load_adapters

    from lab.models.mlx_lm_api import load_model
    from lab.models.runtime import mx

    model, _ = load_model(tiny_model(arch, quantized))
    model.set_dtype(mx.float32)
    if adapter is not None:
        load_adapters(model, str(adapter))
    model.eval()
    return model
