"""Sampling presets: shipped ones load, left-out filters are off, faults name the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.decode.types import Sampling
from lab.errors import LabError
from lab.sampling import load_preset, presets


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sampling.yaml"
    path.write_text(text)
    return path


def test_the_default_preset_is_the_default_sampling() -> None:
    assert load_preset() == Sampling()
    assert load_preset("greedy").temperature == 0.0
    assert {"default", "greedy", "explore"} <= set(presets())


def test_a_filter_that_is_left_out_is_off(tmp_path: Path) -> None:
    path = written(tmp_path, "presets: {own: {temperature: 1, max_tokens: 5}}")
    assert presets(path)["own"] == Sampling(temperature=1.0, top_p=1.0, top_k=0, min_p=0.0, max_tokens=5)


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(LabError, match="no sampling preset 'hot': use one of default, greedy"):
        load_preset("hot")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("{temperature: -1, max_tokens: 5}", "presets.own.temperature: expected a number"),
        ("{temperature: .nan, max_tokens: 5}", "presets.own.temperature: expected a number"),
        ("{temperature: .inf, max_tokens: 5}", "presets.own.temperature: expected a number"),
        ("{temperature: 1, max_tokens: 0}", "presets.own.max_tokens: expected a whole number, 1 or more"),
        ("{temperature: 1, max_tokens: 1.5}", "presets.own.max_tokens: expected a whole number"),
        (
            "{temperature: 1, max_tokens: 5, top_p: 1.2}",
            "presets.own.top_p: expected a number, 0 or more and at most 1",
        ),
        ("{temperature: 1, max_tokens: 5, topp: 1}", "presets.own.topp: no such setting"),
        ("{temperature: true, max_tokens: 5}", "presets.own.temperature: expected a number"),
        ("{temperature: 1}", "presets.own.max_tokens: missing"),
        ("[1]", "presets.own: expected fields"),
    ],
)
def test_bad_presets_name_file_and_field(tmp_path: Path, fields: str, said: str) -> None:
    path = written(tmp_path, f"presets: {{own: {fields}}}")
    with pytest.raises(LabError) as raised:
        presets(path)
    assert str(raised.value).startswith(f"{path}: {said}")
