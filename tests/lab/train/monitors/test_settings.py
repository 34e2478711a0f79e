"""What a recipe may say of monitors, and what it may not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.train.monitors.answers import asks_of
from lab.train.monitors.settings import MonitorSettings, changed, from_mapping
from lab.train.recipe import preset, read_recipe


def test_the_defaults_are_four_core_probes_sampled_alike_at_every_look() -> None:
    asks = asks_of(from_mapping({}))
    assert [(ask.probe_battery, ask.seed) for ask in asks] == [("core", n) for n in range(4)]
    assert {(ask.sampling.temperature, ask.sampling.max_tokens, ask.alternatives) for ask in asks} == {
        (0.7, 200, 0)
    }
    assert len({ask.prompt for ask in asks}) == 4


def test_probes_and_prompts_are_asked_in_order() -> None:
    settings = from_mapping(
        {"probes": ["core/P09_COMPUTE_THREE_QUEUES"], "prompts": ["Why?", "How?"], "seed": 7, "max_tokens": 9}
    )
    asks = asks_of(settings)
    assert [(ask.probe_id, ask.seed) for ask in asks] == [
        ("P09_COMPUTE_THREE_QUEUES", 7),
        (None, 8),
        (None, 9),
    ]
    assert [ask.prompt for ask in asks[1:]] == ["Why?", "How?"]
    assert {ask.sampling.max_tokens for ask in asks} == {9}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"evry": 3}, "monitors.evry: no such setting; did you mean every?"),
        ({"every": 0}, "monitors.every: 0; expected a whole number of at least 1"),
        ({"every": True}, "monitors.every: True; expected a whole number of at least 1"),
        ({"patience": 1.5}, "monitors.patience: 1.5; expected a whole number of at least 1"),
        ({"judge_from": 5}, "monitors.judge_from: 5; expected a step from 10 to 20"),
        ({"floor_of": "mood"}, "monitors.floor_of: 'mood'; expected one of word_entropy, entropy, nothing"),
        ({"floor": -1}, "monitors.floor: -1; expected a number above 0"),
        ({"sampling": "wild"}, "monitors.sampling: 'wild'; expected one of default, greedy"),
        ({"probes": [3]}, "monitors.probes: 3; expected texts"),
        ({"warn_percent": 9}, "monitors.rollback_percent: 5.0; expected at least warn_percent, which is 9"),
        ({"general": True}, "monitors.general: True; expected general, a file, or false"),
        ({"stop": "maybe"}, "monitors.stop: 'maybe'; expected true or false"),
    ],
)
def test_faults_are_named_with_what_was_expected(given: dict[str, Any], words: str) -> None:
    with pytest.raises(LabError, match=words.replace("?", r"\?").replace(".", r"\.")):
        from_mapping(given)


def test_a_probe_that_is_not_shipped_is_named() -> None:
    with pytest.raises(LabError, match="no shipped probe 'core/NOBODY'"):
        asks_of(MonitorSettings(probes=("core/NOBODY",)))


def test_false_switches_parts_off() -> None:
    settings = from_mapping({"probes": False, "general": False})
    assert (settings.probes, settings.general) == ((), None)


def test_during_a_run_bounds_change_and_probes_do_not() -> None:
    settings = changed(changed(MonitorSettings(), "every", 20.0), "stop", "true")
    assert (settings.every, settings.stop) == (20, True)
    with pytest.raises(LabError, match="probes: cannot be changed during a run"):
        changed(settings, "probes", "core/P01_IDENTITY_TWO_NAMES")
    with pytest.raises(LabError, match=r"monitors\.floor: 'low'; expected a number above 0"):
        changed(settings, "floor", "low")


def test_a_recipe_has_monitors_unless_it_says_not(tmp_path: Path) -> None:
    assert preset("scu").settings(data="x").monitors == {}
    spelled_out = preset("sft").settings(data="x").monitors
    assert isinstance(spelled_out, dict)
    assert asks_of(from_mapping(spelled_out)) == asks_of(from_mapping({}))
    assert from_mapping(spelled_out) == replace(from_mapping({}), floor=4.0)
    assert preset("sft").settings(data="x", monitors=False).monitors is False
    file = tmp_path / "recipe.yaml"
    file.write_text("data: x\nmonitors:\n  every: 10\n  judge_from: 3\n")
    with pytest.raises(LabError, match=r"recipe\.yaml: line 4: monitors\.judge_from: 3; expected a step"):
        read_recipe(file).settings()
    file.write_text("data: x\nmonitors: false\n")
    assert read_recipe(file).settings().monitors is False
