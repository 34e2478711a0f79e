"""Recipes: the shipped ones load as the seeds have them, faults are named by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.train.recipe import find_recipe, preset, preset_names, read_recipe, with_changes


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_recipe_is_whole(name: str) -> None:
    assert preset(name).settings(data="./data").data == "./data"


def test_the_pilot_is_seed_000_s() -> None:
    settings = preset("pilot").settings(data="x")
    lora = settings.lora_parameters
    assert (lora.rank, lora.scale * lora.rank, lora.dropout) == (16, 32.0, 0.05)
    assert lora.keys == tuple(f"self_attn.{name}_proj" for name in "qkvo")
    assert (settings.learning_rate, settings.epochs, settings.batch_size) == (2e-4, 3, 2)
    assert (settings.grad_accumulation_steps, settings.schedule.warmup_steps) == (4, 50)


def test_what_is_given_goes_over_the_file() -> None:
    settings = preset("sft").settings(data="x", learning_rate=1e-3, batch_size=None)
    assert settings.learning_rate == 1e-3 and settings.batch_size == 16
    assert settings.replay is not None and settings.replay.share == 0.25


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "batch_size: 4\nlerning_rate: 1\n",
            "line 2: lerning_rate: no such setting; did you mean learning_rate?",
        ),
        ("lora_parameters:\n  rank: 8\n  scale: big\n", "line 3: lora_parameters.scale:"),
        ("lora_parameters:\n  rank: 0\n", "line 2: lora_parameters.rank: 0; expected at least 1"),
        ("batch_size: 0\n", "line 1: batch_size: 0; expected at least 1"),
        ("- a\n", "line 1: expected settings"),
        ("a: [1,\n", "line 2"),
        ("", "empty"),
        ("a: 1\na: 2\n", "line 2"),
    ],
)
def test_faults_are_named_by_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(LabError) as caught:
        read_recipe(path).settings(data="x")
    assert message in str(caught.value) and str(path) in str(caught.value)


def test_a_fault_of_an_option_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("batch_size: 4\n")
    with pytest.raises(LabError) as caught:
        read_recipe(path).settings(data="x", batch_size=0)
    assert str(caught.value).startswith("batch_size: 0")


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(LabError, match=r"no recipe pilto: there are .*pilot"):
        find_recipe("pilto")


def test_changes_leave_what_stands_beside_them() -> None:
    values = {"lora_parameters": {"rank": 8, "scale": 2.0}, "batch_size": 4}
    changed = with_changes(values, ["lora_parameters.rank=16", "batch_size=8", "lora_parameters.keys=[a, b]"])
    assert changed == {"lora_parameters": {"rank": 16, "scale": 2.0, "keys": ["a", "b"]}, "batch_size": 8}
    assert values["lora_parameters"] == {"rank": 8, "scale": 2.0}
    assert with_changes({}, ["monitors.pinned.every=5"]) == {"monitors": {"pinned": {"every": 5}}}
    for fault in ("batch_size", "=4", "batch_size="):
        with pytest.raises(LabError, match="expected KEY=VALUE"):
            with_changes({}, [fault])
    with pytest.raises(LabError, match="not YAML"):
        with_changes({}, ["a=[1"])
