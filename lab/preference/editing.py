"""A better answer that a person writes over another one. Pure.

It is an answer of its own, with the other as its parent; nothing is overwritten. It stands against the answer
that it was not written over, and is preferred to it: that is why it was written.
"""

from __future__ import annotations

import dataclasses

from lab.errors import LabError
from lab.preference.put_up import put_up
from lab.preference.sides import stands_swapped
from store.ids import new_id, utc_now
from store.records import BY_HAND, GenerationRecord, JudgementRecord, PairRecord


def written_over(parent: GenerationRecord, text: str) -> GenerationRecord:
    """The answer of a person, to what the parent answered. Raises LabError when it says nothing new."""
    if not text.strip():
        raise LabError("the answer is empty")
    if text.strip() == parent.text.strip():
        raise LabError("the answer is unchanged")
    now = utc_now()
    return dataclasses.replace(
        parent,
        id=new_id(),
        run_id=None,
        model_id=BY_HAND,
        adapter_sha256=None,
        text=text,
        finish_reason="stop",
        n_tokens=0,
        started_at=now,
        at=now,
        prefill_ms=0.0,
        wall_ms=0.0,
        tokens_per_second=0.0,
        peak_memory_bytes=0,
        mean_entropy_nats=None,
        median_entropy_nats=None,
        p90_entropy_nats=None,
        max_entropy_nats=None,
        backend=BY_HAND,
        parent_id=parent.id,
        parent_token=None,
        trace=None,
    )


def preferred_by_its_writer(
    written: GenerationRecord, other_id: str, rater: str
) -> tuple[PairRecord, JudgementRecord]:
    """The new answer against the one that it was not written over, and its writer's verdict, not blind."""
    pair = put_up(
        written.id,
        other_id,
        source="edited",
        probe_battery=written.probe_battery,
        probe_id=written.probe_id,
    )
    swapped = stands_swapped(pair.id, rater, 0)
    left, right = (pair.second_id, pair.first_id) if swapped else (pair.first_id, pair.second_id)
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
