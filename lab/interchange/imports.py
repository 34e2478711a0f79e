"""Files of answers into the store and back: scored again by a named instrument, held against what they say.

An import keeps what a file says beside what the lab finds, and nothing that neither knows. Reading the same
files again changes nothing.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.interchange.ab import BASELINE, AbFile, read
from lab.interchange.ab_values import Differs, differences, score_all
from lab.interchange.lm_eval import PairedSamples, Sample, pair, read_samples
from lab.measure.instrument import Instrument, Score
from lab.scoring import score_record
from lab.textfiles import BadRow, json_lines, read_bytes
from store.ids import new_id, utc_now
from store.records import ImportedAnswerRecord, ImportedFileRecord, ScoreRecord

if TYPE_CHECKING:
    from store.service import StoreService

AB, LM_EVAL = "ab", "lm-eval"
TUNED = "tuned"
MAX_BYTES = 1 << 30
MAX_LINE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of an import: its id, whether it was there already, and what to tell of it."""

    id: str
    known: bool
    form: str
    probes: int
    answers: int
    conditions: tuple[str, ...]
    differs: tuple[Differs, ...]
    bad: tuple[BadRow, ...]
    notes: tuple[str, ...] = ()


def import_ab(service: StoreService, path: Path, by: Instrument) -> Imported:
    """Bring in a file of A/B results. Raises LabError when it has no answer that can be used."""
    data = read_bytes(path, MAX_BYTES)
    file = read(json_lines(io.BytesIO(data), MAX_LINE_BYTES))
    if not file.probes:
        raise LabError(f"{path}: no usable probe" + (f"; {file.bad[0]}" if file.bad else ""))
    scores = score_all(file, by.score)
    import_id, known = kept(
        service, [data], AB, [path.name], file.model, file.summary or {}, _ab_answers(file)
    )
    keep_scores(service, import_id, lambda answer: scores.get((answer.probe_id, answer.condition)), by)
    return Imported(
        id=import_id,
        known=known,
        form=AB,
        probes=len(file.probes),
        answers=len(scores),
        conditions=file.conditions,
        differs=tuple(differences(file, scores)),
        bad=file.bad,
    )


def import_lm_eval(
    service: StoreService,
    base: Path,
    tuned: Path,
    *,
    metric: str | None = None,
    by_filter: str | None = None,
) -> Imported:
    """Bring in the samples of two runs of one task, paired on `doc_hash`. Raises LabError without a pair."""
    contents = [read_bytes(path, MAX_BYTES) for path in (base, tuned)]
    sides = [read_samples(json_lines(io.BytesIO(data), MAX_LINE_BYTES)) for data in contents]
    for path, side in zip((base, tuned), sides, strict=True):
        if not side.samples:
            raise LabError(f"{path}: no usable sample" + (f"; {side.bad[0]}" if side.bad else ""))
    paired = pair(sides[0], sides[1], metric, by_filter)
    said = {"metric": paired.metric, "filter": paired.filter}
    import_id, known = kept(
        service, contents, LM_EVAL, [base.name, tuned.name], None, said, _lm_eval_answers(paired), said
    )
    _keep_metrics(service, import_id, paired)
    return Imported(
        id=import_id,
        known=known,
        form=LM_EVAL,
        probes=len(paired.pairs),
        answers=2 * len(paired.pairs),
        conditions=(BASELINE, TUNED),
        differs=(),
        bad=tuple(
            BadRow(row.line, f"{path.name}: {row.reason}")
            for path, side in zip((base, tuned), sides, strict=True)
            for row in side.bad
        ),
        notes=_pairing_notes(paired),
    )


def _pairing_notes(paired: PairedSamples) -> tuple[str, ...]:
    notes = [f"{paired.metric} under the filter {paired.filter}, as the harness says it"]
    if paired.only_base or paired.only_tuned:
        notes.append(
            f"without a partner: {paired.only_base} of the base, {paired.only_tuned} of the tuned file"
        )
    if paired.other_prompts:
        notes.append(
            f"{paired.other_prompts} of {len(paired.pairs)} documents were asked in other words on the two "
            "sides: their scores are hard to compare"
        )
    return tuple(notes)


def kept(
    service: StoreService,
    contents: Sequence[bytes],
    form: str,
    sources: Sequence[str],
    model_name: str | None,
    said: Mapping[str, object],
    answers: Iterator[ImportedAnswerRecord],
    choice: Mapping[str, object] | None = None,
) -> tuple[str, bool]:
    """The id of the import of these contents, kept now unless it is there already."""
    from store.queries.imports import import_of

    digest = hashlib.sha256()
    for data in (form.encode(), *contents, *(str(value).encode() for value in (choice or {}).values())):
        digest.update(hashlib.sha256(data).digest())
    service.ingest()
    known = service.query(import_of, digest.hexdigest())
    if known is not None:
        return known, True
    record = ImportedFileRecord(
        id=new_id(),
        form=form,
        sources=tuple(sources),
        sha256=digest.hexdigest(),
        model_name=model_name,
        at=utc_now(),
        said=said,
    )
    service.append(record, *(replace(answer, import_id=record.id) for answer in answers))
    return record.id, False


def _ab_answers(file: AbFile) -> Iterator[ImportedAnswerRecord]:
    for probe in file.probes:
        for answer in probe.answers:
            yield ImportedAnswerRecord(
                id=new_id(),
                import_id="",
                line=probe.line,
                condition=answer.condition,
                probe_id=probe.id,
                domain=probe.category,
                prompt=probe.prompt,
                text=answer.text,
                at=utc_now(),
                said=answer.said,
                said_of_probe={} if probe.ts is None else {"ts": probe.ts},
            )


def _lm_eval_answers(paired: PairedSamples) -> Iterator[ImportedAnswerRecord]:
    for samples in paired.pairs:
        for condition, sample in zip((BASELINE, TUNED), samples, strict=True):
            yield ImportedAnswerRecord(
                id=new_id(),
                import_id="",
                line=sample.line,
                condition=condition,
                probe_id=_document(samples[0]),
                domain=paired.filter,
                prompt=sample.prompt,
                text=sample.text,
                at=utc_now(),
                said=dict(sample.metrics),
                said_of_probe={
                    "doc_hash": sample.doc_hash,
                    "doc_id": sample.doc_id,
                    "prompt_hash": sample.prompt_hash,
                    "target": sample.target,
                },
            )


def _document(sample: Sample) -> str:
    """A name for a document: its number in the task, and enough of its hash to be alone."""
    return f"{sample.doc_id} {sample.doc_hash[:12]}"


def keep_scores(
    service: StoreService,
    import_id: str,
    score_of: Callable[[ImportedAnswerRecord], Score | None],
    by: Instrument,
) -> None:
    """Keep what the instrument says of the answers that this version of it has not judged."""
    from store.queries.imports import imported_answers

    new: list[ScoreRecord] = []
    for answer in service.query(imported_answers, import_id):
        score = score_of(answer.record)
        if score is not None and (by.name, by.version) not in answer.scores and score.total is not None:
            new.append(score_record(answer.record.id, score, by))
    if new:
        service.append(*new)


def _keep_metrics(service: StoreService, import_id: str, paired: PairedSamples) -> None:
    from lab.measure.instrument import text_sha256
    from store.queries.imports import imported_answers

    name, version = metric_instrument(paired.metric, paired.filter)
    new = [
        ScoreRecord(
            id=new_id(),
            generation_id=answer.record.id,
            instrument=name,
            version=version,
            text_sha256=text_sha256(answer.record.text or ""),
            dimensions={key: float(str(value)) for key, value in answer.record.said.items()},
            total=float(str(answer.record.said[paired.metric])),
            at=utc_now(),
            detail={"said_by": "lm-evaluation-harness"},
        )
        for answer in service.query(imported_answers, import_id)
        if (name, version) not in answer.scores
    ]
    if new:
        service.append(*new)


def metric_instrument(metric: str, by_filter: str) -> tuple[str, str]:
    """The instrument and version under which a metric of the harness is kept."""
    return f"{LM_EVAL}/{metric}", by_filter
