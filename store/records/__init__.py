"""The lab's vocabulary: every fact that is kept is one of these frozen, versioned records.

Records travel as journal lines (see `store.journal`) and land as rows in DuckDB (see `store.ingest`).
Ids are UUIDv7 strings made by the process that produces the record, or content hashes where the record
*is* its content (models, kernels, conditions). Times are naive UTC, ISO 8601 with microseconds.
Entropies are in nats. A record never holds NaN or infinity: a value that does not exist is None.
"""

from __future__ import annotations

from collections.abc import Mapping

from store.records.answers import (
    BY_HAND,
    ConditionRecord,
    FinishReason,
    GenerationRecord,
    KernelPlacement,
    KernelRecord,
    ModelRecord,
    ProbeRecord,
    ScoreRecord,
    Trace,
)
from store.records.comparisons import (
    RATING_VALUES,
    ComparisonRecord,
    ImportedAnswerRecord,
    ImportedFileRecord,
    JudgeReplyRecord,
    PairVerdict,
    PlannedPair,
    RatingRecord,
    SideName,
    SideRecord,
)
from store.records.curricula import (
    CurriculumRecord,
    DistillationRecord,
    DistilledQuestion,
    PhaseRecord,
    PhaseState,
    ReviewAction,
    ReviewRecord,
)
from store.records.gates import (
    ExperimentRecord,
    GateRecord,
    GateRow,
    GateVerdict,
    Shift,
    StripRecord,
    StripRow,
    StripState,
)
from store.records.pairs import (
    JudgementAction,
    JudgementRecord,
    PairRecord,
    PairSource,
    PlannedAnswer,
    SweepRecord,
    Verdict,
)
from store.records.runs import (
    RUN_ENDS,
    AdapterRecord,
    CheckpointRecord,
    EventLevel,
    EventRecord,
    FineTuneType,
    MetricRecord,
    RunRecord,
    SampleRecord,
)
from store.records.settings import SettingRecord

__all__ = [
    "BY_HAND",
    "RATING_VALUES",
    "RECORD_TYPES",
    "RUN_ENDS",
    "AdapterRecord",
    "CheckpointRecord",
    "ComparisonRecord",
    "ConditionRecord",
    "CurriculumRecord",
    "DistillationRecord",
    "DistilledQuestion",
    "EventLevel",
    "EventRecord",
    "ExperimentRecord",
    "FineTuneType",
    "FinishReason",
    "GateRecord",
    "GateRow",
    "GateVerdict",
    "GenerationRecord",
    "ImportedAnswerRecord",
    "ImportedFileRecord",
    "JudgeReplyRecord",
    "JudgementAction",
    "JudgementRecord",
    "KernelPlacement",
    "KernelRecord",
    "MetricRecord",
    "ModelRecord",
    "PairRecord",
    "PairSource",
    "PairVerdict",
    "PhaseRecord",
    "PhaseState",
    "PlannedAnswer",
    "PlannedPair",
    "ProbeRecord",
    "RatingRecord",
    "Record",
    "ReviewAction",
    "ReviewRecord",
    "RunRecord",
    "SampleRecord",
    "ScoreRecord",
    "SettingRecord",
    "Shift",
    "SideName",
    "SideRecord",
    "StripRecord",
    "StripRow",
    "StripState",
    "SweepRecord",
    "Trace",
    "Verdict",
]

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
