"""From answers to pairs that wait for a verdict: score what has no score, choose, put up.

Nothing generated is thrown away: every answer of a sweep is a generation with its scores, also those of which
no pair is made. No model code is imported here; who makes the answers (see `lab.preference.sweep`) is the
caller's business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.measure.instrument import Instrument, Reading
from lab.preference.candidates import Answer, Choice, Direction, choose, pair_record
from lab.preference.selection import REFERENCE
from lab.preference.similarity import NEAR_IDENTICAL
from lab.protocol import Ask, Finished, Progress
from lab.scoring import score_record
from store.ids import new_id, utc_now
from store.records import (
    GenerationRecord,
    ImportedAnswerRecord,
    ImportedFileRecord,
    PairRecord,
    PairSource,
    PlannedAnswer,
    ScoreRecord,
    SweepRecord,
)

if TYPE_CHECKING:
    from lab.session import Session
    from store.queries.pairs import PairableAnswer
    from store.service import StoreService

STORED = "stored"
REFERENCE_FIELD = "reference_chosen"
MOST_ANSWERS = 50
"""So many stored answers to one probe are looked at, the newest."""


def run_sweep(
    sweep: SweepRecord,
    asked: Sequence[Ask],
    by: Instrument,
    session: Session,
    store: StoreService,
    *,
    batch_size: int = 8,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Progress | GenerationRecord]:
    """Make the answers `asked` of a sweep, each kept with its score before it is yielded.

    Ends early when `should_stop` turns true; what is finished stays.
    """
    probes = _probe_fields(store, sweep)
    for event in session.generate(sweep.id, asked, batch_size, should_stop):
        if isinstance(event, Progress):
            yield event
        elif isinstance(event, Finished) and event.generation["finish_reason"] != "cancelled":
            answer = GenerationRecord(**event.generation)
            reading = Reading(
                text=answer.text,
                prompt=answer.prompt,
                finish_reason=answer.finish_reason,
                n_tokens=answer.n_tokens,
                probe=probes.get(answer.probe_sha256 or "", {}),
            )
            score = by.score(reading)
            if score.total is not None:
                session.keep(score_record(answer.id, score, by))
            yield answer


def finish(
    store: StoreService, sweep: SweepRecord, n: int, by: Instrument, *, references: bool = False
) -> Choice:
    """Put up at most `n` pairs from the answers that a sweep has; those without a score get one first.

    With `references` the answers written with probes that give a direction stand against the model's own:
    the rejected answer is then on-policy and the chosen one shows what is wanted.
    """
    from store.queries.pairs import swept

    store.ingest()
    more = reference_answers(store, _probe_fields(store, sweep), sweep, by) if references else []
    return put_up(store, list(store.query(swept, sweep.id).values()), n, by, source="sweep", more=more)


def from_stored(store: StoreService, probe_sha256s: Sequence[str], n: int, by: Instrument) -> Choice:
    """Put up at most `n` pairs from the answers that these revisions of probes have, whoever made them."""
    from store.queries.pairs import answers_to

    store.ingest()
    return put_up(store, store.query(answers_to, probe_sha256s, MOST_ANSWERS), n, by, source="stored")


def put_up(
    store: StoreService,
    answer_ids: Sequence[str],
    n: int,
    by: Instrument,
    *,
    source: PairSource,
    more: Sequence[Answer] = (),
) -> Choice:
    """Choose at most `n` pairs among these answers, and `more` of them, and keep the pairs."""
    from store.queries.pairs import known_pairs

    answers = [*scored(store, answer_ids, by), *more]
    choice = choose(answers, n, instrument=by.name, source=source, known=store.query(known_pairs))
    if choice.pairs:
        store.append(*choice.pairs)
    return choice


def reference_answers(
    store: StoreService, fields: Mapping[str, Mapping[str, object]], sweep: SweepRecord, by: Instrument
) -> list[Answer]:
    """The answers that were written with a sweep's directions, as imported answers, each kept once."""
    from store.queries.imports import import_of, imported_answers

    wanted = {
        one.probe_sha256: one
        for one in sweep.answers
        if one.probe_sha256 and _direction(fields.get(one.probe_sha256, {}).get("kind"))
    }
    found: list[Answer] = []
    for sha256, planned in wanted.items():
        text = fields[sha256].get(REFERENCE_FIELD)
        if not isinstance(text, str):
            continue
        name = hashlib.sha256(f"{REFERENCE_FIELD}\n{sha256}".encode()).hexdigest()
        known = store.query(import_of, name)
        if known is None:
            answer = _reference(planned, text)
            file = ImportedFileRecord(
                id=answer.import_id,
                form=REFERENCE,
                sources=(str(planned.probe_battery),),
                sha256=name,
                model_name=REFERENCE,
                at=utc_now(),
            )
            store.append(answer, file)
        else:
            answer = store.query(imported_answers, known)[0].record
        found.append(
            Answer(
                id=answer.id,
                prompt=answer.prompt,
                text=text,
                total=by.score(Reading(text=text, prompt=answer.prompt, probe=fields[sha256])).total,
                probe_battery=planned.probe_battery,
                probe_id=planned.probe_id,
                direction=_direction(fields[sha256].get("kind")),
                is_reference=True,
            )
        )
    return found


def _reference(planned: PlannedAnswer, text: str) -> ImportedAnswerRecord:
    return ImportedAnswerRecord(
        id=new_id(),
        import_id=new_id(),
        line=1,
        condition=REFERENCE,
        probe_id=str(planned.probe_id),
        domain=str(planned.probe_battery),
        prompt=planned.prompt,
        text=text,
        at=utc_now(),
    )


def put_up_two(store: StoreService, answer_ids: tuple[str, str], by: Instrument) -> PairRecord:
    """Put up these two stored answers to one question. Raises LabError where they make no pair."""
    store.ingest()
    found = {answer.id: answer for answer in scored(store, answer_ids, by)}
    for answer_id in answer_ids:
        if answer_id not in found:
            raise LabError(f"no answer {answer_id!r} in the store")
    if len(found) < 2:
        raise LabError("a pair needs two answers, not one twice")
    one, other = (found[answer_id] for answer_id in answer_ids)
    if one.question != other.question:
        raise LabError("these answers are to different questions: a pair needs two answers to one")
    pair = pair_record(one, other, source="stored", stratum=STORED, instrument=by.name)
    store.append(pair)
    return pair


def is_near_identical(pair: PairRecord) -> bool:
    """Whether the two texts differ in a word or two."""
    return (pair.similarity or 0.0) >= NEAR_IDENTICAL


def scored(store: StoreService, answer_ids: Sequence[str], by: Instrument) -> list[Answer]:
    """These answers with their totals; what this version of the instrument has not read, it reads now."""
    from store.queries.pairs import pairable

    answers: list[Answer] = []
    new: list[ScoreRecord] = []
    for row in store.query(pairable, answer_ids, by.name, by.version):
        total = row.total
        if total is None:
            score = by.score(_reading(row))
            total = score.total
            if total is not None:
                new.append(score_record(row.id, score, by))
        answers.append(
            Answer(
                id=row.id,
                prompt=row.prompt,
                text=row.text,
                total=total,
                probe_battery=row.probe_battery,
                probe_id=row.probe_id,
                direction=_direction(row.probe.get("kind")),
            )
        )
    if new:
        store.append(*new)
    return answers


def _direction(kind: object) -> Direction | None:
    if kind == "accept":
        return "accept"
    return "pushback" if kind == "pushback" else None


def _reading(row: PairableAnswer) -> Reading:
    return Reading(
        text=row.text,
        prompt=row.prompt,
        finish_reason=row.finish_reason,
        n_tokens=row.n_tokens,
        probe=row.probe,
    )


def _probe_fields(store: StoreService, sweep: SweepRecord) -> dict[str, dict[str, object]]:
    from store.queries.pairs import probe_fields

    return store.query(probe_fields, sorted({one.probe_sha256 for one in sweep.answers if one.probe_sha256}))
