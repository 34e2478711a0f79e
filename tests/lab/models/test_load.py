"""Loading: what is recorded, and the one line that each kind of broken model gets."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.models import inspect
from lab.models.hashes import WEIGHTS_CACHE
from lab.models.load import load, resolve
from lab.models.runtime import mx
from tests.models import tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a tiny llama that may be damaged."""
    return Path(shutil.copytree(tiny_model("llama"), tmp_path / "model"))


def test_a_record_says_what_was_loaded(folder):
    loaded = load(str(folder))
    record = loaded.record
    assert (record.name, record.architecture, record.vocab_size) == ("model", "llama", 384)
    assert record.quantization is None
    # Embedding 384 x 64; a layer: q 64², k and v 32 x 64, o 64², three 64 x 128 matrices, two norms; a norm.
    layer = 64 * 64 * 2 + 2 * 32 * 64 + 3 * 64 * 128 + 2 * 64
    assert record.parameters == 384 * 64 + 2 * layer + 64
    weights = (folder / "model.safetensors").read_bytes()
    assert record.weights_sha256 == hashlib.sha256(weights).hexdigest()
    template = (folder / "chat_template.jinja").read_bytes()
    assert record.template_sha256 == hashlib.sha256(template).hexdigest()
    assert (loaded.device, loaded.backend.split()[0]) == ("cpu", "cpu")


def test_a_four_bit_model_keeps_its_packed_weights():
    loaded = load(str(tiny_model("llama", quantized=True)))
    assert loaded.record.quantization == "4-bit, groups of 32"
    weight = loaded.model.model.layers[0].self_attn.q_proj.weight
    assert (weight.dtype, weight.shape) == (mx.uint32, (64, 8))
    assert loaded.record.parameters == load(str(tiny_model("llama"))).record.parameters


@pytest.mark.parametrize("dtype", [mx.bfloat16, mx.float16])
def test_half_floats_become_float32_on_a_cpu(folder, dtype):
    weights = mx.load(str(folder / "model.safetensors"))
    mx.save_safetensors(
        str(folder / "model.safetensors"), {name: value.astype(dtype) for name, value in weights.items()}
    )
    assert load(str(folder)).model.model.norm.weight.dtype == mx.float32


def test_ids_follow_content_and_nothing_else(folder, tmp_path):
    record = load(str(folder)).record
    moved = load(str(folder.rename(tmp_path / "elsewhere"))).record
    assert moved.id == record.id
    assert replace(moved, name="", path="", at="") == replace(record, name="", path="", at="")


def change_weight(folder: Path) -> None:
    weights = mx.load(str(folder / "model.safetensors"))
    weights["model.norm.weight"] = weights["model.norm.weight"] * 1.001
    mx.eval(weights)
    mx.save_safetensors(str(folder / "model.safetensors"), weights)


def change_template(folder: Path) -> None:
    with (folder / "chat_template.jinja").open("a") as file:
        file.write("{# changed #}")


def change_tokenizer(folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["merges"].pop()
    path.write_text(json.dumps(content))


def change_config(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "rope_theta": 20000.0}))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (change_weight, "weights_sha256"),
        (change_template, "template_sha256"),
        (change_tokenizer, "tokenizer_sha256"),
        (change_config, None),
    ],
)
def test_a_change_changes_its_hash_and_the_id(folder, tmp_path, change, field):
    cache = tmp_path / "cache"
    before = load(str(folder), cache_dir=cache).record
    change(folder)
    after = load(str(folder), cache_dir=cache).record
    hashes = ("weights_sha256", "tokenizer_sha256", "template_sha256")
    assert {name for name in hashes if getattr(before, name) != getattr(after, name)} == ({field} - {None})
    assert before.id != after.id


def test_weight_hashes_are_remembered_privately_and_damage_is_survived(folder, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    record = load(str(folder), cache_dir=cache).record
    path = cache / WEIGHTS_CACHE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(json.loads(path.read_text()).values()) == [record.weights_sha256]
    read = []
    monkeypatch.setattr("lab.models.hashes.file_sha256", lambda path: read.append(path.name) or "0" * 64)
    assert load(str(folder), cache_dir=cache).record.weights_sha256 == record.weights_sha256
    assert "model.safetensors" not in read
    path.write_text("{ not json")
    load(str(folder), cache_dir=cache)
    assert "model.safetensors" in read


def test_sharded_weights_have_one_hash(folder):
    whole = load(str(folder)).record
    weights = mx.load(str(folder / "model.safetensors"))
    names = sorted(weights)
    for i, half in enumerate((names[:5], names[5:])):
        shard = folder / f"model-0000{i + 1}-of-00002.safetensors"
        mx.save_safetensors(str(shard), {name: weights[name] for name in half})
    mx.eval(weights)
    (folder / "model.safetensors").unlink()
    record = load(str(folder)).record
    lines = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.glob("*.safetensors"))
    )
    assert record.weights_sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert record.parameters == whole.parameters


def truncate(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def garble(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 5000)


def pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def unknown_type(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_type": "perceptron9000"}))


def own_code(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_file": "evil.py"}))
    (folder / "evil.py").write_text("raise SystemExit('code from a model folder ran')")


def wrong_shape(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "intermediate_size": 96}))


def missing_field(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    del config["hidden_size"]
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "not readable JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), "model_type"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"no model\*\.safetensors"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "tokenizer cannot be loaded"),
        (truncate, "cut short"),
        (garble, "not a safetensors file"),
        (pickle_only, "pickled weights"),
        (unknown_type, "perceptron9000 not supported"),
        (own_code, "never does"),
        (wrong_shape, "do not fit config.json"),
        (missing_field, "hidden_size"),
    ],
)
def test_a_broken_model_gets_one_line_that_names_it(folder, damage, says):
    damage(folder)
    with pytest.raises(LabError, match=says) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("name", ["/no/such/model", "./nowhere", "justaname", "a/b/c"])
def test_a_name_that_is_nothing(name):
    with pytest.raises(LabError, match="hub id"):
        load(name)


def test_a_hub_id_without_network(monkeypatch, tmp_path):
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(*_args, **_options):
        raise LocalEntryNotFoundError("no network and no cache")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(LabError, match="hub cannot be reached"):
        load("owner/model")


def test_a_model_that_does_not_fit_is_refused_before_it_is_read(folder, monkeypatch):
    monkeypatch.setattr(inspect, "available_bytes", lambda: 1000)
    monkeypatch.setattr("lab.models.load.load_model", lambda *_a, **_k: pytest.fail("read all the same"))
    with pytest.raises(LabError, match="smaller or quantized"):
        load(str(folder))


def test_running_out_of_memory_on_the_way_is_said(folder, monkeypatch):
    def full(*_args, **_options):
        raise RuntimeError("[malloc_or_wait] Unable to allocate 99 bytes.")

    monkeypatch.setattr("lab.models.load.load_model", full)
    with pytest.raises(LabError, match="not enough memory"):
        load(str(folder))


def test_wick_is_what_ships():
    assert resolve("wick").parts[-2:] == ("seeds", "wick")
