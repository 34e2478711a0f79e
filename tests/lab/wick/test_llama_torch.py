"""The PyTorch llama: a shared prefix is exact, and mlx computes the same logits from the exported weights."""

import json
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch", reason="the optional extra [wick] is not installed")


def model(**changes: int) -> Any:
    from lab.wick.llama_torch import Llama, LlamaShape

    shape = {"vocab": 200, "hidden": 64, "layers": 2, "intermediate": 96, "heads": 4, "kv_heads": 2} | changes
    return Llama(LlamaShape(**shape), seed=3)


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_a_shared_prefix_equals_repeating_it(kv_heads: int) -> None:
    llama = model(kv_heads=kv_heads)
    prefix, rows = torch.arange(5, 16), torch.randint(0, 200, (3, 7))
    shared = llama.hidden_states(rows, prefix)
    shared.square().sum().backward()
    gradient = {name: weight.grad.clone() for name, weight in llama.named_parameters()}
    llama.zero_grad()
    repeated = llama.hidden_states(torch.cat((prefix.expand(3, -1), rows), dim=1))[:, len(prefix) :]
    repeated.square().sum().backward()
    torch.testing.assert_close(shared, repeated, atol=1e-5, rtol=1e-5)
    for name, weight in llama.named_parameters():
        torch.testing.assert_close(gradient[name], weight.grad, atol=1e-3, rtol=1e-4)


def test_later_tokens_do_not_reach_earlier_ones() -> None:
    llama = model()
    first, second = torch.arange(20)[None], torch.arange(20)[None].clone()
    second[0, 12:] = 7
    before, after = llama.hidden_states(first), llama.hidden_states(second)
    torch.testing.assert_close(before[:, :12], after[:, :12])
    assert not torch.allclose(before[:, 12:], after[:, 12:])


def test_mlx_computes_the_same_logits(tmp_path: Path) -> None:
    mx = pytest.importorskip("mlx.core")
    from mlx_lm.models import llama as mlx_llama
    from safetensors.torch import save_file

    from lab.wick.export import config

    llama = model()
    save_file(llama.state_dict(), tmp_path / "model.safetensors")
    recipe = {"hidden": 64, "layers": 2, "intermediate": 96, "heads": 4, "kv_heads": 2, "vocabulary": 200}
    twin = mlx_llama.Model(mlx_llama.ModelArgs.from_dict(json.loads(json.dumps(config(recipe)))))
    twin.load_weights(str(tmp_path / "model.safetensors"))
    ids = torch.randint(0, 200, (2, 33))
    ours = llama.logits(llama.hidden_states(ids)).detach().numpy()
    theirs = np.array(twin(mx.array(ids.numpy())))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_the_learning_rate_rises_holds_drops_and_ends_at_zero() -> None:
    from lab.wick.pretrain import Recipe, rate

    recipe = Recipe(steps=100, warmup_steps=4, flat_steps=40, second_rate=0.3)
    assert [rate(recipe, step) for step in (0, 1, 3, 4, 39)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    assert rate(recipe, 40) == pytest.approx(0.3)
    assert rate(recipe, 70) == pytest.approx(0.15)
    assert rate(recipe, 100) == 0.0


SMALL = {
    "steps": 4,
    "hidden": 32,
    "layers": 1,
    "intermediate": 48,
    "heads": 2,
    "kv_heads": 2,
    "vocabulary": 400,
    "tokenizer_sheaves": 2,
    "batch_tokens": 600,
    "batches_per_step": 1,
    "warmup_steps": 1,
    "flat_steps": 2,
}


def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path) -> None:
    from lab.wick import pretrain

    recipe = pretrain.Recipe(**SMALL)
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    pretrain.train(whole, recipe, save_every=2, ranks=1)
    halves.mkdir()
    (halves / "tokenizer.json").write_bytes((whole / "tokenizer.json").read_bytes())
    assert run_that_dies(halves, recipe, step=2) == 2
    pretrain.train(halves, recipe, save_every=2, ranks=1)
    assert (whole / "model.safetensors").read_bytes() == (halves / "model.safetensors").read_bytes()
    records = [json.loads((folder / "record.json").read_text()) for folder in (whole, halves)]
    assert records[0]["tokens_seen"] == records[1]["tokens_seen"] > 0
    assert records[0]["curve"][-1]["held_out"] == records[1]["curve"][-1]["held_out"]


def test_another_recipe_does_not_resume_a_run(tmp_path: Path) -> None:
    from lab.errors import LabError
    from lab.wick import pretrain

    recipe = pretrain.Recipe(**SMALL)
    pretrain.train(tmp_path, recipe, save_every=4, ranks=1)
    llama = pretrain.Llama(recipe.shape())
    with pytest.raises(LabError, match="another recipe"):
        pretrain._resume(tmp_path, pretrain.Recipe(**SMALL, seed=8), llama, [])


def run_that_dies(run: Path, recipe: Any, step: int) -> int:
    """Train in a process that ends right after the checkpoint of `step`; returns the step on disk."""
    process = multiprocessing.get_context("spawn").Process(target=die_after, args=(run, recipe, step))
    process.start()
    process.join(120)
    assert process.exitcode == 3
    return int(torch.load(run / "checkpoint.pt", weights_only=True)["progress"]["step"])


def die_after(run: Path, recipe: Any, step: int) -> None:
    from lab.wick import pretrain

    save = pretrain._save

    def save_and_die(*arguments: Any) -> None:
        save(*arguments)
        if arguments[-1].step == step:
            raise SystemExit(3)

    pretrain._save = save_and_die
    pretrain._rank(0, 1, run / "meeting", run, recipe, step)
