"""Monitors in runs: what they measure is what the weights of that step say, and training does not notice."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.decode.loop import stream
from lab.decode.types import TokenStat
from lab.measure.zones import ZoneTable
from lab.models.load import load
from lab.models.template import render
from lab.sampling import load_preset
from lab.train.evaluation import evaluate
from lab.train.layers import make_trainable
from lab.train.loop import Trainer
from lab.train.monitors.figures import Figures, figures
from lab.train.monitors.perplexity import Perplexity
from lab.train.monitors.settings import MonitorSettings
from lab.train.net import split
from lab.train.pulse import Pulse
from lab.train.ranks import Ranks
from lab.train.runlog import RunLog, Said
from lab.train.settings import LoraParameters, TrainSettings
from lab.train.sft import Sft
from lab.train.worker import _read, _trainable
from store.home import Home
from store.journal import Journal
from store.queries.runs import run_samples
from store.records import GenerationRecord, MetricRecord, SampleRecord
from store.service import StoreService
from tests.lab.train import runs
from tests.lab.train.models import loaded
from tests.lab.train.test_loop import Done, run_here, weights

PROMPTS = ("Who keeps the key of the archive?", "What does the river carry?")
MONITORS: dict[str, Any] = {"probes": False, "prompts": list(PROMPTS), "max_tokens": 10, "every": 4}
LORA = LoraParameters(rank=4, scale=2.0, dropout=0.2)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    path = tmp_path_factory.mktemp("watched")
    return run_here(path, monitors=MONITORS, lora_parameters=LORA, learning_rate=1e-2)


def spoken(model: str, prompt: str, seed: int, adapter: str | None = None) -> tuple[str, float]:
    """An answer and its mean H_t, decoded alone by a freshly loaded model."""
    fresh = load(model, adapters=[adapter] if adapter else [])
    sampling = dataclasses.replace(load_preset("pinned"), max_tokens=10)
    steps = [
        step
        for step in stream(
            fresh,
            render(fresh, prompt).token_ids,
            sampling,
            seed,
            alternatives=0,
            variant=fresh.gate.low_rank[0] if adapter else None,
        )
        if isinstance(step, TokenStat)
    ]
    return "".join(s.text for s in steps), float(np.mean([s.entropy_nats for s in steps]))


def gone_on(home: Home, given: TrainSettings, like: Done) -> Done:
    """A run in this process that takes up an adapter."""
    folder = runs.new_run(home, given)
    model, hooks, corpus = _read(home, given, Ranks())
    run, _, _ = _trainable(folder, given, Ranks(), model, hooks, corpus)
    with Journal.open(home, "test") as journal, Pulse(folder) as pulse:
        folder.add_process(journal.path)
        Trainer(run, RunLog(folder.run_id, journal, Said()), pulse, None).train()
    return dataclasses.replace(like, folder=folder, watch=runs.Watch(home, folder), run=run)


def samples(done: Done) -> dict[int, list[GenerationRecord]]:
    records = done.watch.read()
    made = {r.id: r for r in records if isinstance(r, GenerationRecord)}
    found: dict[int, list[GenerationRecord]] = {}
    for record in records:
        if isinstance(record, SampleRecord):
            assert record.monitor == "probes"
            found.setdefault(record.step, []).append(made[record.generation_id])
    return found


def test_it_looks_before_the_first_step_soon_after_regularly_and_at_the_end(done: Done) -> None:
    assert sorted(done.watch.metrics("probes")) == sorted(samples(done)) == [0, 1, 4, 5, 8, 10, 12]
    assert sorted(done.watch.metrics("perplexity")) == [0, 5, 10, 12]


def test_training_does_not_notice(done: Done, tmp_path: Path) -> None:
    alone = run_here(tmp_path, lora_parameters=LORA, learning_rate=1e-2)
    for name, value in weights(alone.folder.adapter).items():
        assert np.array_equal(value, weights(done.folder.adapter)[name]), name
    assert alone.watch.losses() == done.watch.losses()


def test_the_base_answers_first_and_every_look_is_of_its_own_weights(done: Done) -> None:
    model = done.run.settings.model
    found, values = samples(done), done.watch.metrics("probes")
    assert {answer.adapter_sha256 for answer in found[0]} == {None}
    base = [spoken(model, prompt, seed) for seed, prompt in enumerate(PROMPTS)]
    assert [answer.text for answer in found[0]] == [text for text, _ in base]
    mean = np.mean([entropy for _, entropy in base])
    assert values[0]["entropy_nats"] == values[0]["base_entropy_nats"] == pytest.approx(mean, abs=1e-4)
    last = str(done.folder.checkpoints / "run-0000012")
    tuned = [spoken(model, prompt, seed, last) for seed, prompt in enumerate(PROMPTS)]
    assert [answer.text for answer in found[12]] == [text for text, _ in tuned]
    mean_tuned = np.mean([entropy for _, entropy in tuned])
    assert values[12]["entropy_nats"] == pytest.approx(mean_tuned, abs=1e-4)
    assert values[12]["entropy_change_nats"] == pytest.approx(mean_tuned - mean, abs=1e-4)
    assert [a.text for a in found[12]] != [a.text for a in found[0]]
    adapters = {step: {a.adapter_sha256 for a in answers} for step, answers in found.items()}
    assert all(len(ids) == 1 for ids in adapters.values())
    assert len(set().union(*adapters.values())) == len(adapters)


def test_verdicts_wait_for_step_ten_and_measures_do_not(done: Done) -> None:
    said = {r.step: r for r in done.watch.read() if isinstance(r, MetricRecord) and r.source == "probes"}
    for step in (1, 4, 5, 8):
        assert said[step].words["withheld"].endswith("are not judged before step 10")
        assert not {"zone", "degenerate"} & set(said[step].words)
        assert "degenerate_answers" not in said[step].values
        assert said[step].values["entropy_nats"] is not None
    for step in (0, 10, 12):
        assert {"zone", "degenerate", "base_zone"} <= set(said[step].words)
        assert said[step].values["degenerate_answers"] is not None
    assert "it is not applied" in said[0].words["floor"]
    assert [e.name for e in done.watch.events()] == ["finished"]


def test_samples_reach_the_store_with_their_word_entropy(done: Done) -> None:
    home = Home.resolve(done.folder.path.parent.parent)
    with StoreService(home) as service:
        service.ingest()
        rows = service.query(run_samples, done.folder.run_id)
        scored = service.query(
            lambda con: con.execute(
                "SELECT count(DISTINCT generation_id) FROM score WHERE instrument = 'word-entropy'"
            ).fetchall()
        )
    assert len(rows) == 14
    assert scored == [(14,)]


def test_both_perplexities_are_those_of_the_weights(done: Done) -> None:
    values = done.watch.metrics("perplexity")
    held_out = done.watch.metrics("valid")
    for step, found in values.items():
        assert found["behavioral"] == held_out[step]["perplexity"]
    monitor = done.run.hooks.monitors[0]
    assert isinstance(monitor, Perplexity)
    fresh = loaded()
    make_trainable(fresh, done.run.settings)
    before = evaluate(split(fresh.model), Sft(), monitor._examples, 4, Ranks()).perplexity
    assert values[0]["general"] == values[12]["general_before"] == pytest.approx(before, rel=1e-5)
    fresh.model.load_weights(
        str(done.folder.checkpoints / "run-0000012" / "adapters.safetensors"), strict=False
    )
    after = evaluate(split(fresh.model), Sft(), monitor._examples, 4, Ranks()).perplexity
    assert values[12]["general"] == pytest.approx(after, rel=1e-5)
    assert values[12]["general_change_percent"] == pytest.approx(100 * (after / before - 1), abs=1e-2)


@pytest.mark.parametrize(
    "kind",
    ["lora", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("dora", "full"))],
)
def test_the_base_is_the_untuned_model_also_for_a_run_that_goes_on_from_another(
    done: Done, tmp_path: Path, kind: str
) -> None:
    shape: dict[str, Any] = {"fine_tune_type": kind, "lora_parameters": LORA, "learning_rate": 1e-2}
    first = done if kind == "lora" else run_here(tmp_path / "first", **shape)
    home = Home.resolve(tmp_path / "home")
    data = runs.write_data(tmp_path / "data")
    given = runs.settings(
        data,
        monitors=MONITORS,
        resume_adapter_file=str(first.folder.adapter),
        allow_repeats=True,
        iters=2,
        **shape,
    )
    again = gone_on(home, given, done)
    values, found = again.watch.metrics("probes"), samples(again)
    untuned = done.watch.metrics("probes")[0]["entropy_nats"]
    assert (
        values[0]["base_entropy_nats"] == values[2]["base_entropy_nats"] == pytest.approx(untuned, abs=1e-4)
    )
    assert abs(values[0]["entropy_change_nats"] or 0.0) > 1e-3
    base = [answer for answer in found[0] if answer.adapter_sha256 is None]
    tuned = [answer for answer in found[0] if answer.adapter_sha256 is not None]
    assert [answer.text for answer in base] == [answer.text for answer in samples(done)[0]]
    assert [answer.text for answer in tuned] != [answer.text for answer in base]
    assert len(base) == len(tuned) == 2


@pytest.mark.parametrize("stop", [pytest.param(False, marks=pytest.mark.slow), True])
def test_under_the_floor_for_so_many_looks_it_warns_or_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: bool
) -> None:
    looks = itertools.count(1)

    def sinking(answers: Sequence[GenerationRecord], table: ZoneTable) -> Figures:
        return dataclasses.replace(figures(answers, table), entropy_nats=1.0 / next(looks))

    monkeypatch.setattr("lab.train.monitors.probes.figures", sinking)
    floor = {"floor_of": "entropy", "floor": 0.2, "patience": 2, "stop": stop}
    runs.write_data(tmp_path / "data", train=40)
    done = run_here(tmp_path, monitors={**MONITORS, **floor, "every": 1, "max_tokens": 4})
    words = "under its floor of 0.20 for 2 looks"
    if stop:
        assert (done.outcome.name, done.outcome.step) == ("stopped", 11)
        assert words in done.outcome.words
    else:
        assert done.outcome.name == "finished"
        (event,) = [e for e in done.watch.events() if e.name == "floor"]
        assert (event.step, event.level) == (11, "warning")
        assert words in event.words


def test_bounds_on_perplexity_are_told_when_they_are_crossed(done: Done) -> None:
    settings = MonitorSettings(probes=())
    monitor = Perplexity(settings, done.run.settings, loaded())
    monitor._before = {"general": 100.0, "behavioral": 10.0}
    monitor._sound_step = 20
    assert monitor._crossed(5, "general", 120.0, 20.0) == []
    ((name, level, words),) = monitor._crossed(20, "general", 103.0, 3.0)
    assert (name, level) == ("perplexity", "warning")
    assert words.startswith("general perplexity is +3.0 % against before the run (100 then, 103 now), past")
    assert monitor._crossed(30, "general", 104.0, 4.0) == []
    ((name, _, words),) = monitor._crossed(40, "general", 106.0, 6.0)
    assert name == "rollback"
    assert "past the bound of +5 %; the last step within it was 20" in words
    assert "lantern adapter rollback" in words
    ((name, level, words),) = monitor._crossed(50, "general", 101.0, 1.0)
    assert (name, level) == ("perplexity", "info")
    assert monitor._crossed(50, "behavioral", 10.1, 1.0) == []


@pytest.mark.slow
def test_a_model_that_cannot_be_decoded_trains_without_answers(tmp_path: Path, monkeypatch: Any) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no cache for this model")

    monkeypatch.setattr("lab.session.batch", broken)
    done = run_here(tmp_path, monitors=MONITORS)
    assert done.outcome.name == "finished"
    (event,) = [e for e in done.watch.events() if e.name == "probes"]
    assert event.level == "warning"
    assert "no cache for this model" in event.words
    assert done.watch.metrics("probes") == {0: {}}
