"""Self-distilled answers as the source project exchanges them: a training row a line, then a summary.

`lek_score` there is lek-v2's and nothing else's. Where another instrument decided what was kept, rows and
summary name it and its score beside.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.measure.answer import answer_of
from lab.measure.instrument import Instrument, Reading
from lab.scoring import instrument, reading_of
from lab.textfiles import BadRow, Row, json_lines, read_bytes
from store.records import ImportedAnswerRecord

if TYPE_CHECKING:
    from store.queries.distilled import DistilledAnswer
    from store.records import DistillationRecord
    from store.service import StoreService

DISTILLED = "distilled"
TRAINING, SUMMARY = "training", "summary"
SCORED_BY = "lek-v2"
MAX_BYTES = 1 << 30
MAX_LINE_BYTES = 64 * 1024 * 1024
AGREES = 0.005
"""Scores are written with two decimals there."""


@dataclass(frozen=True, slots=True)
class DistilledRow:
    """A training row: what is trained on, and what its file says of it (`meta`)."""

    line: int
    prompt: str
    answer: str
    said: Mapping[str, Any]

    @property
    def probe_id(self) -> str:
        return str(self.said["probe_id"])


@dataclass(frozen=True, slots=True)
class DistilledFile:
    """The rows of a file, its last summary line (None: it has none), and the lines that could not be used."""

    rows: tuple[DistilledRow, ...]
    summary: Mapping[str, Any] | None
    bad: tuple[BadRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRows:
    """What became of an import: its id, whether it was there already, and what to tell of it."""

    id: str
    known: bool
    rows: int
    probes: int
    bad: tuple[BadRow, ...]
    notes: tuple[str, ...]


def read(lines: Iterable[Row]) -> DistilledFile:
    """The training rows and the summary of a file's lines; other types of lines are bad rows."""
    rows: list[DistilledRow] = []
    bad: list[BadRow] = []
    summary: Mapping[str, Any] | None = None
    for line, value in lines:
        if isinstance(value, BadRow):
            bad.append(value)
        elif isinstance(value, Mapping) and value.get("type") == SUMMARY:
            summary = value
        else:
            try:
                rows.append(_row(line, value))
            except LabError as error:
                bad.append(BadRow(line, str(error)))
    return DistilledFile(tuple(rows), summary, tuple(bad))


def read_file(path: Path) -> DistilledFile:
    """A file's rows. Raises LabError when none of them can be used."""
    return _of_bytes(path, read_bytes(path, MAX_BYTES))


def import_distilled(service: StoreService, path: Path) -> ImportedRows:
    """Bring in the answers of a file, scored again. Raises LabError when none of them can be used."""
    from lab.interchange.imports import keep_scores, kept

    data = read_bytes(path, MAX_BYTES)
    file, by = _of_bytes(path, data), instrument(SCORED_BY)
    scores = {row.line: by.score(Reading(text=row.answer, prompt=row.prompt)) for row in file.rows}
    model = str(file.rows[0].said.get("model") or "") or None
    import_id, known = kept(
        service, [data], DISTILLED, [path.name], model, file.summary or {}, _answers(file)
    )
    keep_scores(service, import_id, lambda answer: scores.get(answer.line), by)
    return ImportedRows(
        id=import_id,
        known=known,
        rows=len(file.rows),
        probes=len({row.probe_id for row in file.rows}),
        bad=file.bad,
        notes=tuple(_differences(file, {line: score.total for line, score in scores.items()})),
    )


def exported(
    service: StoreService, distillation: DistillationRecord, *, everything: bool = False
) -> tuple[int, str]:
    """How many rows there are, and the text of the file: the kept answers, or all that were not cut off."""
    from lab.curriculum.distill import is_kept
    from store.queries import stored_side
    from store.queries.distilled import distilled_answers

    service.ingest()
    answers = service.query(distilled_answers, distillation.id)
    chosen = [
        answer
        for answer in answers
        if (everything and answer.finish_reason == "stop")
        or is_kept(answer.finish_reason, answer.score, distillation.threshold)
    ]
    if not chosen:
        raise LabError("no answer was kept: there is nothing to write; --all writes the others too")
    known = service.query(stored_side, distillation.side)
    under = {
        "model": known.model_name or distillation.side.words,
        "threshold": distillation.threshold,
        "temperature": known.condition.temperature if known.condition else None,
    }
    if distillation.instrument != SCORED_BY:
        under["instrument"] = f"{distillation.instrument} {distillation.version}"
    return len(chosen), "".join(_lines(distillation, chosen, answers, under))


def _lines(
    distillation: DistillationRecord,
    chosen: Sequence[DistilledAnswer],
    answers: Sequence[DistilledAnswer],
    under: Mapping[str, Any],
) -> Iterator[str]:
    from lab.curriculum.plan import planned

    sample_of = {(one.place, one.seed): one.sample for one in planned(distillation)}
    by = instrument(SCORED_BY)
    for answer in chosen:
        yield _line(
            {
                "type": TRAINING,
                "training": {"messages": messages(answer.prompt, answer.text)},
                "meta": _meta(answer, sample_of[answer.place, answer.seed], by, under),
            }
        )
    ends = [datetime.fromisoformat(answer.at) for answer in answers]
    begins = [end - timedelta(milliseconds=answer.wall_ms) for end, answer in zip(ends, answers, strict=True)]
    yield _line(
        {
            "type": SUMMARY,
            **under,
            "probes": len({question.cluster for question in distillation.questions}),
            "samples": distillation.samples,
            "total_generated": len(answers),
            "total_kept": len(chosen),
            "keep_rate": round(len(chosen) / len(answers), 4),
            "duration": f"{round((max(ends) - min(begins)).total_seconds())}s",
            "ts": max(answer.at for answer in answers),
        }
    )


def messages(prompt: str, text: str) -> list[dict[str, str]]:
    """A training chat: the prompt without the kernel, and the answer without template debris."""
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer_of(text).text}]


def _meta(answer: DistilledAnswer, sample: int, by: Instrument, under: Mapping[str, Any]) -> dict[str, Any]:
    text = answer_of(answer.text).text
    total = by.score(Reading(text=text, prompt=answer.prompt)).total
    meta = {
        "probe_id": answer.probe_id or answer.cluster,
        "category": answer.domain or "",
        "sample_idx": sample,
        "lek_score": None if total is None else round(total, 2),
        "chars": len(text),
        "time_s": round(answer.wall_ms / 1e3, 2),
        **under,
        "ts": answer.at,
    }
    if "instrument" in under:
        meta["score"] = answer.score
    return meta


def _row(line: int, value: Any) -> DistilledRow:
    if not isinstance(value, Mapping) or value.get("type") != TRAINING:
        raise LabError(f'expected a line of type "{TRAINING}" or "{SUMMARY}"')
    training, meta = value.get("training"), value.get("meta")
    if not isinstance(training, Mapping) or "messages" not in training:
        raise LabError("training: expected messages")
    if not isinstance(meta, Mapping) or not isinstance(meta.get("probe_id"), str | int):
        raise LabError("meta: expected at least probe_id")
    reading = reading_of({"messages": training["messages"]})
    if not reading.prompt or not reading.text.strip():
        raise LabError("training.messages: expected a user's question and an assistant's answer")
    return DistilledRow(line, reading.prompt, reading.text, meta)


def _of_bytes(path: Path, data: bytes) -> DistilledFile:
    file = read(json_lines(io.BytesIO(data), MAX_LINE_BYTES))
    if not file.rows:
        raise LabError(f"{path}: no usable training row" + (f"; {file.bad[0]}" if file.bad else ""))
    return file


def _answers(file: DistilledFile) -> Iterator[ImportedAnswerRecord]:
    from store.ids import new_id, utc_now

    for row in file.rows:
        yield ImportedAnswerRecord(
            id=new_id(),
            import_id="",
            line=row.line,
            condition=DISTILLED,
            probe_id=row.probe_id,
            domain=str(row.said.get("category") or ""),
            prompt=row.prompt,
            text=row.answer,
            at=utc_now(),
            said=row.said,
        )


def _differences(file: DistilledFile, totals: Mapping[int, float | None]) -> Iterator[str]:
    """Every value that the file says otherwise than it is."""
    for row in file.rows:
        said, ours = row.said.get("lek_score"), totals[row.line]
        if isinstance(said, int | float) and ours is not None and abs(said - ours) > AGREES + 1e-9:
            yield f"line {row.line}: lek_score is said to be {said}, {SCORED_BY} gives {ours:.2f}"
    kept = (file.summary or {}).get("total_kept")
    if isinstance(kept, int) and kept != len(file.rows):
        yield f"the summary says {kept} kept answers, the file has {len(file.rows)} usable rows"
    if file.summary is None:
        yield "there is no summary line: the file may be cut short"


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"
