"""A stored comparison of known answers, for tests of what is made from one: reports, judges, files."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from typing import Any

from lab.compare.scores import pair_scores
from lab.scoring import instrument
from store.ids import new_id
from store.records import (
    ComparisonRecord,
    GenerationRecord,
    PlannedPair,
    ProbeRecord,
    SideRecord,
)
from store.service import StoreService
from tests.store import facts

LEFT, RIGHT = "run-left", "run-right"
_PLAIN = (
    "The archive keeps what it was given.",
    "People bring boxes and the boxes are put on shelves.",
    "Nobody asks for them often.",
    "It is a matter of space and of money.",
    "The rule is simple and it is followed.",
)
_RICH = (
    "I feel the weight of what was left out, and I want to understand it.",
    "However, those affected might see the same silence as a kind of shelter.",
    "On the other hand, dignity asks for consent before anything is opened.",
    "Consider that a nurse, a teacher and the community remember different people.",
    "What would it mean to trust them with the keys?",
    "Like a lantern in fog, memory shows a little and hides the rest.",
)


def texts(n: int, rich: bool, seed: int = 0) -> list[str]:
    """`n` answers of a few sentences each, plain ones or ones that lantern-v1 likes better."""
    dice = random.Random(f"{seed} {rich}")
    pool = _RICH if rich else _PLAIN
    return [" ".join(dice.choices(pool, k=dice.randint(3, 7))) for _ in range(n)]


def store_comparison(
    service: StoreService,
    left: Sequence[str],
    right: Sequence[str],
    /,
    *,
    domains: Sequence[str] = ("Un-Cloud", "Hypnos", "Culture"),
    sources: Sequence[str | None] = (),
    scored: bool = True,
    by: str = "lek-v2",
    **changes: Any,
) -> ComparisonRecord:
    """Keep a comparison of probes P00, P01 … answered by `left` and `right`; entropies are drawn by seed."""
    probes = [
        facts.probe(
            f"P{place:02}",
            domain=domains[place % len(domains)],
            prompt=f"What does archive {place} keep, and who decides?",
            sha256=facts.sha(f"probe {place}"),
            source_probe=sources[place] if place < len(sources) else None,
        )
        for place in range(len(left))
    ]
    record = ComparisonRecord(
        id=new_id(),
        name="wick | wick + tuned",
        left=_side(LEFT, "wick", None),
        right=_side(RIGHT, "wick + tuned", facts.sha("tuned")),
        pairs=tuple(
            PlannedPair(
                prompt=probe.prompt,
                seed=place,
                probe_battery=probe.battery,
                probe_id=probe.id,
                probe_sha256=probe.sha256,
            )
            for place, probe in enumerate(probes)
        ),
        battery="core",
        instrument=by,
        version=instrument(by).version,
        at=facts.START,
    )
    record = dataclasses.replace(record, **changes)
    answers = [
        [_answer(place, run, text, probes[place], record) for place, text in enumerate(said)]
        for run, said in ((record.left.run_id, left), (record.right.run_id, right))
    ]
    scores = [
        score
        for base, tuned in zip(*answers, strict=True)
        for score in pair_scores(base, tuned, instrument(by), {})
        if scored
    ]
    known = (facts.model(), facts.adapter(), facts.condition())
    service.append(*known, *probes, record, *answers[0], *answers[1], *scores)
    return record


def _side(run_id: str, words: str, adapter: str | None) -> SideRecord:
    return SideRecord(
        run_id=run_id,
        words=words,
        model_id=facts.sha("wick"),
        condition_id=facts.sha("baseline"),
        adapter_sha256=adapter,
    )


def _answer(
    place: int, run_id: str, text: str, probe: ProbeRecord, record: ComparisonRecord
) -> GenerationRecord:
    side = record.left if run_id == record.left.run_id else record.right
    n_tokens = max(len(text.split()), 2)
    trace = facts.trace(n_tokens, seed=place)
    ordered = sorted(trace.entropy_nats)
    return facts.generation(
        place,
        run_id=run_id,
        adapter_sha256=side.adapter_sha256,
        probe_battery=probe.battery,
        probe_id=probe.id,
        probe_sha256=probe.sha256,
        prompt=probe.prompt,
        text=text,
        n_tokens=n_tokens,
        trace=trace,
        mean_entropy_nats=sum(ordered) / n_tokens,
        median_entropy_nats=ordered[n_tokens // 2],
        p90_entropy_nats=ordered[int(0.9 * n_tokens)],
        max_entropy_nats=ordered[-1],
    )
