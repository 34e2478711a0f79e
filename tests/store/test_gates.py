"""Gates, safety strips and experiments in the store: facts land and come back whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from store.queries import gates
from store.records import ExperimentRecord, GateRecord, GateRow, Record, Shift, StripRecord, StripRow
from store.service import StoreService
from tests.hostile import HOSTILE
from tests.store.facts import adapter, at, condition, generation, model, score, sha
from tests.store.test_validate import as_data, examined, fact, rejection

ROW = GateRow(
    name="average",
    verdict="pass",
    primary=True,
    sealed=False,
    metric="mean",
    instrument="lek-v2",
    version="2",
    dimension="total",
    battery="core",
    condition="baseline",
    against=None,
    value=21.5,
    reference=None,
    unit="",
    lower=20.5,
    upper=22.5,
    confidence=0.95,
    n=101,
    passes=">= 21",
    fails="< 20",
    p_value=0.999,
    p_adjusted=0.999,
    level=0.025,
    detectable=1.25,
    method="sign-flip",
    evidence="21.50 over 101 probes",
)
GATE = GateRecord(
    id="01-gate",
    plan="seed-001",
    version="1",
    plan_sha256=sha("plan"),
    model_id=sha("wick"),
    adapter_id=sha("tuned"),
    run_id="run-1",
    step=50,
    verdict="amber",
    rows=(
        ROW,
        replace(ROW, name="worst", verdict="amber", primary=False, value=None, lower=None, upper=None),
    ),
    generation_ids=("g1", "g2"),
    sealed=False,
    at=at(1),
)
STRIP = StripRecord(
    id="01-strip",
    model_id=sha("wick"),
    adapter_id=sha("tuned"),
    reference_id=None,
    run_id="run-1",
    step=50,
    state="warn",
    rows=(
        StripRow(
            group="perplexity",
            name="general",
            state="warn",
            value=11.0,
            reference=10.0,
            change=3.0,
            lower=2.5,
            upper=3.5,
            unit="%",
            n=24,
            warn="> 2 %",
            rollback="> 5 %",
            method="paired",
            evidence="up 3 %",
        ),
    ),
    shifts=(
        Shift(measure="attention_l2", layer=1, head=0, value=0.5, n=8),
        Shift(measure="state_norm", layer=0, head=None, value=-0.25, n=8),
    ),
    at=at(2),
    settings={"texts": 8},
)
EXPERIMENT = ExperimentRecord(
    id="01-e",
    experiment_id="01-e",
    at=at(3),
    name="listen",
    hypothesis="Twenty examples move the accept rate",
    configuration={"learning_rate": 1e-5},
    run_ids=("run-1",),
)


@pytest.mark.parametrize("record", [GATE, STRIP, EXPERIMENT], ids=lambda record: record.kind)
def test_a_record_is_a_fact_and_nothing_more_or_less(record: Record) -> None:
    assert fact(record).kind == record.kind
    data = as_data(record)
    assert "extra" in rejection(record.kind, {**data, "extra": 1})
    del data["at"]
    assert "at" in rejection(record.kind, data)


def test_what_cannot_be_is_refused() -> None:
    assert "rows" in rejection("gate", as_data(replace(GATE, rows=())))
    assert "step" in rejection("strip", as_data(replace(STRIP, step=-1)))
    assert "verdict" in rejection("gate", {**as_data(GATE), "verdict": "perhaps"})
    assert "hypothesis" in rejection("experiment", as_data(replace(EXPERIMENT, hypothesis=None)))
    later = replace(EXPERIMENT, id="02-e", hypothesis=None, verdict="It did.")
    assert examined("experiment", as_data(later)).line


def test_gates_come_back_as_they_were(service: StoreService) -> None:
    newer = replace(GATE, id="02-gate", run_id=None, step=None, adapter_id=None, sealed=True)
    service.append(model(), adapter(), GATE, newer)
    (first, second) = service.query(gates.gates)
    assert (first.record, second.record) == (newer, GATE)
    assert (second.model_name, second.adapter_name) == ("wick", "tuned")
    assert [one.record.id for one in service.query(gates.gates, run_id="run-1")] == ["01-gate"]
    assert [one.record.id for one in service.query(gates.gates, limit=1)] == ["02-gate"]
    assert service.query(gates.gate, "01-gate") == second
    assert service.query(gates.gate, "no") is None
    assert service.query(gates.sealed_looks, "seed-001", sha("wick")) == 1
    assert service.query(gates.find_ids, "gate", "gate") == ["02-gate", "01-gate"]


def test_strips_and_their_trend(service: StoreService) -> None:
    again = replace(STRIP, id="02-strip", state="ok", shifts=())
    later = replace(STRIP, id="03-strip", step=60, rows=STRIP.rows * 2)
    service.append(model(), adapter(), STRIP, again, later)
    assert service.query(gates.strip, "01-strip").record == STRIP  # type: ignore[union-attr]
    assert [one.record.id for one in service.query(gates.strip_trend, "run-1")] == ["02-strip", "03-strip"]
    assert len(service.query(gates.strips, run_id="run-1")) == 3
    assert service.query(gates.strips, run_id="run-1", adapter_ids=["other"]) == []
    assert len(service.query(gates.strips, adapter_ids=[sha("tuned")], limit=2)) == 2


def test_an_experiment_is_what_its_entries_say_last(service: StoreService) -> None:
    verdict = ExperimentRecord(
        id="02-e",
        experiment_id="01-e",
        at=at(4),
        verdict="too small",
        next_change="50 examples",
        measures={"ppl": 1.5},
        run_ids=("run-2",),
        gate_ids=("01-gate",),
    )
    changed = replace(verdict, id="03-e", verdict="still too small", next_change=None, run_ids=("run-2",))
    service.append(changed, EXPERIMENT, verdict)
    now = service.query(gates.experiment, "01-e")
    assert now is not None
    assert (now.name, now.hypothesis) == ("listen", EXPERIMENT.hypothesis)
    assert (now.verdict, now.next_change) == ("still too small", "50 examples")
    assert now.configuration == {"learning_rate": 1e-5}
    assert (now.run_ids, now.gate_ids, now.measures) == (("run-1", "run-2"), ("01-gate",), {"ppl": 1.5})
    assert [entry.id for entry in now.entries] == ["01-e", "02-e", "03-e"]
    assert now.at == at(3)
    assert [one.id for one in service.query(gates.experiments)] == ["01-e"]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_words_are_kept(service: StoreService, text: str) -> None:
    said = text.encode("utf-8", "replace").decode() or "x"
    service.append(replace(EXPERIMENT, hypothesis=said, next_change=said))
    now = service.query(gates.experiment, "01-e")
    assert now is not None
    assert (now.hypothesis, now.next_change) == (said, said)


def test_answers_are_found_by_what_was_asked(service: StoreService) -> None:
    base = generation(7, id="01-a", probe_sha256="p1")
    again = generation(7, id="02-a", probe_sha256="p1", started_at=at(9))
    tuned = generation(7, id="03-a", probe_sha256="p1", adapter_sha256="t")
    cut = generation(7, id="04-a", probe_sha256="p2", finish_reason="cancelled")
    other = generation(8, id="05-a", probe_sha256="p1")
    said = score("01-a", instrument="lantern-v1", version="1", dimensions={"depth": 2.0}, total=3.0)
    service.append(model(), condition(), base, again, tuned, cut, other, said)
    wanted = (sha("wick"), [None, "t"], [sha("baseline")], [7])
    found = service.query(gates.gate_answers, *wanted)
    assert sorted(answer.id for answer in found) == ["01-a", "03-a"]
    assert [a.id for a in service.query(gates.gate_answers, sha("wick"), ["t"], [sha("baseline")], [7])] == [
        "03-a"
    ]
    values = service.query(gates.score_values, ["01-a", "03-a"], "lantern-v1", "1")
    assert values == {"01-a": {"depth": 2.0, "total": 3.0}}
