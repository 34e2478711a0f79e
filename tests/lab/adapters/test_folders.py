"""Adapter folders analysed, converted there and back, and fused, against mlx-lm's own tuned model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlx.utils import tree_flatten
from safetensors.numpy import load_file, save_file

from lab.adapters.folders import analyse, export_peft, fuse, import_peft
from lab.errors import LabError
from lab.models.runtime import mx
from tests.lab.cli.shell import lantern
from tests.models import tiny_model


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA of rank 3 on the last layer of the small llama, with its start kept as step 0."""
    from mlx_lm.tuner.utils import linear_to_lora_layers
    from mlx_lm.utils import load

    folder = tmp_path_factory.mktemp("adapter")
    model: Any = load(str(tiny_model("llama")))[0]
    mx.random.seed(3)
    model.freeze()
    settings = {"rank": 3, "scale": 8.0, "dropout": 0.0, "keys": ["self_attn.q_proj", "mlp.up_proj"]}
    linear_to_lora_layers(model, 1, settings)
    trainable: Any = tree_flatten(model.trainable_parameters())
    weights = {name: np.array(array) for name, array in trainable}
    save_file(weights, folder / "0000000_adapters.safetensors")
    rng = np.random.default_rng(0)
    moved = {
        name: array + rng.normal(0, 0.1, array.shape).astype(np.float32) for name, array in weights.items()
    }
    save_file(moved, folder / "adapters.safetensors")
    config = {"fine_tune_type": "lora", "num_layers": 1, "lora_parameters": settings}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def test_the_distance_is_counted_from_the_kept_start(adapter: Path) -> None:
    record, anatomy = analyse(adapter)
    now, start = (
        load_file(adapter / "adapters.safetensors"),
        load_file(adapter / "0000000_adapters.safetensors"),
    )
    assert record.record.rank == 3 and anatomy.parameters == sum(array.size for array in now.values())
    moved = sum(((now[name] - start[name]).astype(np.float64) ** 2).sum() for name in now)
    assert anatomy.sum_squares_from_init == pytest.approx(moved, rel=1e-6)
    at_start = analyse(adapter / "0000000_adapters.safetensors")[1]
    assert at_start.sum_squares_from_init == 0.0


def test_the_command_prints_the_same_figures(adapter: Path, tmp_path: Path) -> None:
    said = json.loads(lantern("adapter", "analyse", adapter, "--json", home=tmp_path).stdout)
    anatomy = analyse(adapter)[1]
    assert said["anatomy"]["sum_squares"] == pytest.approx(anatomy.sum_squares)
    assert said["top"] == [module.name for module in anatomy.top()]
    text = lantern("adapter", "analyse", adapter, home=tmp_path).stdout.decode()
    assert anatomy.top()[0].name in text and "A against B" in text


def test_peft_there_and_back(adapter: Path, tmp_path: Path) -> None:
    export_peft(adapter, tmp_path / "peft", "tiny/llama")
    import_peft(tmp_path / "peft", tmp_path / "back", str(tiny_model("llama")))
    before, after = (
        load_file(adapter / "adapters.safetensors"),
        load_file(tmp_path / "back/adapters.safetensors"),
    )
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    config = json.loads((tmp_path / "back/adapter_config.json").read_text())
    assert config["num_layers"] == 1 and config["lora_parameters"]["scale"] == pytest.approx(8.0)
    assert (tmp_path / "peft/adapter_model.safetensors").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("source", ["adapters.safetensors", "0000000_adapters.safetensors"])
def test_a_fused_model_is_the_tuned_one(adapter: Path, tmp_path: Path, source: str) -> None:
    from mlx_lm.utils import load

    fuse(str(tiny_model("llama")), adapter / source, tmp_path / "fused")
    folder = tmp_path / "as-adapter"
    folder.mkdir()
    shutil.copy(adapter / source, folder / "adapters.safetensors")
    shutil.copy(adapter / "adapter_config.json", folder)
    tuned: Any = load(str(tiny_model("llama")), adapter_path=str(folder))[0]
    fused: Any = load(str(tmp_path / "fused"))[0]
    tokens = mx.array([[1, 5, 9, 30, 7]])
    np.testing.assert_allclose(np.array(fused(tokens)), np.array(tuned(tokens)), atol=1e-4)
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "fused").iterdir())


def test_gguf_is_written_where_mlx_lm_can_and_refused_elsewhere(adapter: Path, tmp_path: Path) -> None:
    fuse(str(tiny_model("llama")), adapter, tmp_path / "llama", gguf=True)
    assert (tmp_path / "llama/model.gguf").read_bytes()[:4] == b"GGUF"
    with pytest.raises(LabError, match=r"not for qwen3.*convert_hf_to_gguf"):
        fuse(str(tiny_model("qwen3")), adapter, tmp_path / "fused", gguf=True)
    assert not (tmp_path / "fused").exists()


def test_nothing_is_written_over_and_faults_leave_nothing_behind(adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/keep").write_text("mine")
    with pytest.raises(LabError, match="exists already"):
        export_peft(adapter, tmp_path / "full", "base")
    (tmp_path / "peft").mkdir()
    (tmp_path / "peft/adapter_config.json").write_text("[1]")
    with pytest.raises(LabError, match="expected an object"):
        import_peft(tmp_path / "peft", tmp_path / "new", str(tiny_model("llama")))
    (tmp_path / "peft/adapter_config.json").write_text('{"peft_type": "LORA", "r": 3, "lora_alpha": 24}')
    (tmp_path / "peft/adapter_model.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(LabError, match="damaged"):
        import_peft(tmp_path / "peft", tmp_path / "new", str(tiny_model("llama")))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "peft"]
    assert (tmp_path / "full/keep").read_text() == "mine"


def test_the_lint_command_flags_and_exits_1(tmp_path: Path) -> None:
    card = tmp_path / "CARD.md"
    card.write_text(
        "| Step | Data BPT | Param BPT | S-ratio |\n|--|--|--|--|\n| 100 | 3.734 | 0.091 | 2.43% |\n"
    )
    result = lantern("adapter", "lint", card, home=tmp_path, check=False)
    assert result.returncode == 1 and b"CARD.md:3" in result.stdout
    card.write_text("nothing to see")
    assert lantern("adapter", "lint", card, home=tmp_path).returncode == 0
