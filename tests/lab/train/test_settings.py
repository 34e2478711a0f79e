"""Settings: mlx-lm's keys, faults named by key, and the way out and back."""

from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.train.settings import Replay, TrainSettings, as_mapping, from_mapping

MLX_LM = {
    "model": "some/model",
    "train": True,
    "data": "folder",
    "fine_tune_type": "dora",
    "optimizer": "muon",
    "seed": 7,
    "num_layers": -1,
    "batch_size": 2,
    "iters": 30,
    "val_batches": 5,
    "learning_rate": "2e-4",
    "steps_per_report": 10,
    "steps_per_eval": 20,
    "save_every": 25,
    "max_seq_length": 512,
    "grad_checkpoint": True,
    "lora_parameters": {"rank": 16, "scale": 2.0, "dropout": 0.05, "keys": ["self_attn.q_proj"]},
    "report_to": None,
}


def test_a_file_of_mlx_lm_is_understood() -> None:
    settings = from_mapping(MLX_LM)
    assert settings.learning_rate == 2e-4
    assert (settings.fine_tune_type, settings.num_layers, settings.iters) == ("dora", -1, 30)
    assert settings.lora_parameters.keys == ("self_attn.q_proj",)


def test_settings_come_back_from_their_mapping() -> None:
    settings = from_mapping({**MLX_LM, "replay": {"share": 0.4}, "scu": {"target": 0.03}})
    assert settings.replay == Replay(share=0.4)
    assert from_mapping(as_mapping(settings)) == settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"learning_rat": 1}, "learning_rat: no such setting; did you mean learning_rate?"),
        ({"batch_size": 0}, "batch_size: 0; expected at least 1"),
        ({"learning_rate": "fast"}, "learning_rate: input should be a valid number"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"lora_parameters": {"rank": 8, "alpha": 16}}, "lora_parameters.alpha"),
        ({"lora_parameters": {"dropout": 1.5}}, "lora_parameters.dropout: 1.5; expected a share below 1"),
        ({"optimizer": "lion"}, "optimizer: input should be"),
        (
            {"lr_schedule": {"name": "step_decay", "arguments": [1, 2, 3]}},
            "is not read; there are cosine_decay",
        ),
        ({"lr_schedule": "cosine"}, "expected name and arguments"),
        ({"name": "../evil"}, "name: '../evil'"),
        ({"replay": {"share": 1.0}}, "replay.share"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_fault_names_its_key_in_one_line(given: dict, said: str) -> None:
    with pytest.raises(LabError) as error:
        from_mapping({"data": "x", **given}, "recipe.yaml")
    assert str(error.value).startswith("recipe.yaml: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_data_is_needed() -> None:
    with pytest.raises(LabError, match="data: field required"):
        from_mapping({})
    assert TrainSettings(data="x").objective == "sft"
