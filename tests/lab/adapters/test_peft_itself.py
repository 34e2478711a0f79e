"""Exported adapters in PEFT itself, on a tiny transformers model: the same logits there as here, both ways.

Needs torch and peft, which the lab does not: `pip install peft` beside the test extra.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.adapters.folders import export_peft, import_peft
from lab.models.runtime import mx
from tests.adapters import tiny_adapter
from tests.models import tiny_model

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

TOKENS = [5, 17, 99, 3, 200, 41, 7, 300]
ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3")


@pytest.fixture(params=ARCHITECTURES)
def base(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """A tiny model that mlx-lm and transformers both open: the same safetensors and config."""
    folder = Path(shutil.copytree(tiny_model(request.param), tmp_path / "base"))
    return request.param, folder


def in_transformers(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def logits(model: Any) -> np.ndarray:
    with torch.no_grad():
        found: np.ndarray = model(torch.tensor([TOKENS])).logits[0].numpy()
    return found


def with_mlx_lm(folder: Path, adapter: Path) -> np.ndarray:
    from mlx_lm import load as mlx_load

    model, _ = mlx_load(str(folder), adapter_path=str(adapter))
    return np.array(model(mx.array([TOKENS])).astype(mx.float32))[0]


def test_an_exported_adapter_gives_the_same_logits(base: tuple[str, Path], tmp_path: Path) -> None:
    arch, folder = base
    adapter = tiny_adapter(arch)
    export_peft(adapter, tmp_path / "peft", str(folder))
    model = in_transformers(folder)
    plain = logits(model)
    tuned = logits(peft.PeftModel.from_pretrained(model, str(tmp_path / "peft")).eval())
    expected = with_mlx_lm(folder, adapter)
    assert np.abs(tuned - expected).max() < 1e-3
    assert np.abs(tuned - plain).max() > 1e-2


def test_an_adapter_that_peft_made_gives_the_same_logits(base: tuple[str, Path], tmp_path: Path) -> None:
    _, folder = base
    torch.manual_seed(0)
    config = peft.LoraConfig(
        r=4, lora_alpha=12, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False
    )
    model = peft.get_peft_model(in_transformers(folder), config).eval()
    model.save_pretrained(tmp_path / "made")
    import_peft(tmp_path / "made", tmp_path / "adapter", str(folder))
    assert np.abs(logits(model) - with_mlx_lm(folder, tmp_path / "adapter")).max() < 1e-3
