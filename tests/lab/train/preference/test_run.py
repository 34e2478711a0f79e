"""Preference runs in their own process: what they tell, how they are steered, killed, shared, switched."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.train.control import Command, ControlReader, parse_set, send
from lab.train.folder import RunFolder
from lab.train.hooks import Preparation
from lab.train.layers import make_trainable
from lab.train.loop import Run, Trainer
from lab.train.net import split
from lab.train.preference.displacement import Displacement
from lab.train.pulse import Pulse
from lab.train.ranks import Ranks
from lab.train.runlog import RunLog, Said
from lab.train.wiring import build_hooks
from store.home import Home
from store.journal import Journal
from tests.lab.train import runs
from tests.lab.train.models import loaded
from tests.lab.train.preference.pairs import pair_rows, write_pairs, write_rows
from tests.lab.train.test_ranks import assert_same_weights

SETTINGS: dict[str, Any] = {
    "objective": "dpo",
    "batch_size": 4,
    "grad_accumulation_steps": 2,
    "replay": {"data": "general", "share": 0.25},
    "epochs": 3.0,
    "allow_repeats": True,
    "max_grad_norm": 1.0,
    "learning_rate": 1e-3,
    "save_every": 2,
    "steps_per_eval": 4,
}


def given(data: Path, **changes: Any) -> Any:
    from lab.train.settings import as_mapping, from_mapping

    return from_mapping({**as_mapping(runs.settings(data)), **SETTINGS, **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs"), train=22, valid=5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data: Path) -> tuple[Home, RunFolder]:
    """A run that nobody disturbed."""
    home = Home.resolve(tmp_path_factory.mktemp("whole"))
    return home, runs.train(home, given(data))


def reference_lines(home: Home) -> int:
    (path,) = (home.cache / "references").iterdir()
    return path.read_bytes().count(b"\n")


def test_a_run_tells_the_metrics_of_trl_and_the_held_out_accuracy(whole: tuple[Home, RunFolder]) -> None:
    watch = runs.Watch(*whole)
    steps, held_out = watch.metrics(), watch.metrics("valid")
    names = {"rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen"}
    names |= {"logps/rejected", "nll_loss", "length_gap", "chosen_below_reference", "log_ratio/chosen"}
    for values in (*steps.values(), *held_out.values()):
        assert names <= set(values)
    assert {"replay_nll", "grad_norm"} <= set(steps[1])
    assert "perplexity" not in held_out[0]
    first, last = held_out[0], held_out[max(held_out)]
    assert first["rewards/margins"] == pytest.approx(0.0, abs=1e-4)
    assert first["loss_nats"] == pytest.approx(np.log(2), abs=1e-4)
    assert (last["rewards/accuracies"] or 0) >= 0.8 and (last["rewards/margins"] or 0) > 0.1
    told = next(event for event in watch.events() if event.name == "prepared")
    assert "of 27 pairs under the model without adapter: 27 computed, 0 known" in told.words
    assert reference_lines(whole[0]) == 27


@pytest.mark.slow
def test_a_run_killed_twice_ends_in_the_same_weights(
    whole: tuple[Home, RunFolder], data: Path, tmp_path: Path
) -> None:
    home = Home.resolve(tmp_path / "home")
    folder = runs.new_run(home, given(data))
    watch, dice = runs.Watch(home, folder), random.Random(2)
    for step in sorted(dice.randint(1, 9) for _ in range(2)):
        process = runs.start(home, folder)
        if watch.wait_for(process, step):
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    runs.finish(runs.start(home, folder))
    assert runs.adapter_bytes(folder) == runs.adapter_bytes(whole[1])
    undisturbed = runs.Watch(*whole)
    assert watch.losses() == undisturbed.losses()
    assert watch.metrics("valid") == undisturbed.metrics("valid")
    assert reference_lines(home) == 27


def test_another_run_takes_the_reference_from_the_disk(whole: tuple[Home, RunFolder], data: Path) -> None:
    home = whole[0]
    folder = runs.train(home, given(data, iters=2, objective="ipo", replay=None))
    told = next(event for event in runs.Watch(home, folder).events() if event.name == "prepared")
    assert "0 computed, 27 known from before" in told.words
    assert reference_lines(home) == 27


@pytest.mark.slow
def test_two_ranks_give_the_weights_of_one(data: Path, tmp_path: Path) -> None:
    homes = [Home.resolve(tmp_path / name) for name in ("one", "two")]
    changes = {"grad_accumulation_steps": 1, "epochs": 1.0, "batch_size": 5, "objective": "kto"}
    changes |= {"learning_rate": 1e-3}
    one, two = (
        runs.train(home, given(data, **changes), ranks=ranks) for ranks, home in enumerate(homes, start=1)
    )
    assert_same_weights(one, two)
    left, right = (runs.Watch(home, folder) for home, folder in zip(homes, (one, two), strict=True))
    for source in ("train", "valid"):
        for step, values in left.metrics(source).items():
            others = right.metrics(source)[step]
            assert set(values) == set(others)
            for name in ("loss_nats", "rewards/margins", "rewards/accuracies", "kl", "replay_nll"):
                if name in values:
                    assert others[name] == pytest.approx(values[name], abs=1e-3), (source, step, name)


@pytest.mark.slow
def test_the_loss_is_switched_live_within_a_step(data: Path, tmp_path: Path) -> None:
    home = Home.resolve(tmp_path / "home")
    changes = {"grad_accumulation_steps": 1, "epochs": 300.0, "replay": None}
    folder = runs.new_run(home, given(data, **changes))
    process, watch = runs.start(home, folder), runs.Watch(home, folder)
    assert watch.wait_for(process, 2)
    send(folder, parse_set("loss=orpo"))
    send(folder, parse_set("objective.lambda=0.05"))
    send(folder, parse_set("objective.gamma=1"))
    assert watch.wait_for(process, max(watch.metrics()) + 3)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    process = runs.start(home, folder)
    assert watch.wait_for(process, max(watch.metrics()) + 2)
    process.send_signal(signal.SIGTERM)
    runs.finish(process)
    events = [(event.step, event.name, event.words) for event in watch.events()]
    switched = next(step for step, name, words in events if name == "set" and "orpo" in words)
    assert any(name == "refused" and "orpo does not read it" in words for _, name, words in events)
    for step, values in watch.metrics().items():
        assert ("orpo/margins" in values) == (step > switched)
        assert ("rewards/margins" in values) == (step <= switched)
        assert "log_ratio/chosen" in values
    last = max((record for record in watch.read() if record.kind == "metric"), key=lambda r: r.step)  # type: ignore[union-attr]
    assert last.words["loss"] == "orpo (lambda 0.05)"  # type: ignore[union-attr]


@pytest.mark.slow
def test_full_weights_are_compared_with_those_before_the_first_update(data: Path, tmp_path: Path) -> None:
    home = Home.resolve(tmp_path / "home")
    folder = runs.new_run(home, given(data, fine_tune_type="full", learning_rate=1e-3, replay=None))
    process, watch = runs.start(home, folder), runs.Watch(home, folder)
    if watch.wait_for(process, 4):
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    (cache,) = (home.cache / "references").iterdir()
    cache.unlink()
    runs.finish(runs.start(home, folder))
    held_out = watch.metrics("valid")
    assert held_out[0]["rewards/margins"] == pytest.approx(0.0, abs=1e-4)
    # Computed anew after the kill, it is still that of the first weights: the margins are far from 0.
    assert (held_out[max(held_out)]["rewards/margins"] or 0) > 0.1
    assert reference_lines(home) == 27


def run_here(root: Path, data: Path, commands: tuple[Command, ...] = (), **changes: Any) -> runs.Watch:
    """A run in this process that hears these commands before its first step."""
    home = Home.resolve(root / "home")
    settings = given(data, **changes)
    folder = runs.new_run(home, settings)
    for command in commands:
        send(folder, command)
    model, ranks = loaded(), Ranks()
    hooks = build_hooks(settings, model)
    corpus = hooks.objective.read(model, settings)
    preparation = Preparation(model, split(model.model), corpus, home.cache, ranks, lambda _: None)
    hooks.objective.prepare(preparation)
    make_trainable(model, settings)
    run = Run(settings, folder, model, split(model.model), corpus, hooks, ranks)
    with Journal.open(home, "test") as journal, Pulse(folder) as pulse:
        folder.add_process(journal.path)
        Trainer(run, RunLog(folder.run_id, journal, Said()), pulse, ControlReader(folder)).train()
    return runs.Watch(home, folder)


def test_a_switch_of_the_loss_holds_from_the_next_step_and_the_best_begins_anew(
    data: Path, tmp_path: Path
) -> None:
    commands = tuple(
        parse_set(text) for text in ("loss=cpo", "objective.alpha=0.5", "objective.gamma=1", "loss=nonsense")
    )
    watch = run_here(tmp_path, data, commands, grad_accumulation_steps=1, epochs=1.0, replay=None)
    events = [(event.step, event.name, event.words) for event in watch.events()]
    assert (0, "set", "the loss is cpo (beta 0.1, alpha 1) from the next step on") in events
    assert (0, "set", "the loss is cpo (beta 0.1, alpha 0.5) from the next step on") in events
    assert [name for _, name, _ in events].count("refused") == 2
    held_out = watch.metrics("valid")
    assert "rewards/margins" in held_out[0] and "cpo/margins" in held_out[max(held_out)]
    # 0.69 nats of DPO at the start are no bar for CPO's losses, which are far above.
    first_of_cpo = sorted(held_out)[1]
    assert (held_out[first_of_cpo]["loss_nats"] or 0) > 10 and held_out[first_of_cpo]["best"] == 1.0
    for values in watch.metrics().values():
        assert "cpo/margins" in values and "rewards/margins" not in values and "log_ratio/chosen" in values


def test_the_alarm_is_an_event_with_its_remedy_and_is_kept_over_a_kill() -> None:
    watch = Displacement()
    for step in range(9):
        assert watch.hear(-1.0 - step, 0.1 * step, "dpo")[1] == []
    again = Displacement()
    again.restore(json.loads(json.dumps(watch.state())))
    for one in (watch, again):
        alarm, events = one.hear(-10.0, 0.9, "dpo")
        assert alarm.level == "red"
        ((name, level, words),) = events
        assert (name, level) == ("alarm", "error")
        assert "nats below the reference; switch the loss to dpop" in words and "-" not in words.split(":")[1]
        assert one.hear(-11.0, 1.0, "dpo")[1] == []
        assert [event[0] for event in one.hear(0.5, 1.1, "dpo")[1]] == ["alarm over"]
    assert [event[0] for event in again.hear(-1.0, 1.2, "dpo")[1]] == []
    watch.forget()
    assert watch.state() == {"ratios": [], "margins": [], "red": False}


@pytest.mark.slow
def test_single_answers_with_labels_train_by_kto(tmp_path: Path) -> None:
    rows = [
        {"prompt": row["prompt"], "completion": row[name], "label": name == "chosen"}
        for number, row in enumerate(pair_rows(13))
        for name in (("chosen", "rejected") if number % 3 else ("chosen",))
    ]
    folder = tmp_path / "data"
    folder.mkdir()
    write_rows(folder / "train.jsonl", rows)
    write_rows(folder / "valid.jsonl", rows[:4])
    home = Home.resolve(tmp_path / "home")
    run = runs.train(home, given(folder, objective="kto", replay=None, epochs=2.0))
    steps = runs.Watch(home, run).metrics()
    assert {"kl", "rewards/chosen", "logps/rejected"} <= set().union(*steps.values())
    assert runs.Watch(home, run).plans()[0].train_examples == len(rows)


def test_a_recipe_for_every_objective_trains(data: Path, tmp_path: Path) -> None:
    from lab.preference.settings import OBJECTIVES
    from lab.train.recipe import preset
    from lab.train.wiring import build_hooks
    from tests.lab.train.models import loaded
    from tests.models import tiny_model

    for name in OBJECTIVES:
        settings = preset(name).settings(data=str(data), model=str(tiny_model("llama")))
        assert settings.objective == name and settings.batch_size == 8 and settings.epochs == 1
        objective = build_hooks(settings, loaded()).objective
        assert objective.name == name
        assert len(objective.read(loaded(), settings).train) == 22
