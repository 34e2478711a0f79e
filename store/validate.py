"""From a journal line to a fact that may become a row, or the reason why not.

DuckDB turns wrong types and missing keys into NULL without a word, so lines are validated here, strictly:
no missing, unknown or mistyped field, no NaN, times that are times, series of one length.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from store.journal import HEADER_KIND, VERSION, JournalLine, parse_line
from store.records import (
    RATING_VALUES,
    RECORD_TYPES,
    AdapterRecord,
    CheckpointRecord,
    ComparisonRecord,
    ConditionRecord,
    CurriculumRecord,
    DistillationRecord,
    DistilledQuestion,
    EventRecord,
    ExperimentRecord,
    GateRecord,
    GateRow,
    GenerationRecord,
    ImportedAnswerRecord,
    ImportedFileRecord,
    JudgementRecord,
    JudgeReplyRecord,
    KernelRecord,
    MetricRecord,
    ModelRecord,
    PairRecord,
    PhaseRecord,
    PlannedAnswer,
    PlannedPair,
    ProbeRecord,
    RatingRecord,
    Record,
    ReviewRecord,
    RunRecord,
    SampleRecord,
    ScoreRecord,
    SettingRecord,
    Shift,
    SideRecord,
    StripRecord,
    StripRow,
    SweepRecord,
    Trace,
)
from store.upcast import upcast

if TYPE_CHECKING:
    from pydantic import TypeAdapter

RAW_KEPT_CHARACTERS = 2000
TOTAL = "total"

_OWN_LINE = re.compile(rb'\{"v":%d,"kind":"([a-z_]+)","seq":\d+,"data":' % VERSION)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?")
_CONTENT = (ModelRecord, AdapterRecord, KernelRecord, ConditionRecord)
_INT32_MAX = 2**31 - 1
_INT64_MAX = 2**63 - 1
_UINT32_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHeader:
    """The first line of a journal: which process wrote it."""

    id: str
    process: str
    pid: int
    lab_version: str
    started_at: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A valid line. `data` is JSON; `key` identifies the fact, `digest` its payload (64-bit hashes)."""

    journal: str
    line: JournalLine
    kind: str
    data: bytes
    key: int
    digest: int
    at: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that is no fact, and why."""

    journal: str
    line: JournalLine
    reason: str

    @property
    def raw(self) -> str:
        """The beginning of the line as text; bytes that are no UTF-8 are shown as escapes."""
        return self.line.raw[:RAW_KEPT_CHARACTERS].decode("utf-8", errors="backslashreplace")


def examine(journal: str, line: JournalLine) -> Fact | Reject:
    """Validate one line of the journal named `journal`."""
    try:
        kind, data = _kind_and_data(line.raw)
        if kind == HEADER_KIND:
            header = _adapter(kind).validate_json(data, strict=True)
            _check_time("started_at", header.started_at)
            return Fact(journal, line, kind, data, _hash(kind, header.id), _hash(data), header.started_at)
        if kind not in RECORD_TYPES:
            raise ValueError(f"field kind: {kind!r} is unknown to this lab")
        record = _adapter(kind).validate_json(data, strict=True)
        check(record)
        identity, payload = _identity(record), data
        if isinstance(record, _CONTENT):
            payload = identity.encode()
        return Fact(journal, line, kind, data, _hash(kind, identity), _hash(payload), record.at)
    except ValueError as error:
        return Reject(journal, line, reason(error))
    except RecursionError:
        return Reject(journal, line, "nested too deeply")


def check(record: Record) -> None:
    """What types cannot say. Raises ValueError naming the field."""
    _check_time("at", record.at)
    if further := _CHECKS.get(type(record)):
        further(record)


def _check_generation(record: GenerationRecord) -> None:
    _check_time("started_at", record.started_at)
    _check_seed(record.seed)
    if record.trace is not None:
        _check_trace(record.trace)


def _check_score(record: ScoreRecord) -> None:
    if TOTAL in record.dimensions:
        raise ValueError(f"field dimensions: {TOTAL!r} is the name of the total, not of a dimension")


def _check_rating(record: RatingRecord) -> None:
    if record.value not in (None, *RATING_VALUES):
        raise ValueError(f"field value: expected {RATING_VALUES[0]} to {RATING_VALUES[-1]}, or null")


def _check_step(record: MetricRecord | CheckpointRecord | SampleRecord | EventRecord) -> None:
    if record.step < 0:
        raise ValueError("field step: expected a number of updates from 0")


def _check_reply(record: JudgeReplyRecord) -> None:
    if (record.verdict is None) == (record.error is None):
        raise ValueError("field verdict: expected a verdict or an error, one of the two")


def _check_pair(record: PairRecord) -> None:
    if not record.first_id < record.second_id:
        raise ValueError("field second_id: expected another generation, of a higher id than first_id")


def _check_phase(record: PhaseRecord) -> None:
    if record.place < 0 or record.attempt < 1:
        raise ValueError("field attempt: expected a place from 0 and an attempt from 1")


def _check_verdict(record: GateRecord | StripRecord) -> None:
    if not record.rows:
        raise ValueError("field rows: expected at least one")
    if record.step is not None and record.step < 0:
        raise ValueError("field step: expected a number of updates from 0")


def _check_experiment(record: ExperimentRecord) -> None:
    if record.id == record.experiment_id and not record.hypothesis:
        raise ValueError("field hypothesis: expected one, as this is the experiment's first entry")


def _check_seed(seed: int) -> None:
    if not -_INT64_MAX <= seed <= _INT64_MAX:
        raise ValueError("field seed: expected a 64-bit integer")


def _check_judgement(record: JudgementRecord) -> None:
    if record.pass_number < 0:
        raise ValueError("field pass_number: expected a number from 0")
    needed = {"verdict": "verdict", "undo": "about", "redo": "about", "note": "note", "flag": "flagged"}
    name = needed.get(record.action)
    if name is not None and getattr(record, name) is None:
        raise ValueError(f"field {name}: expected a value, as action is {record.action}")


def _check_distillation(record: DistillationRecord) -> None:
    asked = {(question.cluster, question.variant) for question in record.questions}
    if not record.questions or len(asked) < len(record.questions):
        raise ValueError("field questions: expected at least one, each a variant of its own of its cluster")
    if record.samples < 1:
        raise ValueError("field samples: expected a number from 1")
    _check_seed(record.seed)


def _check_review(record: ReviewRecord) -> None:
    needed = {"edit": "text", "undo": "about"}.get(record.action)
    if needed and getattr(record, needed) is None:
        raise ValueError(f"field {needed}: expected a value, as action is {record.action}")


def _check_comparison(record: ComparisonRecord) -> None:
    if record.left.run_id == record.right.run_id:
        raise ValueError("field right.run_id: expected a run of its own, not the left side's")
    _check_seeds("pairs", record.pairs)


def _check_seeds(name: str, planned: Sequence[PlannedPair | PlannedAnswer]) -> None:
    seeds = {one.seed for one in planned}
    if not planned or len(seeds) < len(planned):
        raise ValueError(f"field {name}: expected at least one, each with a seed of its own")
    if max(map(abs, seeds)) > _INT64_MAX:
        raise ValueError(f"field {name}: expected 64-bit seeds")


def _check_trace(trace: Trace) -> None:
    n = len(trace.token_ids)
    for name in (
        "ends",
        "entropy_nats",
        "sampling_entropy_nats",
        "surprisal_nats",
        "p_top1",
        "margin",
        "rank",
    ):
        if len(getattr(trace, name)) != n:
            raise ValueError(f"field trace.{name}: expected one entry for each of the {n} tokens")
    for name in ("alternative_ids", "alternative_p"):
        if len(getattr(trace, name)) != n * trace.k:
            raise ValueError(f"field trace.{name}: expected k × tokens = {trace.k} × {n} entries")
    for name, largest in (
        ("token_ids", _INT32_MAX),
        ("alternative_ids", _INT32_MAX),
        ("ends", _UINT32_MAX),
        ("rank", _UINT32_MAX),
    ):
        values = getattr(trace, name)
        if values and not (min(values) >= 0 and max(values) <= largest):
            raise ValueError(f"field trace.{name}: expected numbers from 0 to {largest}")


def _check_time(name: str, value: str) -> None:
    if _TIME.fullmatch(value) is None:
        raise ValueError(f"field {name}: expected a naive UTC time in ISO 8601, not {value[:40]!r}")


_CHECKS: Mapping[type[Record], Callable[[Any], None]] = {
    GenerationRecord: _check_generation,
    ScoreRecord: _check_score,
    ComparisonRecord: _check_comparison,
    RatingRecord: _check_rating,
    MetricRecord: _check_step,
    CheckpointRecord: _check_step,
    SampleRecord: _check_step,
    EventRecord: _check_step,
    JudgeReplyRecord: _check_reply,
    SweepRecord: lambda record: _check_seeds("answers", record.answers),
    PairRecord: _check_pair,
    JudgementRecord: _check_judgement,
    DistillationRecord: _check_distillation,
    ReviewRecord: _check_review,
    PhaseRecord: _check_phase,
    GateRecord: _check_verdict,
    StripRecord: _check_verdict,
    ExperimentRecord: _check_experiment,
}


def reason(error: ValueError) -> str:
    """One line for people from an error of pydantic, json or our own."""
    errors: Callable[[], list[Mapping[str, Any]]] | None = getattr(error, "errors", None)
    if errors is None:
        return str(error).splitlines()[0]
    first, count = errors()[0], len(errors())
    where = ".".join(str(part) for part in first["loc"])
    more = f" (and {count - 1} more)" if count > 1 else ""
    message = str(first["msg"]).splitlines()[0]
    return f"field {where}: {message}{more}" if where else f"{message}{more}"


def _kind_and_data(raw: bytes) -> tuple[str, bytes]:
    """Our own writer's lines are taken apart without parsing them twice; any other the long way."""
    own = _OWN_LINE.match(raw)
    if own is not None and raw.endswith(b"}}"):
        return own[1].decode(), raw[own.end() : -1]
    envelope = upcast(parse_line(raw))
    return envelope.kind, _canonical(envelope.data)


def _identity(record: Record) -> str:
    """What makes two records the same fact.

    Models, adapters, kernels and conditions are their content: every engine start says them again with a
    new `at`.
    """
    match record:
        case ModelRecord() | AdapterRecord() | KernelRecord() | ConditionRecord():
            content = {name: getattr(record, name) for name in record.__slots__ if name != "at"}
            return _canonical(content).decode()
        case (
            GenerationRecord()
            | ScoreRecord()
            | ComparisonRecord()
            | RatingRecord()
            | ImportedFileRecord()
            | ImportedAnswerRecord()
            | JudgeReplyRecord()
            | JudgementRecord()
            | RunRecord()
            | CheckpointRecord()
            | SampleRecord()
            | EventRecord()
            | DistillationRecord()
            | ReviewRecord()
            | CurriculumRecord()
            | PhaseRecord()
            | GateRecord()
            | StripRecord()
            | ExperimentRecord()
            | SweepRecord()
        ):
            return record.id
        case MetricRecord():
            return json.dumps([record.run_id, record.source, record.step])
        case PairRecord():
            return json.dumps([record.id, record.at])
        case ProbeRecord():
            return json.dumps([record.battery, record.id, record.at])
        case SettingRecord():
            return json.dumps([record.key, record.at])


def _canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode()


def _hash(*parts: str | bytes) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\x00")
    return int.from_bytes(digest.digest(), "big")


_PARTS = (Trace, SideRecord, PlannedPair, DistilledQuestion, PlannedAnswer, GateRow, StripRow, Shift)
"""What records hold that is no plain value."""


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter

    record_type = JournalHeader if kind == HEADER_KIND else RECORD_TYPES[kind]
    # The records stay free of pydantic; this is how a standard dataclass is told its rules.
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    described: Any
    for described in (record_type, *_PARTS):
        described.__pydantic_config__ = config
    return TypeAdapter(record_type)
