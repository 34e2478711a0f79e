"""Between mlx-lm's adapter layout and PEFT's: names, shapes and the scale. Pure functions over NumPy arrays.

mlx-lm keeps `lora_a` (d_in, r), `lora_b` (r, d_out) and a scale; PEFT keeps `lora_A` (r, d_in), `lora_B`
(d_out, r) and alpha with scale = alpha / r, or alpha / √r under `use_rslora`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.errors import LabError

PREFIX = "base_model.model."
_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")

Weights = Mapping[str, NDArray[Any]]


def to_peft(
    weights: Weights, config: Mapping[str, Any], base: str
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """PEFT weights and `adapter_config.json` of an mlx-lm LoRA. `base` names the model it belongs to.

    Raises LabError for what PEFT has no place for: DoRA, full weights, experts.
    """
    kind = config.get("fine_tune_type", "lora")
    if kind != "lora":
        raise LabError(f"export peft: the adapter is {kind}; only LoRA has the same meaning in PEFT")
    parameters = config["lora_parameters"]
    rank, scale = int(parameters["rank"]), float(parameters["scale"])
    exported: dict[str, NDArray[Any]] = {}
    modules: set[str] = set()
    for name, array in weights.items():
        module, _, leaf = name.rpartition(".")
        if leaf not in ("lora_a", "lora_b") or array.ndim != 2:
            raise LabError(f"export peft: {name} {array.shape} is no low-rank matrix of a linear layer")
        modules.add(module)
        exported[f"{PREFIX}{module}.{'lora_A' if leaf == 'lora_a' else 'lora_B'}.weight"] = (
            np.ascontiguousarray(array.T)
        )
    return exported, {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": scale * rank,
        "lora_dropout": float(parameters.get("dropout", 0.0)),
        # Whole module paths, so that layers left out in training are left out there too.
        "target_modules": sorted(modules),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "use_rslora": False,
        "use_dora": False,
    }


def from_peft(
    weights: Weights, config: Mapping[str, Any], layers_total: int
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """mlx-lm weights and `adapter_config.json` of a PEFT LoRA for a model of `layers_total` layers.

    Raises LabError, naming the tensor or field, for what mlx-lm has no place for.
    """
    if config.get("peft_type") != "LORA" or config.get("use_dora"):
        kind = "DoRA" if config.get("use_dora") else config.get("peft_type")
        raise LabError(f"import peft: adapter_config.json says {kind}; only plain LoRA can be imported")
    if config.get("rank_pattern") or config.get("alpha_pattern"):
        raise LabError(
            "import peft: rank_pattern and alpha_pattern give modules ranks of their own; mlx-lm has one rank"
        )
    rank = int(config["r"])
    scale = float(config["lora_alpha"]) / (math.sqrt(rank) if config.get("use_rslora") else rank)
    imported: dict[str, NDArray[Any]] = {}
    for name, array in weights.items():
        found = re.fullmatch(rf"(?:{re.escape(PREFIX)})?(.+)\.lora_([AB])(?:\.default)?\.weight", name)
        if found is None or array.ndim != 2:
            raise LabError(
                f"import peft: {name} {array.shape} is no low-rank matrix; expected ….lora_A.weight or lora_B"
            )
        if array.shape[0 if found[2] == "A" else 1] != rank:
            raise LabError(
                f"import peft: {name} is {array.shape}, not of rank {rank} as adapter_config.json says"
            )
        imported[f"{found[1]}.lora_{found[2].lower()}"] = np.ascontiguousarray(array.T)
    return imported, {
        "fine_tune_type": "lora",
        "num_layers": _layers_from_the_end(imported, layers_total),
        "lora_parameters": {
            "rank": rank,
            "scale": scale,
            "dropout": float(config.get("lora_dropout", 0.0)),
            "keys": _keys(imported),
        },
    }


def _layers_from_the_end(weights: Weights, layers_total: int) -> int:
    """mlx-lm counts adapted layers from the last one: as many as reach back to the first that has weights."""
    layers = [int(found[1]) for name in weights if (found := _LAYER.search(name))]
    if layers and max(layers) >= layers_total:
        raise LabError(f"import peft: layer {max(layers)} has weights, the model has {layers_total} layers")
    return layers_total - min(layers) if layers else 0


def _keys(weights: Weights) -> list[str]:
    modules = (name.rpartition(".")[0] for name in weights)
    return sorted({_LAYER.split(module, 1)[-1] if _LAYER.search(module) else module for module in modules})
