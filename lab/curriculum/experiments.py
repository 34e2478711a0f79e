"""Experiment records: what was supposed, what was done, what came out, what to change next. Appended only.

Configuration and measures are taken from the store, so that nobody copies a number by hand: the settings of
the linked runs, and what their ends, gates and strips say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError
from store.ids import new_id, utc_now
from store.queries.gates import StoredGate, StoredStrip, gate, gates, strip, strips
from store.queries.runs import metric_series
from store.queries.runs import run as stored_run
from store.records import ExperimentRecord
from store.service import StoreService

SETTINGS = (
    *(
        "objective",
        "fine_tune_type",
        "learning_rate",
        "batch_size",
        "grad_accumulation_steps",
        "epochs",
        "iters",
    ),
    *("num_layers", "lora_parameters", "optimizer", "replay", "scu", "seed", "data", "model"),
)
"""What of a run's settings is its configuration, as far as people compare them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an entry says in words."""

    name: str | None = None
    hypothesis: str | None = None
    verdict: str | None = None
    next_change: str | None = None


def entry(
    store: StoreService,
    said: Said,
    *,
    experiment_id: str | None = None,
    run_ids: Sequence[str] = (),
    gate_ids: Sequence[str] = (),
    strip_ids: Sequence[str] = (),
) -> ExperimentRecord:
    """A new experiment, or (with `experiment_id`) a further entry of one; kept by the caller.

    Of each run its newest gates and strip are linked too. Raises LabError for an entry that says nothing, and
    for a first one without a hypothesis.
    """
    if experiment_id is None and not said.hypothesis:
        raise LabError("an experiment begins with a hypothesis: what do you expect, and by how much?")
    judged, stripped = _linked(store, run_ids, gate_ids, strip_ids)
    if experiment_id is not None and not (judged or stripped or run_ids or any(_words(said))):
        raise LabError("nothing to add: give a verdict, the next change, a run, a gate or a strip")
    configuration: dict[str, object] = {}
    measures: dict[str, float | None] = {}
    for run_id in run_ids:
        found = store.query(stored_run, run_id)
        if found is None:
            raise LabError(f"run {run_id[-8:]} is not in the store")
        configuration |= _configuration(found.settings, prefix=f"{found.name}: " if len(run_ids) > 1 else "")
        measures |= _end_of(store, run_id, f"{found.name} ")
    for one in judged:
        measures |= _of_gate(one)
    for other in stripped:
        measures |= _of_strip(other)
    identity = new_id()
    return ExperimentRecord(
        id=identity,
        experiment_id=experiment_id or identity,
        at=utc_now(),
        name=said.name,
        hypothesis=said.hypothesis,
        configuration=configuration,
        measures=measures,
        verdict=said.verdict,
        next_change=said.next_change,
        run_ids=tuple(run_ids),
        gate_ids=tuple(one.record.id for one in judged),
        strip_ids=tuple(one.record.id for one in stripped),
    )


def _words(said: Said) -> tuple[str | None, ...]:
    return said.name, said.hypothesis, said.verdict, said.next_change


def _linked(
    store: StoreService, run_ids: Sequence[str], gate_ids: Sequence[str], strip_ids: Sequence[str]
) -> tuple[list[StoredGate], list[StoredStrip]]:
    judged = [one for id in gate_ids if (one := store.query(gate, id)) is not None]
    stripped = [other for id in strip_ids if (other := store.query(strip, id)) is not None]
    for run_id in run_ids:
        judged += [one for one in store.query(gates, run_id=run_id, limit=1) if one.record.id not in gate_ids]
        stripped += [
            one for one in store.query(strips, run_id=run_id, limit=1) if one.record.id not in strip_ids
        ]
    return judged, stripped


def _configuration(settings: Mapping[str, Any], prefix: str) -> dict[str, object]:
    return {
        f"{prefix}{name}": settings[name] for name in SETTINGS if settings.get(name) not in (None, {}, [])
    }


def _end_of(store: StoreService, run_id: str, prefix: str) -> dict[str, float | None]:
    """The last training loss and the best held-out loss of a run."""
    found: dict[str, float | None] = {}
    for source, words, pick in (("train", "last loss", -1), ("valid", "best held-out loss", 0)):
        points = store.query(metric_series, run_id, source, "loss_nats")
        values = [point.least if source == "valid" else point.mean for point in points]
        if values:
            found[f"{prefix}{words} (nats)"] = values[pick] if source == "train" else min(values)
    return found


def _of_gate(one: StoredGate) -> dict[str, float | None]:
    record = one.record
    return {f"gate {record.plan}, {row.name} ({row.verdict})": row.value for row in record.rows}


def _of_strip(one: StoredStrip) -> dict[str, float | None]:
    return {
        f"strip, {row.group}: {row.name}": row.value if row.change is None else row.change
        for row in one.record.rows
    }
