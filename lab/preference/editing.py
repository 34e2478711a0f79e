"""A better answer that a person writes over another one. Pure.

It is an answer of its own, with the other as its parent; nothing is overwritten. It stands against the answer
that it was not written over, and is preferred to it: that is why it was written.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.preference.candidates import Answer, pair_record
from lab.preference.desk import Card
from store.ids import new_id, utc_now
from store.records import BY_HAND, GenerationRecord, JudgementRecord, PairRecord

if TYPE_CHECKING:
    from store.queries.judgements import PairAnswer, PairToJudge

STRATUM = "edited"


def written_over(pair: PairToJudge, over: PairAnswer, text: str) -> GenerationRecord:
    """The answer of a person to the pair's prompt. Raises LabError when it says nothing new."""
    if not text.strip():
        raise LabError("the answer is empty")
    if text.strip() == over.text.strip():
        raise LabError("the answer is unchanged")
    now = utc_now()
    return GenerationRecord(
        id=new_id(),
        run_id=None,
        model_id=BY_HAND,
        adapter_sha256=None,
        condition_id=BY_HAND,
        kernel_placement="none",
        probe_battery=pair.probe_battery,
        probe_id=pair.probe_id,
        probe_sha256=over.probe_sha256,
        prompt=pair.prompt,
        seed=0,
        text=text,
        finish_reason="stop",
        prompt_tokens=0,
        n_tokens=0,
        started_at=now,
        prefill_ms=0.0,
        wall_ms=0.0,
        tokens_per_second=0.0,
        peak_memory_bytes=0,
        mean_entropy_nats=None,
        median_entropy_nats=None,
        p90_entropy_nats=None,
        max_entropy_nats=None,
        backend=BY_HAND,
        at=now,
        parent_id=over.generation_id,
    )


def preferred_by_its_writer(
    written: GenerationRecord, other: PairAnswer, rater: str
) -> tuple[PairRecord, JudgementRecord]:
    """The new answer against the one that it was not written over, and its writer's verdict, not blind."""
    pair = pair_record(
        _answer(written), _of_pair(other, written), source="edited", stratum=STRATUM, instrument=None
    )
    left, right = Card(pair.id, pair.first_id, pair.second_id, 0).sides(rater)
    return pair, JudgementRecord(
        id=new_id(),
        pair_id=pair.id,
        rater=rater,
        pass_number=0,
        action="verdict",
        left_id=left,
        right_id=right,
        verdict="left" if left == written.id else "right",
        at=utc_now(),
        blind=False,
    )


def _answer(written: GenerationRecord) -> Answer:
    return Answer(
        id=written.id,
        prompt=written.prompt,
        text=written.text,
        total=None,
        probe_battery=written.probe_battery,
        probe_id=written.probe_id,
    )


def _of_pair(other: PairAnswer, written: GenerationRecord) -> Answer:
    return dataclasses.replace(_answer(written), id=other.generation_id, text=other.text)
