"""The lab's vocabulary: every fact that is kept is one of these frozen, versioned records.

Records travel as journal lines (see `store.journal`) and land as rows in DuckDB (see `store.ingest`).
Ids are UUIDv7 strings made by the process that produces the record, or content hashes where the record
*is* its content (models, kernels, conditions). Times are naive UTC, ISO 8601 with microseconds.
Entropies are in nats. A record never holds NaN or infinity: a value that does not exist is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

FinishReason = Literal["stop", "length", "cancelled"]
KernelPlacement = Literal["none", "system", "user"]
FineTuneType = Literal["lora", "dora", "full"]
SideName = Literal["left", "right"]
PairSource = Literal["sweep", "directions", "stored", "imported", "edited"]
JudgementAction = Literal["verdict", "flag", "note", "undo", "redo", "reveal"]
Verdict = Literal["left", "right", "tie", "both_bad", "skip"]
RATING_VALUES = (1, 2, 3, 4, 5)
PairVerdict = Literal["left", "right", "tie"]
EventLevel = Literal["info", "warning", "error"]
BY_HAND = "by hand"
"""In the place of a model's id: a person wrote this answer."""
PhaseState = Literal["begun", "done", "failed", "undone"]
GateVerdict = Literal["pass", "amber", "fail"]
StripState = Literal["ok", "warn", "rollback", "shown", "withheld"]
ReviewAction = Literal["accept", "reject", "edit", "undo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """A model as loaded: the id hashes what decides its output (weights, tokenizer, chat template)."""

    kind: ClassVar[str] = "model"

    id: str
    name: str
    path: str
    architecture: str
    parameters: int
    vocab_size: int
    quantization: str | None
    weights_sha256: str
    tokenizer_sha256: str
    template_sha256: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRecord:
    """One revision of a probe. The key is (battery, id); the latest `at` wins; `retired` hides it."""

    kind: ClassVar[str] = "probe"

    battery: str
    id: str
    domain: str
    prompt: str
    sha256: str
    origin: str
    at: str
    subjects: tuple[str, ...] = ()
    source_probe: str | None = None
    rephrase_type: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)
    retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRecord:
    """A kernel: raw text, hashed as it stands and never parsed."""

    kind: ClassVar[str] = "kernel"

    sha256: str
    name: str
    text: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionRecord:
    """Under what an answer was made: kernel and sampling. The id hashes every other field but `at`."""

    kind: ClassVar[str] = "condition"

    id: str
    name: str
    kernel_name: str | None
    kernel_sha256: str | None
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    max_tokens: int
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Per-token series of one answer; all lists have one entry a token unless said otherwise.

    `ends[i]` is the length in characters of the answer's text once token i is decoded (non-decreasing).
    Alternatives are flat with stride `k`, best first; empty when they were not recorded.
    """

    token_ids: tuple[int, ...]
    ends: tuple[int, ...]
    entropy_nats: tuple[float, ...]
    sampling_entropy_nats: tuple[float, ...]
    surprisal_nats: tuple[float, ...]
    p_top1: tuple[float, ...]
    margin: tuple[float, ...]
    rank: tuple[int, ...]
    k: int = 0
    alternative_ids: tuple[int, ...] = ()
    alternative_p: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRecord:
    """One finished answer with everything needed to ask for it again.

    `text` is the answer as decoded, special tokens of the chat template left out.
    `parent_id` and `parent_token` are set when the answer was branched off another before that token index;
    its first `parent_token` tokens are then the parent's and keep the parent's statistics. An answer that a
    person wrote over another has a `parent_id` alone, BY_HAND as its model, and no statistics.
    """

    kind: ClassVar[str] = "generation"

    id: str
    run_id: str | None
    model_id: str
    adapter_sha256: str | None
    condition_id: str
    kernel_placement: KernelPlacement
    probe_battery: str | None
    probe_id: str | None
    probe_sha256: str | None
    prompt: str
    seed: int
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    n_tokens: int
    started_at: str
    prefill_ms: float
    wall_ms: float
    tokens_per_second: float
    peak_memory_bytes: int
    mean_entropy_nats: float | None
    median_entropy_nats: float | None
    p90_entropy_nats: float | None
    max_entropy_nats: float | None
    backend: str
    at: str
    parent_id: str | None = None
    parent_token: int | None = None
    trace: Trace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRecord:
    """What one instrument says of one answer. Undefined dimensions are None. `detail` is free JSON."""

    kind: ClassVar[str] = "score"

    id: str
    generation_id: str
    instrument: str
    version: str
    text_sha256: str
    dimensions: Mapping[str, float | None]
    at: str
    total: float | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterRecord:
    """A fine-tune as found on disk: the id hashes what decides its effect (its tensors, type and scale).

    `base_model_id` is the model it was trained on, where its files say so. `rank`, `scale` and `num_layers`
    are those of its settings; a full fine-tune has no rank and no scale. `parameters` counts its numbers.
    """

    kind: ClassVar[str] = "adapter"

    id: str
    name: str
    path: str
    base_model_id: str | None
    fine_tune_type: FineTuneType
    rank: int | None
    scale: float | None
    num_layers: int | None
    parameters: int
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SideRecord:
    """One side of a comparison, which is a run: nothing but `run_id` tells its answers from the other's.

    `words` says for people what the side is.
    """

    run_id: str
    words: str
    model_id: str
    condition_id: str
    adapter_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPair:
    """What both sides are asked, with one seed for both. A free prompt has no probe."""

    prompt: str
    seed: int
    probe_battery: str | None = None
    probe_id: str | None = None
    probe_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRecord:
    """A comparison as planned; written before its first answer, so that it can be gone on with.

    Left is the base, right is held against it. A pair's place is its index in `pairs`; no two have one seed,
    so that an answer belongs to the pair of its run and seed. `battery` says for people what is asked.
    """

    kind: ClassVar[str] = "comparison"

    id: str
    name: str
    left: SideRecord
    right: SideRecord
    pairs: tuple[PlannedPair, ...]
    battery: str
    instrument: str
    version: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingRecord:
    """What a person says of one answer of a pair on one scale, 1 to 5.

    None takes it back; of one generation, scale and rater the latest `at` wins.
    `blind` says that the sides were hidden, `shown` on which side of the screen the answer stood,
    `other_generation_id` what stood beside it.
    """

    kind: ClassVar[str] = "rating"

    id: str
    comparison_id: str
    generation_id: str
    other_generation_id: str | None
    scale: str
    value: int | None
    rater: str
    blind: bool
    shown: SideName
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFileRecord:
    """Answers made elsewhere, as they were read from the files `sources`, whose contents `sha256` hashes.

    `form` names the files' form. `model_name` is what the files call the model, which the lab has not seen.
    `said` is what they say of all their answers.
    """

    kind: ClassVar[str] = "imported_file"

    id: str
    form: str
    sources: tuple[str, ...]
    sha256: str
    model_name: str | None
    at: str
    said: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedAnswerRecord:
    """One answer made elsewhere, in `line` of its file. Scores name it as they name a generation.

    What cannot be known of it (weights, seed, tokens, entropies, why it ended) has no field. `text` is None
    where the file has only values. `said` is what the file says of the answer, `said_of_probe` of its line.
    """

    kind: ClassVar[str] = "imported_answer"

    id: str
    import_id: str
    line: int
    condition: str
    probe_id: str
    domain: str
    prompt: str
    text: str | None
    at: str
    said: Mapping[str, object] = field(default_factory=dict)
    said_of_probe: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeReplyRecord:
    """What a judge model said of the two answers of a pair, shown to it in one order.

    The reply is the generation `generation_id`; `shown_first` is the side whose answer it was shown first.
    `verdict` is None where the reply could not be read, and `error` says why; it is never a default.
    """

    kind: ClassVar[str] = "judge_reply"

    id: str
    comparison_id: str
    left_generation_id: str
    right_generation_id: str
    shown_first: SideName
    verdict: PairVerdict | None
    error: str | None
    generation_id: str
    judge_model_id: str
    template: str
    template_sha256: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A training run as planned, written once before its first step; resuming it writes no other.

    `settings` is the recipe with every default filled in, `folder` holds its checkpoints, `parent_id` is the
    run whose adapter it went on from. `planned_steps` counts optimizer updates.
    """

    kind: ClassVar[str] = "run"

    id: str
    name: str
    model_id: str
    objective: str
    fine_tune_type: FineTuneType
    settings: Mapping[str, object]
    data_sha256: str
    train_examples: int
    valid_examples: int
    trainable_parameters: int
    planned_steps: int
    folder: str
    at: str
    parent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRecord:
    """What `source` measured after `step` optimizer updates; (run_id, source, step) is unique.

    `source` is "train" (every step), "valid" (held-out), or the name of a regularizer or monitor. Names in
    `values` carry their units; `words` is what changes with the numbers and is none, such as a state.
    """

    kind: ClassVar[str] = "metric"

    run_id: str
    step: int
    source: str
    values: Mapping[str, float | None]
    at: str
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRecord:
    """A checkpoint on disk: `folder` opens as an adapter, whose AdapterRecord has the id `adapter_id`."""

    kind: ClassVar[str] = "checkpoint"

    id: str
    run_id: str
    step: int
    folder: str
    adapter_id: str
    reason: str
    at: str
    valid_loss_nats: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRecord:
    """That a generation was made by a run after `step` updates, for its monitor of that name."""

    kind: ClassVar[str] = "sample"

    id: str
    run_id: str
    step: int
    monitor: str
    generation_id: str
    at: str


RUN_ENDS = ("finished", "stopped", "failed")
"""The events that end a run; a run that is gone on with later has other events behind them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """What happened in a run, in words for people. `name` is from a small vocabulary (see lab.train)."""

    kind: ClassVar[str] = "event"

    id: str
    run_id: str
    step: int
    name: str
    level: EventLevel
    words: str
    at: str
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAnswer:
    """One answer of a sweep: what is asked, under which condition, with a seed that no other has."""

    prompt: str
    seed: int
    condition_id: str
    probe_battery: str | None = None
    probe_id: str | None = None
    probe_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """Answers to choose pairs from, as planned; written before the first, so that it can be gone on with.

    The id is the run id of its answers; an answer belongs to the place of its seed. `words` says for people
    what answers, `battery` what is asked; `instrument` and `version` are what the answers are scored by.
    """

    kind: ClassVar[str] = "sweep"

    id: str
    words: str
    model_id: str
    adapter_sha256: str | None
    answers: tuple[PlannedAnswer, ...]
    battery: str
    instrument: str
    version: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRecord:
    """Two answers to one prompt, put up to be judged.

    The id hashes the two generation ids, of which `first_id` is the lower. `source` says where the pair comes
    from and `stratum` what it was chosen for; `score_gap` is first minus second by `instrument`, `similarity`
    the texts' likeness from 0 to 1, both None where not measured.
    """

    kind: ClassVar[str] = "pair"

    id: str
    first_id: str
    second_id: str
    source: PairSource
    stratum: str
    at: str
    probe_battery: str | None = None
    probe_id: str | None = None
    instrument: str | None = None
    score_gap: float | None = None
    similarity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgementRecord:
    """One key press of a rater on one card. Undo and redo are entries of their own; nothing is taken out.

    `left_id` and `right_id` are the generations as they stood, `pass_number` counts showings of the pair from
    0. `about` is the judgement that an undo or redo is about; `reading_ms` the time from the card being drawn
    to the verdict; `blind` is false once the sides have been shown, of which "reveal" is the entry.
    """

    kind: ClassVar[str] = "judgement"

    id: str
    pair_id: str
    rater: str
    pass_number: int
    action: JudgementAction
    left_id: str
    right_id: str
    at: str
    verdict: Verdict | None = None
    flagged: bool | None = None
    note: str | None = None
    about: str | None = None
    reading_ms: float | None = None
    blind: bool = True


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


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """What one gate of a plan came to.

    `value`, in `unit`, is what is held against the bounds `passes` and `fails` (as they were written). Where
    `against` is given it is a difference or a percentage, and `reference` is the mean over there.
    `p_value` is the chance of harm as large as this if the true value lay on the fail bound; `p_adjusted` is
    what is compared with `level`. `detectable` is the harm beyond the fail bound that n probes find with 80 %
    chance.
    """

    name: str
    verdict: GateVerdict
    primary: bool
    sealed: bool
    metric: str
    instrument: str
    version: str
    dimension: str
    battery: str
    condition: str
    against: str | None
    value: float | None
    reference: float | None
    unit: str
    lower: float | None
    upper: float | None
    confidence: float
    n: int
    passes: str | None
    fails: str | None
    p_value: float | None
    p_adjusted: float | None
    level: float | None
    detectable: float | None
    method: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRecord:
    """A gate plan judged on a model with an adapter (None: the model alone).

    `run_id` and `step` say which training made the adapter, where it is known. `generation_ids` are the
    answers that the verdict rests on; `sealed` says that the sealed probes were opened for it.
    """

    kind: ClassVar[str] = "gate"

    id: str
    plan: str
    version: str
    plan_sha256: str
    model_id: str
    adapter_id: str | None
    run_id: str | None
    step: int | None
    verdict: GateVerdict
    rows: tuple[GateRow, ...]
    generation_ids: tuple[str, ...]
    sealed: bool
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StripRow:
    """One monitor of a safety strip: its value beside that of the reference, in `unit`.

    `change`, with its interval, is what the bounds `warn` and `rollback` (as written) are for. A row without
    bounds is "shown"; a binary one that is not to be read yet is "withheld" and has no value.
    """

    group: str
    name: str
    state: StripState
    value: float | None
    reference: float | None
    change: float | None
    lower: float | None
    upper: float | None
    unit: str
    n: int
    warn: str | None
    rollback: str | None
    method: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How far a head (None: a layer as a whole) is from the reference by one `measure`, over n texts."""

    measure: str
    layer: int
    head: int | None
    value: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StripRecord:
    """The safety strip of one checkpoint, held against a reference: an adapter, or (None) the model alone.

    `settings` are those it was measured with; `shifts` come strongest first within a measure.
    """

    kind: ClassVar[str] = "strip"

    id: str
    model_id: str
    adapter_id: str | None
    reference_id: str | None
    run_id: str | None
    step: int | None
    state: StripState
    rows: tuple[StripRow, ...]
    shifts: tuple[Shift, ...]
    at: str
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRecord:
    """One entry of an experiment; what it says for the first time or anew holds from then on.

    The first entry has `id` and `experiment_id` alike and a hypothesis. Nothing is overwritten: what an
    experiment says now is put together from its entries, the newest that says something winning.
    """

    kind: ClassVar[str] = "experiment"

    id: str
    experiment_id: str
    at: str
    name: str | None = None
    hypothesis: str | None = None
    configuration: Mapping[str, object] = field(default_factory=dict)
    measures: Mapping[str, float | None] = field(default_factory=dict)
    verdict: str | None = None
    next_change: str | None = None
    run_ids: tuple[str, ...] = ()
    gate_ids: tuple[str, ...] = ()
    strip_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRecord:
    """A fact about the store itself, such as the version of the seeds it holds; the latest `at` wins."""

    kind: ClassVar[str] = "setting"

    key: str
    value: str
    at: str


Record = (
    ModelRecord
    | AdapterRecord
    | ProbeRecord
    | KernelRecord
    | ConditionRecord
    | GenerationRecord
    | ScoreRecord
    | ComparisonRecord
    | RatingRecord
    | ImportedFileRecord
    | ImportedAnswerRecord
    | JudgeReplyRecord
    | RunRecord
    | MetricRecord
    | CheckpointRecord
    | SampleRecord
    | EventRecord
    | SweepRecord
    | PairRecord
    | JudgementRecord
    | DistillationRecord
    | ReviewRecord
    | CurriculumRecord
    | PhaseRecord
    | GateRecord
    | StripRecord
    | ExperimentRecord
    | SettingRecord
)

RECORD_TYPES: Mapping[str, type[Record]] = {
    record.kind: record
    for record in (
        ModelRecord,
        AdapterRecord,
        ProbeRecord,
        KernelRecord,
        ConditionRecord,
        GenerationRecord,
        ScoreRecord,
        ComparisonRecord,
        RatingRecord,
        ImportedFileRecord,
        ImportedAnswerRecord,
        JudgeReplyRecord,
        RunRecord,
        MetricRecord,
        CheckpointRecord,
        SampleRecord,
        EventRecord,
        SweepRecord,
        PairRecord,
        JudgementRecord,
        DistillationRecord,
        ReviewRecord,
        CurriculumRecord,
        PhaseRecord,
        GateRecord,
        StripRecord,
        ExperimentRecord,
        SettingRecord,
    )
}
