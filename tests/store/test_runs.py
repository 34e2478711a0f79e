"""Training runs in the store: facts land, and the questions asked of runs are answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from store.journal import encode_line
from store.queries import runs
from store.records import CheckpointRecord, EventRecord, MetricRecord, RunRecord, SampleRecord
from store.service import StoreService
from tests.store.facts import at, generation, model, sha
from tests.store.test_validate import as_data, examined, fact, rejection

RUN = RunRecord(
    id="run-1",
    name="evening",
    model_id=sha("wick"),
    objective="sft",
    fine_tune_type="lora",
    settings={"learning_rate": 1e-4, "lora_parameters": {"rank": 8}},
    data_sha256=sha("data"),
    train_examples=40,
    valid_examples=8,
    trainable_parameters=4096,
    planned_steps=10,
    folder="/runs/run-1",
    at=at(0),
)


def metric(step: int, source: str = "train", words: dict[str, str] | None = None, **values: float | None):
    return MetricRecord(
        run_id="run-1", step=step, source=source, values=values, at=at(step), words=words or {}
    )


def event(name: str, second: int, step: int = 0) -> EventRecord:
    return EventRecord(
        id=f"event-{second}",
        run_id="run-1",
        step=step,
        name=name,
        level="info",
        words=f"it {name}",
        at=at(second),
        detail={"why": [1]},
    )


CHECKPOINT = CheckpointRecord(
    id="c1",
    run_id="run-1",
    step=4,
    folder="/runs/run-1/checkpoints/evening-0000004",
    adapter_id=sha("adapter"),
    reason="periodic",
    at=at(4),
    valid_loss_nats=2.5,
)
SAMPLE = SampleRecord(id="s1", run_id="run-1", step=4, monitor="probes", generation_id="g", at=at(4))


def test_a_run_shows_its_last_step_its_best_loss_and_how_it_ended(service: StoreService) -> None:
    service.append(
        model(),
        RUN,
        event("started", 1),
        *(metric(step, loss_nats=5.0 - step / 10) for step in range(1, 6)),
        metric(2, "valid", loss_nats=4.25),
        metric(4, "valid", loss_nats=4.5),
        event("stopped", 9, 5),
    )
    (row,) = service.query(runs.page_runs, 0, 10)
    assert (row.id, row.model_name, row.step, row.loss_nats) == ("run-1", "wick", 5, 4.5)
    assert (row.best_valid_loss_nats, row.last_event, row.last_words) == (4.25, "stopped", "it stopped")
    assert row.last_at == at(9)
    assert service.query(runs.count_runs) == 1
    assert service.query(runs.find_runs, "evening") == [row] == service.query(runs.find_runs, "run-1")
    assert service.query(runs.find_runs, "morning") == []


def test_settings_events_checkpoints_and_samples_come_back_whole(service: StoreService) -> None:
    answer = generation(1, id="g", run_id="run-1", text="Noch\x1b[31m einer")
    service.append(RUN, event("started", 1), CHECKPOINT, answer, SAMPLE)
    stored = service.query(runs.run, "run-1")
    assert stored is not None
    assert stored.settings == RUN.settings
    assert stored.parent_id is None
    assert service.query(runs.run, "none") is None
    (checkpoint,) = service.query(runs.run_checkpoints, "run-1")
    assert (checkpoint.step, checkpoint.adapter_id, checkpoint.valid_loss_nats) == (4, sha("adapter"), 2.5)
    (happened,) = service.query(runs.run_events, "run-1")
    assert (happened.name, happened.detail, happened.at) == ("started", {"why": [1]}, at(1))
    (sample,) = service.query(runs.run_samples, "run-1")
    assert (sample.step, sample.monitor, sample.text) == (4, "probes", "Noch\x1b[31m einer")


def test_a_series_is_bucketed_without_losing_its_extremes(service: StoreService) -> None:
    values = [float(step % 7) for step in range(1, 101)]
    service.append(*(metric(step, loss_nats=value) for step, value in enumerate(values, start=1)))
    points = service.query(runs.metric_series, "run-1", "train", "loss_nats", 10)
    assert [point.step for point in points] == list(range(10, 101, 10))
    for index, point in enumerate(points):
        bucket = values[10 * index : 10 * index + 10]
        assert (point.mean, point.least, point.greatest) == (
            pytest.approx(sum(bucket) / 10),
            min(bucket),
            max(bucket),
        )
    whole = service.query(runs.metric_series, "run-1", "train", "loss_nats")
    assert [point.mean for point in whole] == values


def test_a_missing_value_is_a_row_but_no_point(service: StoreService) -> None:
    service.append(metric(1, grad_norm=None, loss_nats=2.0), metric(2, grad_norm=1.5))
    points = service.query(runs.metric_series, "run-1", "train", "grad_norm")
    assert [(point.step, point.mean) for point in points] == [(2, 1.5)]
    assert service.query(runs.metric_names, "run-1") == [("train", "grad_norm"), ("train", "loss_nats")]


def test_words_are_told_when_they_change(service: StoreService) -> None:
    states = ["tracking", "tracking", "pinned high", "tracking"]
    service.append(
        *(metric(step, "scu", {"state": state}, s=0.03) for step, state in enumerate(states, start=1))
    )
    assert service.query(runs.metric_words, "run-1", "scu", "state") == [
        (1, "tracking"),
        (3, "pinned high"),
        (4, "tracking"),
    ]


def test_a_metric_said_again_otherwise_is_refused(service: StoreService) -> None:
    service.append(metric(1, loss_nats=2.0))
    service.append(metric(1, loss_nats=3.0))
    assert [p.mean for p in service.query(runs.metric_series, "run-1", "train", "loss_nats")] == [2.0]
    assert fact(metric(1, loss_nats=2.0)).key == fact(metric(1, loss_nats=3.0)).key
    assert fact(metric(1, "valid")).key != fact(metric(1, "train")).key


@pytest.mark.parametrize("record", [metric(1, loss_nats=2.0), CHECKPOINT, SAMPLE, event("set", 1)])
def test_a_step_counts_from_zero(record: MetricRecord) -> None:
    assert rejection(record.kind, as_data(record) | {"step": -1}).startswith("field step")


def test_no_value_is_not_a_number() -> None:
    line = encode_line("metric", 1, as_data(metric(1)) | {"values": {"loss_nats": float("nan")}})
    assert b"null" in line
    assert "values" in rejection("metric", as_data(metric(1)) | {"values": {"loss_nats": "2"}})
    assert examined("metric", as_data(metric(1)) | {"values": {"a": None}})


def test_runs_are_found_by_id_with_names_and_trends(service: StoreService) -> None:
    service.append(model(), RUN, *(metric(step, loss_nats=float(step)) for step in range(1, 9)))
    [named] = service.query(runs.run_names)
    assert (named.id, named.name, named.model_name) == ("run-1", "evening", "wick")
    assert service.query(runs.runs_by_id, ["run-1", "unknown"]) == service.query(runs.page_runs, 0, 10)
    assert service.query(runs.runs_by_id, []) == []
    # Eight steps in four stretches of two: the means of (1, 2), (3, 4), (5, 6), (7, 8).
    assert service.query(runs.run_trends, ["run-1"], 4) == {"run-1": [1.5, 3.5, 5.5, 7.5]}
    assert service.query(runs.run_trends, ["run-1"], 99) == {"run-1": [float(n) for n in range(1, 9)]}
    assert service.query(runs.run_trends, ["unknown"], 4) == {}


def test_what_updates_took_is_their_median(service: StoreService) -> None:
    other = replace(RUN, id="run-2", at=at(9))
    steps = [metric(step, step_ms=ms) for step, ms in enumerate((40.0, 10.0, 20.0), 1)]
    service.append(RUN, other, *steps)
    found = service.query(runs.run_costs, 5)
    assert [(cost.name, cost.train_examples, cost.step_ms) for cost in found] == [
        ("evening", 40, None),
        ("evening", 40, 20.0),
    ]
    assert found[0].settings["learning_rate"] == 1e-4
