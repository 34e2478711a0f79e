"""The loop: what is measured when, what is kept, when it stops and why, and what monitors may not disturb."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlx.utils import tree_flatten

from lab.errors import LabError
from lab.models.adapters import read_adapter
from lab.models.runtime import mx
from lab.train.checkpoints import load_state, resumable, step_of
from lab.train.control import Command, ControlReader, send
from lab.train.data.ledger import read_ledger, refuse_repeats
from lab.train.evaluation import Evaluation, evaluate, improvement
from lab.train.folder import RunFolder
from lab.train.hooks import Findings, Hooks, Losses, MonitorContext
from lab.train.layers import make_trainable, recomputed_activations
from lab.train.loop import Outcome, Run, Trainer
from lab.train.net import Net, split
from lab.train.pulse import Pulse
from lab.train.ranks import Ranks
from lab.train.runlog import RunLog, Said
from lab.train.settings import LoraParameters, Replay, Schedule, Stopping
from lab.train.sft import Sft
from lab.train.wiring import build_hooks
from lab.train.worker import _take_up
from store.home import Home
from store.journal import Journal
from tests.lab.train import runs
from tests.lab.train.models import examples, loaded, with_lora
from tests.store.facts import generation


@dataclasses.dataclass
class Done:
    """A run made in this process."""

    outcome: Outcome
    folder: RunFolder
    watch: runs.Watch
    trainer: Trainer
    run: Run


def run_here(
    tmp_path: Path, commands: tuple[Command, ...] = (), hooks: Hooks | None = None, **changes: Any
) -> Done:
    home = Home.resolve(tmp_path / "home")
    data = tmp_path / "data"
    if not data.exists():
        runs.write_data(data)
    settings = runs.settings(data, **changes)
    folder = runs.new_run(home, settings)
    for command in commands:
        send(folder, command)
    model = loaded()
    hooks = hooks or build_hooks(settings, model)
    corpus = hooks.objective.read(model, settings)
    make_trainable(model, settings)
    run = Run(settings, folder, model, split(model.model), corpus, hooks, Ranks())
    with Journal.open(home, "test") as journal, Pulse(folder) as pulse:
        folder.add_process(journal.path)
        trainer = Trainer(run, RunLog(folder.run_id, journal, Said()), pulse, ControlReader(folder))
        outcome = trainer.train()
    return Done(outcome, folder, runs.Watch(home, folder), trainer, run)


def weights(path: Path) -> dict[str, np.ndarray]:
    arrays: Any = mx.load(str(path / "adapters.safetensors"))
    return {name: np.array(value) for name, value in arrays.items()}


def test_every_example_is_learned_once_and_the_last_steps_are_not_dropped(tmp_path: Path) -> None:
    runs.write_data(tmp_path / "data", train=23)
    done = run_here(tmp_path, batch_size=4, grad_accumulation_steps=4)
    assert done.outcome.words == "all 2 steps are done"
    steps = done.watch.metrics()
    assert sum(values["examples"] or 0 for values in steps.values()) == 23
    assert sum(values["tokens"] or 0 for values in steps.values()) == sum(
        example.learned for example in done.run.corpus.train
    )
    assert read_ledger(done.folder.ledger) == {example.sha256 for example in done.run.corpus.train}


def test_the_best_checkpoint_is_what_comes_out(tmp_path: Path) -> None:
    rising = Schedule(warmup_steps=12, warmup_init=1e-3)
    done = run_here(tmp_path, learning_rate=20.0, schedule=rising, steps_per_eval=1)
    held_out = {step: values["loss_nats"] for step, values in done.watch.metrics("valid").items()}
    assert sorted(held_out) == list(range(13))
    best = min(held_out, key=lambda step: held_out[step] or 0.0)
    assert 0 < best < 12
    assert (done.outcome.best_step, done.outcome.best_loss_nats) == (best, held_out[best])
    checkpoint = next(r for r in done.watch.checkpoints() if r.step == best)
    assert (checkpoint.reason, checkpoint.valid_loss_nats) == ("best", held_out[best])
    assert done.outcome.adapter is not None
    assert (
        read_adapter(done.outcome.adapter).id == read_adapter(checkpoint.folder).id == checkpoint.adapter_id
    )


def test_the_held_out_loss_is_that_of_the_saved_adapter(tmp_path: Path) -> None:
    done = run_here(tmp_path)
    fresh = loaded()
    make_trainable(fresh, done.run.settings)
    assert done.outcome.adapter is not None
    fresh.model.load_weights(str(done.outcome.adapter / "adapters.safetensors"), strict=False)
    again = evaluate(split(fresh.model), Sft(), done.run.corpus.valid, 3, Ranks())
    assert again.loss_nats == pytest.approx(done.outcome.best_loss_nats, abs=1e-5)
    assert again.weights.tolist() == [example.learned for example in done.run.corpus.valid]


def test_without_real_improvement_it_stops_and_says_why(tmp_path: Path) -> None:
    done = run_here(
        tmp_path,
        learning_rate=1e-30,
        optimizer="sgd",
        steps_per_eval=2,
        stopping=Stopping(patience=3),
    )
    assert (done.outcome.name, done.outcome.step) == ("stopped", 6)
    assert (
        "held-out loss has not gone down by more than its 95 % interval for 3 evaluations"
        in done.outcome.words
    )
    assert done.watch.events()[-1].words == done.outcome.words


def test_a_ruined_run_ends_with_what_was_good_before(tmp_path: Path) -> None:
    done = run_here(tmp_path, learning_rate=1e30, optimizer="sgd", steps_per_eval=100)
    assert done.outcome.name == "failed"
    assert "lower the learning rate" in done.outcome.words
    assert step_of(resumable(done.folder.checkpoints)[0]) == 0
    assert all(np.isfinite(value).all() for value in weights(done.folder.adapter).values())
    assert done.watch.events()[-1].level == "error"


class Meddler:
    """A monitor that draws random numbers, switches modes, keeps an answer and counts its calls."""

    name = "meddler"

    def __init__(self, every: int | None, stop_at: int = -1) -> None:
        self._every, self._stop_at, self.seen = every, stop_at, 0

    def is_due(self, step: int, *, evaluated: bool, last: bool) -> bool:
        return evaluated if self._every is None else step % self._every == 0

    def measure(self, context: MonitorContext) -> Findings:
        assert not context.net.model.training
        self.seen += 1
        mx.random.seed(context.step)
        mx.eval(mx.random.normal((4,)))
        context.net.model.train()
        record = context.adapter()
        answer = generation(context.step, run_id=context.run_id, adapter_sha256=record.id)
        return Findings(
            values={"calls": float(self.seen)},
            words={"mood": "curious"},
            generations=(answer,),
            events=(("noted", "warning", f"call {self.seen}"),),
            stop="seen enough" if context.step == self._stop_at else None,
        )

    def set(self, key: str, value: object) -> str:
        self.seen = int(float(str(value)))
        return f"{key} is {value}"

    def state(self) -> Mapping[str, Any]:
        return {"seen": self.seen}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.seen = state["seen"]


def test_monitors_change_nothing_and_what_they_find_is_kept(tmp_path: Path) -> None:
    dropping = {"lora_parameters": LoraParameters(rank=4, scale=2.0, dropout=0.2)}
    alone = run_here(tmp_path / "alone", **dropping)
    hooks = Hooks(Sft(), None, (Meddler(4),))
    watched = run_here(tmp_path / "watched", hooks=hooks, **dropping)
    for name, value in weights(alone.folder.adapter).items():
        assert np.array_equal(value, weights(watched.folder.adapter)[name]), name
    assert {step: v["calls"] for step, v in watched.watch.metrics("meddler").items()} == {
        0: 1,
        4: 2,
        8: 3,
        12: 4,
    }
    kinds = [record.kind for record in watched.watch.read()]
    assert kinds.count("sample") == kinds.count("generation") == 4
    assert [e.words for e in watched.watch.events() if e.name == "noted"] == [
        f"call {n}" for n in range(1, 5)
    ]
    state = load_state(resumable(watched.folder.checkpoints)[-1])
    assert state.hooks["meddler"] == {"seen": 4}


def test_a_monitor_may_end_the_run(tmp_path: Path) -> None:
    done = run_here(tmp_path, hooks=Hooks(Sft(), None, (Meddler(None, stop_at=5),)))
    assert (done.outcome.name, done.outcome.words, done.outcome.step) == ("stopped", "seen enough", 5)


def test_commands_before_the_first_step_are_obeyed_before_it(tmp_path: Path) -> None:
    commands = (
        Command(name="set", key="learning_rate", value=0.5),
        Command(name="set", key="meddler.seen", value=40.0),
        Command(name="set", key="learning_rate", value=-1.0),
        Command(name="stop", value="enough"),
    )
    done = run_here(tmp_path, commands, hooks=Hooks(Sft(), None, (Meddler(4),)))
    assert (done.outcome.name, done.outcome.step, done.outcome.words) == ("stopped", 0, "enough")
    said = [(e.name, e.words) for e in done.watch.events()]
    assert ("set", "learning_rate is 0.5 (now 0.5 by the schedule)") in said
    assert ("refused", "learning_rate: -1.0; expected a rate above 0") in said
    state = load_state(resumable(done.folder.checkpoints)[-1])
    assert (state.peak_learning_rate, state.hooks["meddler"]) == (0.5, {"seen": 40})


class Unlearning(Sft):
    """Learns the opposite of what it is tested on."""

    def losses(self, net: Net, batch: Any) -> Losses:
        found = super().losses(net, batch)
        return Losses(-found.totals, found.weights) if net.model.training else found


def test_a_run_that_only_got_worse_says_that_its_adapter_is_as_it_began(tmp_path: Path) -> None:
    done = run_here(tmp_path, hooks=Hooks(Unlearning()), steps_per_eval=4)
    assert done.outcome.best_step == 0
    assert "the adapter is as it began" in done.outcome.words
    start = weights(done.folder.checkpoints / "run-0000000")
    assert all(np.array_equal(value, start[name]) for name, value in weights(done.folder.adapter).items())


def test_replay_is_in_every_batch_and_its_share_is_told(tmp_path: Path) -> None:
    done = run_here(tmp_path, batch_size=4, replay=Replay(share=0.25))
    assert {values["replay_share"] for values in done.watch.metrics().values()} == {0.25}


def test_the_control_unit_holds_the_weights_where_it_is_strong(tmp_path: Path) -> None:
    scu = {
        "target": 0.01,
        "interval": 2,
        "pulse_steps": 0,
        "lambda_start": 1e6,
        "lambda_min": 1e6,
        "lambda_max": 1e6,
    }
    free = run_here(tmp_path / "free", optimizer_config={"adamw": {"weight_decay": 0.0}})
    held = run_here(tmp_path / "held", scu={**scu, "tokens": 100})
    start = weights(free.folder.checkpoints / "run-0000000")

    def moved(done: Done) -> float:
        end = weights(done.folder.checkpoints / "run-0000012")
        return sum(float(np.square(end[name] - start[name]).sum()) for name in start)

    assert moved(free) > 1e-3
    assert moved(held) < 1e-6
    steps = held.watch.metrics("scu")
    assert sorted(steps) == [2, 4, 6, 8, 10, 12]
    assert steps[2]["lambda"] == pytest.approx(1e6)


@pytest.mark.parametrize("actuator", ["coupled", "decoupled"])
@pytest.mark.parametrize("after", [0, 5])
def test_the_pulse_takes_back_all_it_did(tmp_path: Path, actuator: str, after: int) -> None:
    scu = {"target": 0.01, "interval": 1000, "tokens": 100, "actuator": actuator, "lambda_start": 0.5}
    plain = run_here(tmp_path / "plain", scu={**scu, "pulse_steps": 0})
    pulsed = run_here(tmp_path / "pulsed", scu={**scu, "pulse_steps": 3, "pulse_after": after})
    ends = [weights(done.folder.checkpoints / "run-0000012") for done in (plain, pulsed)]
    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[0])
    losses = [[v["loss_nats"] for v in done.watch.metrics().values()] for done in (plain, pulsed)]
    assert losses[0] == losses[1]
    assert len([e for e in pulsed.watch.events() if e.name == "authority"]) == 1


def test_a_run_may_begin_from_an_adapter_of_its_own_shape(tmp_path: Path) -> None:
    first = run_here(tmp_path / "first")
    settings = runs.settings(tmp_path / "first/data", resume_adapter_file=str(first.folder.adapter))
    model = loaded()
    make_trainable(model, settings)
    assert _take_up(model, settings) == first.folder.run_id
    for name, value in tree_flatten(model.model.trainable_parameters()):
        assert np.array_equal(np.array(value), weights(first.folder.adapter)[name])
    narrow = loaded()
    other = dataclasses.replace(settings, fine_tune_type="full", num_layers=-1)
    make_trainable(narrow, other)
    with pytest.raises(LabError, match="this run trains nothing there"):
        _take_up(narrow, other)


def test_recomputed_activations_end_in_the_same_weights(tmp_path: Path) -> None:
    items = examples([14, 20, 9])
    plain, saving = with_lora(loaded().model), with_lora(loaded().model)
    before = evaluate(split(plain), Sft(), items, 2, Ranks())
    with recomputed_activations(saving):
        assert evaluate(split(saving), Sft(), items, 2, Ranks()).totals.tolist() == before.totals.tolist()


def test_an_improvement_is_real_beyond_its_interval() -> None:
    dice = np.random.default_rng(3)
    tokens = dice.integers(5, 40, size=60).astype(float)
    before = Evaluation(tokens * dice.normal(3.0, 0.5, size=60), tokens)
    better = Evaluation(before.totals - tokens * dice.normal(0.05, 0.01, size=60), tokens)
    noise = Evaluation(before.totals - tokens * dice.normal(0.0, 0.2, size=60), tokens)
    assert improvement(before, better).is_real
    assert improvement(before, better).nats == pytest.approx(before.loss_nats - better.loss_nats)
    assert not improvement(before, noise).is_real
    assert not improvement(better, before).is_real


def test_the_interval_covers_what_resampling_gives() -> None:
    dice = np.random.default_rng(4)
    tokens = dice.integers(5, 40, size=80).astype(float)
    before = Evaluation(tokens * 3.0, tokens)
    now = Evaluation(before.totals - tokens * dice.normal(0.1, 0.3, size=80), tokens)
    draws = dice.integers(0, 80, size=(4000, 80))
    gains = (before.totals - now.totals)[draws].sum(axis=1) / tokens[draws].sum(axis=1)
    assert improvement(before, now).half_width == pytest.approx(1.96 * gains.std(), rel=0.1)


def test_repeats_are_refused_unless_allowed(tmp_path: Path) -> None:
    settings = runs.settings(tmp_path)
    earlier = {"monday": frozenset({"a", "b"}), "tuesday": frozenset({"b"})}
    with pytest.raises(LabError, match=r"2 of 3 examples were seen by run monday.*--allow-repeats"):
        refuse_repeats(["a", "b", "c"], earlier, settings, 1.0)
    with pytest.raises(LabError, match=r"every example would be seen 2\.5 times"):
        refuse_repeats(["c"], earlier, settings, 2.5)
    assert refuse_repeats(["c"], earlier, settings, 1.0) is None
    allowed = dataclasses.replace(settings, allow_repeats=True)
    assert "as allowed" in str(refuse_repeats(["a"], earlier, allowed, 2.0))


def test_an_adapter_says_where_it_comes_from(tmp_path: Path) -> None:
    done = run_here(tmp_path)
    said = json.loads((done.folder.adapter / "adapter_config.json").read_text())
    assert said["run_id"] == done.folder.run_id
    assert said["base_model_id"] == done.run.loaded.record.id
    assert said["lora_parameters"]["rank"] == 8


def test_of_full_weights_only_the_first_the_best_and_the_newest_are_kept(tmp_path: Path) -> None:
    done = run_here(tmp_path, fine_tune_type="full", learning_rate=1e-2, steps_per_eval=2, save_every=1)
    kept = sorted(step_of(path) for path in done.folder.checkpoints.iterdir())
    assert done.outcome.best_step is not None
    assert kept == sorted({0, done.outcome.best_step, 11, 12})
    everything = {record.step for record in done.watch.checkpoints()}
    assert everything == set(range(13))
