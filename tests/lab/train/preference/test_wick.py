"""What preferences do to wick: it follows pairs it made itself, and is displaced where DPO displaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.train.recipe import preset
from store.home import Home
from tests.lab.train import runs
from tests.lab.train.preference.wick import kernel_pairs, write_split

WORDS = ("stone", "river", "lamp", "harbor", "paper", "winter")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    made = kernel_pairs(Home.resolve(tmp_path_factory.mktemp("home")), train=100, valid=24, max_tokens=32)
    assert len(made) >= 120
    return made


def run_of(root: Path, name: str, data: Path, **changes: Any) -> runs.Watch:
    home = Home.resolve(root / name)
    settings = preset(name).settings(data=str(data), model="wick", allow_repeats=True, **changes)
    return runs.Watch(home, runs.train(home, settings, timeout_s=900))


@pytest.mark.slow
def test_dpo_with_a_hundred_pairs_brings_held_out_accuracy_from_half_to_four_fifths(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    data = write_split(tmp_path / "data", rows, valid=20)
    watch = run_of(tmp_path, "dpo", data, learning_rate=2e-4, objective_settings={"beta": 0.1})
    held_out = watch.metrics("valid")
    first, last = held_out[0], held_out[max(held_out)]
    assert watch.plans()[0].train_examples >= 100 and watch.plans()[0].valid_examples == 20
    assert 0.2 <= (first["rewards/accuracies"] or 0) < 0.8 and abs(first["rewards/margins"] or 0) < 1e-3
    assert (last["rewards/accuracies"] or 0) >= 0.8
    assert (last["loss_nats"] or 9) < 0.4 < (first["loss_nats"] or 0)


@pytest.mark.slow
def test_the_alarm_fires_where_near_identical_pairs_displace_and_not_on_the_dpop_twin(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    near = []
    for place, row in enumerate(rows[:40]):
        words = row["rejected"].split(" ")
        other = [*words[:2], WORDS[place % len(WORDS)], *words[3:]]
        near.append({"prompt": row["prompt"], "chosen": " ".join(words), "rejected": " ".join(other)})
    data = write_split(tmp_path / "near", near, valid=8)
    given = {"learning_rate": 3e-4, "epochs": 4.0, "schedule": {"name": "constant"}, "steps_per_eval": 100}
    dpo, dpop = (run_of(tmp_path, name, data, **given) for name in ("dpo", "dpop"))
    (alarm,) = [event for event in dpo.events() if event.name == "alarm"]
    assert alarm.level == "error" and "switch the loss to dpop" in alarm.words
    assert 10 <= alarm.step <= max(dpo.metrics())
    assert not [event for event in dpop.events() if event.name == "alarm"]
    ends = [watch.metrics()[max(watch.metrics())] for watch in (dpo, dpop)]
    assert (ends[0]["log_ratio/chosen"] or 0) < -10 < (ends[1]["log_ratio/chosen"] or 0)
    for end in ends:
        assert (end["rewards/accuracies"] or 0) >= 0.75
