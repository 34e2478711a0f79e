"""Self-distillation and the phases of a curriculum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from store.records.comparisons import SideRecord
from store.records.gates import GateVerdict

ReviewAction = Literal["accept", "reject", "edit", "undo"]
PhaseState = Literal["begun", "done", "failed", "undone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilledQuestion:
    """What is asked in a distillation; `cluster` is the probe that it and its rephrasings come from."""

    prompt: str
    cluster: str
    variant: str
    probe_battery: str | None = None
    probe_id: str | None = None
    probe_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillationRecord:
    """Answers to be made as training data; written before the first of them, so that it can be gone on with.

    Every question is asked `samples` times of `side`, whose run its answers belong to; the seed of an answer
    follows from `seed`, cluster, variant and sample (see `lab.curriculum.plan`). Answers that `instrument`
    gives less than `threshold` are kept in the store and out of the data (None: no threshold).
    """

    kind: ClassVar[str] = "distillation"

    id: str
    name: str
    side: SideRecord
    questions: tuple[DistilledQuestion, ...]
    samples: int
    seed: int
    battery: str
    instrument: str
    version: str
    threshold: float | None
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRecord:
    """What a person says of one answer up for training; `review_id` names the set it was drawn from.

    An edit holds the `text` that is trained on in place of the answer's. Undo is an entry of its own, about
    the review named in `about`; nothing is taken out. `reading_ms` is the time from showing to the key.
    """

    kind: ClassVar[str] = "review"

    id: str
    review_id: str
    generation_id: str
    reviewer: str
    action: ReviewAction
    at: str
    text: str | None = None
    note: str | None = None
    about: str | None = None
    reading_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurriculumRecord:
    """A curriculum as planned, written once before its first stage.

    `settings` is the file with every default filled in, `sha256` hashes it, `phases` are their names in
    order, and `folder` holds its data and state.
    """

    kind: ClassVar[str] = "curriculum"

    id: str
    name: str
    model: str
    model_id: str
    settings: Mapping[str, object]
    sha256: str
    phases: tuple[str, ...]
    folder: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRecord:
    """What happened to a stage of a phase of a curriculum, in words for people.

    `place` counts phases from 0 and `attempt` the times a phase was begun anew after a rollback, from 1. Of
    a stage that is done, the ids are what came out of it: the distillation, the hash of the data's manifest,
    the run, the adapter, the comparison; `verdict` is the gates' or, where they were amber, the person's.
    """

    kind: ClassVar[str] = "phase"

    id: str
    curriculum_id: str
    phase: str
    place: int
    attempt: int
    stage: str
    state: PhaseState
    words: str
    at: str
    distillation_id: str | None = None
    data_sha256: str | None = None
    run_id: str | None = None
    adapter_id: str | None = None
    comparison_id: str | None = None
    verdict: GateVerdict | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
