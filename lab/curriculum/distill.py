"""A distillation under way: answers made in batches, scored, and kept before they are told.

Stopped at any point, it goes on where it was. Several processes may work on one distillation, each on its
part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.compare.resume import restored
from lab.compare.scores import can_score
from lab.compare.sides import Side, condition_records, side_record
from lab.curriculum.plan import as_ask, left_to_ask, new_distillation
from lab.decode.loop import never
from lab.errors import LabError
from lab.measure.instrument import Instrument, Reading
from lab.protocol import Finished, Progress
from lab.scoring import instrument, score_record
from lab.session import Session
from store.home import Home
from store.queries import stored_side
from store.queries.distilled import distilled_already, distilled_answers, probe_fields
from store.records import DistillationRecord, DistilledQuestion, GenerationRecord, ScoreRecord, SideRecord
from store.service import StoreService

BATCH_SIZE = 8


@dataclass(frozen=True, slots=True)
class Distilled:
    """An answer with its score (None where the instrument has none for it); both are on disk."""

    answer: GenerationRecord
    score: float | None
    kept: bool


def is_kept(finish_reason: str, score: float | None, threshold: float | None) -> bool:
    """Whether an answer can become training data: whole, scored, and no less than the threshold."""
    if finish_reason != "stop" or score is None:
        return False
    return threshold is None or score >= threshold


def identify(session: Session, side: Side) -> SideRecord:
    """The side as it is kept; its adapter is attached, its kernel and condition are in the journal."""
    attached = session.attach((side.adapter,) if side.adapter else ())
    session.keep(*condition_records(side))
    return side_record(side, session.loaded.record, attached[0] if attached else None)


def begin(
    session: Session,
    store: StoreService,
    side: Side,
    questions: Sequence[DistilledQuestion],
    by: Instrument,
    *,
    battery: str,
    samples: int = 1,
    threshold: float | None = None,
    seed: int = 0,
    name: str | None = None,
) -> DistillationRecord:
    """A new distillation, in the store when this returns. Raises LabError where nothing can be scored."""
    refuse_unscorable(store, questions, by)
    planned = new_distillation(
        identify(session, side),
        questions,
        battery=battery,
        instrument=by.name,
        version=by.version,
        samples=samples,
        threshold=threshold,
        seed=seed,
        name=name,
    )
    session.keep(planned)
    store.ingest()
    return planned


def refuse_unscorable(store: StoreService, questions: Sequence[DistilledQuestion], by: Instrument) -> None:
    """Before an hour of answers is made that nothing can be said of."""
    fields = _fields(questions, store)
    probes = ((one.prompt, fields.get(one.probe_sha256 or "", {})) for one in questions)
    if not any(can_score(by, prompt, probe) for prompt, probe in probes):
        raise LabError(
            f"{by.name} gives no total for any of these probes ({by.description[:1].lower()}"
            f"{by.description[1:].rstrip('.')}): choose other probes or another --instrument"
        )


def instrument_of(distillation: DistillationRecord, home: Home) -> Instrument:
    """The instrument a distillation is scored by. Raises LabError when it is another version by now."""
    by = instrument(distillation.instrument, home.config / "rubrics")
    if by.version != distillation.version:
        raise LabError(
            f"the distillation is scored by {by.name} {distillation.version}, and it is at {by.version} now: "
            "begin a new one"
        )
    return by


def restore(store: StoreService, distillation: DistillationRecord) -> Side:
    """The side of a stored distillation, to go on with it. Raises LabError naming what is gone."""
    return restored(distillation.side, store.query(stored_side, distillation.side))


def run(
    distillation: DistillationRecord,
    side: Side,
    by: Instrument,
    session: Session,
    store: StoreService,
    *,
    batch_size: int = BATCH_SIZE,
    rank: int = 0,
    ranks: int = 1,
    should_stop: Callable[[], bool] = never,
) -> Iterator[Distilled | Progress]:
    """Make and score what is left of a distillation, of one rank's part; ends early when `should_stop` does.

    The distillation must be in the store. Raises LabError when the model or the adapter are not what they
    were when it began, and StoreError when something cannot be kept.
    """
    store.ingest()
    attached = session.attach((side.adapter,) if side.adapter else ())
    _refuse_others(distillation, session.loaded.record.id, [adapter.id for adapter in attached])
    fields = _fields(distillation.questions, store)
    if rank == 0:
        yield from _score_answered(distillation, by, fields, store)
    asked = left_to_ask(distillation, store.query(distilled_already, distillation.id), rank, ranks)
    asks = [as_ask(distillation, one, side) for one in asked]
    for event in session.generate(distillation.id, asks, batch_size, should_stop):
        if isinstance(event, Progress):
            yield event
        elif isinstance(event, Finished) and event.generation["finish_reason"] != "cancelled":
            answer = GenerationRecord(**event.generation)
            probe = fields.get(distillation.questions[asked[event.ask].place].probe_sha256 or "", {})
            yield _judged(distillation, answer, by, probe, session.keep)


def _score_answered(
    distillation: DistillationRecord, by: Instrument, fields: Mapping[str, Any], store: StoreService
) -> Iterator[Distilled]:
    """Score the answers that a killed process kept and did not come to score."""
    from store.queries import generation

    for row in store.query(distilled_answers, distillation.id):
        if row.score is None:
            stored = store.query(generation, row.generation_id)
            assert stored is not None
            probe = fields.get(distillation.questions[row.place].probe_sha256 or "", {})
            yield _judged(distillation, stored.generation, by, probe, store.append)


def _judged(
    distillation: DistillationRecord,
    answer: GenerationRecord,
    by: Instrument,
    probe: Mapping[str, object],
    keep: Callable[[ScoreRecord], None],
) -> Distilled:
    score = by.score(
        Reading(
            text=answer.text,
            prompt=answer.prompt,
            finish_reason=answer.finish_reason,
            n_tokens=answer.n_tokens,
            probe=probe,
        )
    )
    if score.total is not None:
        keep(score_record(answer.id, score, by))
    return Distilled(answer, score.total, is_kept(answer.finish_reason, score.total, distillation.threshold))


def _fields(questions: Sequence[DistilledQuestion], store: StoreService) -> dict[str, Mapping[str, Any]]:
    """By the hash of a probe, the further fields that an instrument may ask for."""
    asked = {question.probe_sha256 for question in questions if question.probe_sha256}
    return store.query(probe_fields, sorted(asked))


def _refuse_others(distillation: DistillationRecord, model_id: str, adapter_ids: list[str]) -> None:
    """A distillation goes on with the very weights that it began with."""
    side = distillation.side
    if side.model_id != model_id:
        raise LabError(
            f"the model of {side.words} is not what the distillation began with (its weights, tokenizer or "
            "template changed): begin a new one"
        )
    if side.adapter_sha256 is not None and side.adapter_sha256 not in adapter_ids:
        raise LabError(f"the adapter of {side.words} changed since the distillation began: begin a new one")
