"""Adapters on disk: what is recorded of them, and the one line that each kind of broken folder gets."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.models.adapters import checkpoints, read_adapter
from lab.models.gate import Gate
from lab.models.gated import attach
from lab.models.gated_layers import Factors, GatedLinear
from lab.models.load import load
from lab.models.runtime import mx, nn
from tests.adapters import tiny_adapter
from tests.models import tiny_model

Q = "model.layers.0.self_attn.q_proj"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of an adapter of the tiny llama that may be damaged."""
    return Path(shutil.copytree(tiny_adapter(), tmp_path / "tuned"))


@pytest.fixture(scope="module")
def llama():
    return load(str(tiny_model("llama")))


def tensors(folder: Path):
    loaded = mx.load(str(folder / "adapters.safetensors"))
    mx.eval(loaded)
    return {name: mx.array(value) for name, value in loaded.items()}


def write(folder: Path, weights, name: str = "adapters.safetensors") -> None:
    mx.save_safetensors(str(folder / name), weights)


def change(folder: Path, **settings) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def low_rank(folder: Path, **parameters) -> None:
    settings = json.loads((folder / "adapter_config.json").read_text())
    change(folder, lora_parameters={**settings["lora_parameters"], **parameters})


def test_a_record_says_what_was_found(folder):
    record = read_adapter(folder).record
    assert (record.name, record.path, record.base_model_id) == ("tuned", str(folder), None)
    assert (record.fine_tune_type, record.rank, record.scale, record.num_layers) == ("lora", 4, 2.0, 4)
    # Rank 4 on every linear layer of two blocks: q and o 64 to 64, k and v 64 to 32, three of 64 and 128.
    assert record.parameters == 2 * 4 * (2 * (64 + 64) + 2 * (64 + 32) + 3 * (64 + 128))
    assert read_adapter(str(folder)).id == record.id


def test_the_id_is_what_decides_the_effect(folder, tmp_path):
    original = read_adapter(folder).id
    elsewhere = Path(shutil.copytree(folder, tmp_path / "copy"))
    change(elsewhere, learning_rate=1e-5, data="elsewhere", base_model_id="f" * 64)
    assert read_adapter(elsewhere).id == original
    assert read_adapter(elsewhere).record.base_model_id == "f" * 64
    low_rank(elsewhere, scale=3.0)
    assert read_adapter(elsewhere).id != original
    weights = tensors(folder)
    weights[f"{Q}.lora_b"] = weights[f"{Q}.lora_b"] + 1e-3
    write(folder, weights)
    assert read_adapter(folder).id != original


def test_checkpoints_are_adapters_of_their_own(folder, llama):
    weights = tensors(folder)
    for step in (100, 20, 1_000_000):
        name = f"{step:07d}_adapters.safetensors"
        write(folder, {key: value * (1 + step / 1e7) for key, value in weights.items()}, name)
    (folder / "notes_adapters.safetensors").write_bytes(b"")
    found = checkpoints(folder)
    assert [path.name.split("_")[0] for path in found] == ["0000020", "0000100", "1000000"]
    adapters = [read_adapter(folder), *map(read_adapter, found)]
    assert [adapter.record.name for adapter in adapters] == [
        "tuned",
        "tuned@20",
        "tuned@100",
        "tuned@1000000",
    ]
    assert adapters[1].record.path == str(found[0])
    assert len({adapter.id for adapter in adapters}) == 4
    assert len(attach(llama, [*adapters, folder])) == 4


def test_a_full_fine_tune_has_neither_rank_nor_scale(llama):
    adapter = read_adapter(tiny_adapter(kind="full", num_layers=1))
    assert (adapter.record.fine_tune_type, adapter.record.rank, adapter.record.scale) == ("full", None, None)
    assert adapter.record.parameters == 64 * 64 * 2 + 2 * 32 * 64 + 3 * 64 * 128 + 2 * 64
    assert attach(llama, [adapter]) == (adapter.record,)


def peft(folder: Path) -> None:
    (folder / "adapters.safetensors").rename(folder / "adapter_model.safetensors")


def only_checkpoints(folder: Path) -> None:
    (folder / "adapters.safetensors").rename(folder / "0000300_adapters.safetensors")


def header(folder: Path, content: object) -> None:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / "adapters.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)


def one_leaf_less(folder: Path) -> None:
    weights = tensors(folder)
    del weights[f"{Q}.lora_a"]
    write(folder, weights)


def another_leaf(folder: Path) -> None:
    write(folder, {**tensors(folder), f"{Q}.weight": mx.zeros((2, 2))})


def integers(folder: Path) -> None:
    write(folder, {**tensors(folder), f"{Q}.lora_a": mx.zeros((64, 4), dtype=mx.int32)})


def vectors(folder: Path) -> None:
    write(folder, {f"{Q}.lora_a": mx.zeros((64,)), f"{Q}.lora_b": mx.zeros((64,))})


def truncated(folder: Path) -> None:
    path = folder / "adapters.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def text(folder: Path, content: str) -> None:
    (folder / "adapter_config.json").write_text(content)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, r"no adapter at .*tuned: give a folder"),
    "no weights": (lambda f: (f / "adapters.safetensors").unlink(), r"has no adapters\.safetensors"),
    "no settings": (lambda f: (f / "adapter_config.json").unlink(), r"has no adapter_config\.json beside"),
    "peft": (peft, r"PEFT's layout"),
    "only checkpoints": (only_checkpoints, r"checkpoints: give one of them, such as .*0000300_adapters"),
    "not json": (lambda f: text(f, "{'rank': 8}"), r"adapter_config\.json is not readable JSON"),
    "nested json": (lambda f: text(f, "[" * 200_000), r"adapter_config\.json is not readable JSON"),
    "not utf-8": (lambda f: (f / "adapter_config.json").write_bytes(b"\xff{}"), r"is not readable JSON"),
    "a list": (lambda f: text(f, "[]"), r"expected an object"),
    "unknown type": (lambda f: change(f, fine_tune_type="ia3"), r"fine_tune_type is 'ia3', expected lora"),
    "type a list": (lambda f: change(f, fine_tune_type=["lora"]), r"fine_tune_type is \['lora'\]"),
    "no parameters": (lambda f: change(f, lora_parameters=None), r"lora_parameters is missing, expected an"),
    "no layers": (lambda f: change(f, num_layers=None), r"num_layers is missing, expected a whole number"),
    "rank zero": (lambda f: low_rank(f, rank=0), r"lora_parameters\.rank is 0"),
    "rank true": (lambda f: low_rank(f, rank=True), r"lora_parameters\.rank is True"),
    "layers huge": (lambda f: change(f, num_layers=10**400), r"num_layers is 1000"),
    "alpha": (lambda f: low_rank(f, scale=None, alpha=16), r"alpha but no scale.*alpha / rank"),
    "scale text": (lambda f: low_rank(f, scale="20"), r"lora_parameters\.scale is '20', expected a number"),
    "scale infinite": (lambda f: low_rank(f, scale=float("inf")), r"lora_parameters\.scale is inf"),
    "scale huge": (lambda f: low_rank(f, scale=10**400), r"lora_parameters\.scale is 1000"),
    "base a number": (lambda f: change(f, base_model_id=7), r"base_model_id is 7, expected a text"),
    "other rank": (lambda f: low_rank(f, rank=8), r"down_proj has lora_a \(128, 4\).*says rank 8"),
    "empty file": (lambda f: (f / "adapters.safetensors").write_bytes(b""), r"is not a safetensors file"),
    "text file": (lambda f: (f / "adapters.safetensors").write_text("x" * 99), r"is not a safetensors file"),
    "cut short": (truncated, r"is cut short"),
    "empty header": (lambda f: header(f, {}), r"holds no tensors"),
    "nested header": (lambda f: header(f, b"[" * 200_000), r"is not a safetensors file or is damaged"),
    "header a text": (lambda f: header(f, {"a": "b"}), r"is not a safetensors file or is damaged"),
    "no shape": (lambda f: header(f, {"a.lora_a": {"data_offsets": [0, 0]}}), r"'a\.lora_a' is not a tensor"),
    "one leaf less": (one_leaf_less, r"model\.layers\.0\.self_attn\.q_proj lacks lora_a"),
    "another leaf": (another_leaf, r"q_proj\.weight' is not part of a lora adapter"),
    "integers": (integers, r"q_proj\.lora_a' is not a tensor of floats"),
    "vectors": (vectors, r"lora_a \(64,\) and lora_b \(64,\), expected two matrices"),
    "dora without m": (lambda f: change(f, fine_tune_type="dora"), r"lacks m"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_gets_one_line(folder, name):
    damage, message = BROKEN[name]
    damage(folder)
    with pytest.raises(LabError, match=message) as raised:
        read_adapter(folder)
    assert len(str(raised.value).splitlines()) == 1
    assert str(folder) in str(raised.value)


def wider(folder: Path) -> None:
    write(folder, {f"{Q}.lora_a": mx.zeros((128, 4)), f"{Q}.lora_b": mx.zeros((4, 64))})


def not_a_number(folder: Path) -> None:
    weights = tensors(folder)
    weights[f"{Q}.lora_b"][0, 0] = float("nan")
    write(folder, weights)


def elsewhere(folder: Path) -> None:
    write(folder, {f"{Q}x.lora_a": mx.zeros((64, 4)), f"{Q}x.lora_b": mx.zeros((4, 64))})


def on_a_norm(folder: Path) -> None:
    write(folder, {"model.norm.lora_a": mx.zeros((64, 4)), "model.norm.lora_b": mx.zeros((4, 64))})


def full_of_another(folder: Path) -> None:
    change(folder, fine_tune_type="full")
    write(folder, {f"{Q}.weight": mx.zeros((64, 65))})


def full_of_nothing_here(folder: Path) -> None:
    change(folder, fine_tune_type="full")
    write(folder, {f"{Q}.bias": mx.zeros((64,))})


UNFIT: dict[str, tuple[Callable[[Path], object], str]] = {
    "another size": (wider, r"q_proj\.lora_a is \(128, 4\), this model needs \(64, 4\).*another size"),
    "no such layer": (elsewhere, r"this model has no model\.layers\.0\.self_attn\.q_projx"),
    "not a number": (not_a_number, r"q_proj\.lora_b holds values that are no numbers"),
    "not a linear layer": (on_a_norm, r"model\.norm is a RMSNorm, which takes no low-rank adapter"),
    "full, another size": (full_of_another, r"q_proj\.weight is \(64, 65\), this model's is \(64, 64\)"),
    "full, no such weight": (full_of_nothing_here, r"this model has no .*q_proj\.bias"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_an_adapter_of_another_model_gets_one_line(folder, llama, name):
    damage, message = UNFIT[name]
    damage(folder)
    with pytest.raises(LabError, match=message) as raised:
        attach(llama, [folder])
    assert len(str(raised.value).splitlines()) == 1
    assert str(folder) in str(raised.value)


def test_a_file_written_between_looking_and_loading_is_noticed(folder, llama):
    adapter = read_adapter(folder)
    write(folder, {name: value * 2 for name, value in tensors(folder).items()})
    os.utime(folder / "adapters.safetensors", ns=(1, 1))
    with pytest.raises(LabError, match="changed while it was being read"):
        attach(llama, [adapter])


@pytest.mark.parametrize(
    "path", ["~nobody-at-all/tuned", "nowhere\0", "", "x" * 5000], ids=["user", "nul", "empty", "long"]
)
def test_a_path_that_is_none_gets_one_line(path):
    with pytest.raises(LabError, match="adapter"):
        read_adapter(path)


def test_names_are_data(tmp_path, llama):
    folder = Path(shutil.copytree(tiny_adapter(), tmp_path / "[bold]tu\x1b[31mned 漢"))
    assert attach(llama, [folder])[0].name == "[bold]tu\x1b[31mned 漢"


def test_rows_that_a_model_folds_together_are_refused():
    gate = Gate()
    gate.low_rank = ("one",)
    layer = GatedLinear(nn.Linear(8, 8), gate, "mlp.odd")
    layer.deltas.factors["one"] = Factors(mx.ones((8, 2)), mx.ones((2, 8)))
    with gate.open([None, "one"]):
        assert layer(mx.zeros((2, 3, 8))).shape == (2, 3, 8)
        with pytest.raises(LabError, match=r"mlp\.odd does not keep the rows of a batch apart"):
            layer(mx.zeros((6, 8)))


def test_the_gate_closes_also_when_a_pass_fails():
    gate = Gate()
    gate.low_rank = ("one",)
    with pytest.raises(ZeroDivisionError), gate.open(["one"]):
        assert gate.rows is not None
        _ = 1 / 0
    assert gate.rows is None
