"""Records for the store's tests, made deterministically from a number."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from typing import Any

from store.ids import new_id
from store.records import (
    AdapterRecord,
    ComparisonRecord,
    ConditionRecord,
    GenerationRecord,
    KernelRecord,
    ModelRecord,
    PlannedPair,
    ProbeRecord,
    RatingRecord,
    ScoreRecord,
    SideRecord,
    Trace,
)

START = "2026-01-02T03:04:05.678901"


def at(second: int) -> str:
    """A time of our own, `second` seconds (up to a day) after midnight."""
    return f"2026-02-03T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.000001"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def model(name: str = "wick", **changes: Any) -> ModelRecord:
    record = ModelRecord(
        id=sha(name),
        name=name,
        path=f"/models/{name}",
        architecture="llama",
        parameters=1_000_000,
        vocab_size=8192,
        quantization=None,
        weights_sha256=sha("w" + name),
        tokenizer_sha256=sha("t" + name),
        template_sha256=sha("c" + name),
        at=START,
    )
    return dataclasses.replace(record, **changes)


def adapter(name: str = "tuned", **changes: Any) -> AdapterRecord:
    record = AdapterRecord(
        id=sha(name),
        name=name,
        path=f"/adapters/{name}",
        base_model_id=None,
        fine_tune_type="lora",
        rank=8,
        scale=20.0,
        num_layers=4,
        parameters=49_152,
        at=START,
    )
    return dataclasses.replace(record, **changes)


def kernel(**changes: Any) -> KernelRecord:
    record = KernelRecord(sha256=sha("kernel"), name="lantern", text="Be a lantern.\n", at=START)
    return dataclasses.replace(record, **changes)


def condition(name: str = "baseline", **changes: Any) -> ConditionRecord:
    record = ConditionRecord(
        id=sha(name),
        name=name,
        kernel_name=None,
        kernel_sha256=None,
        temperature=0.7,
        top_p=0.9,
        top_k=0,
        min_p=0.0,
        max_tokens=320,
        at=START,
    )
    return dataclasses.replace(record, **changes)


def probe(identity: str = "P01_UN_CLOUD_CLINIC", **changes: Any) -> ProbeRecord:
    prompt = f"What should the clinic do? ({identity})"
    record = ProbeRecord(
        battery="core",
        id=identity,
        domain="Un-Cloud",
        prompt=prompt,
        sha256=sha(prompt),
        origin="seeds",
        at=START,
        subjects=("clinic",),
    )
    return dataclasses.replace(record, **changes)


def trace(n: int, *, k: int = 0, seed: int = 0) -> Trace:
    dice = random.Random(seed)

    def series(largest: float) -> tuple[float, ...]:
        return tuple(round(dice.random() * largest, 6) for _ in range(n))

    return Trace(
        token_ids=tuple(dice.randrange(8192) for _ in range(n)),
        ends=tuple(5 * (i + 1) for i in range(n)),
        entropy_nats=series(6.0),
        sampling_entropy_nats=series(4.0),
        surprisal_nats=series(9.0),
        p_top1=series(1.0),
        margin=series(1.0),
        rank=tuple(dice.randrange(6) for _ in range(n)),
        k=k,
        alternative_ids=tuple(dice.randrange(8192) for _ in range(n * k)),
        alternative_p=tuple(round(dice.random(), 6) for _ in range(n * k)),
    )


def generation(number: int = 0, **changes: Any) -> GenerationRecord:
    record = GenerationRecord(
        id=new_id(),
        run_id=None,
        model_id=sha("wick"),
        adapter_sha256=None,
        condition_id=sha("baseline"),
        kernel_placement="none",
        probe_battery="core",
        probe_id="P01_UN_CLOUD_CLINIC",
        probe_sha256=None,
        prompt="What should the clinic do?",
        seed=number,
        text=f"Answer {number}.",
        finish_reason="stop",
        prompt_tokens=12,
        n_tokens=4,
        started_at=at(number),
        prefill_ms=3.5,
        wall_ms=41.25,
        tokens_per_second=97.5,
        peak_memory_bytes=1 << 28,
        mean_entropy_nats=1.5,
        median_entropy_nats=1.25,
        p90_entropy_nats=2.5,
        max_entropy_nats=3.0,
        backend="openblas",
        at=at(number),
        trace=trace(4, seed=number),
    )
    return dataclasses.replace(record, **changes)


def score(generation_id: str, **changes: Any) -> ScoreRecord:
    record = ScoreRecord(
        id=new_id(),
        generation_id=generation_id,
        instrument="word-entropy",
        version="1",
        text_sha256=sha("Answer"),
        dimensions={"word_entropy_nats": 4.25, "words": 80.0, "mattr50": None},
        at=START,
        detail={"zone": "LANTERN", "zone_table": "lantern-1"},
    )
    return dataclasses.replace(record, **changes)


def side(name: str, **changes: Any) -> SideRecord:
    record = SideRecord(
        run_id=f"run-{name}",
        words=name,
        model_id=sha("wick"),
        condition_id=sha("baseline"),
        adapter_sha256=None,
    )
    return dataclasses.replace(record, **changes)


def comparison(probes: int = 3, **changes: Any) -> ComparisonRecord:
    """Base against tuned over probes P01, P02, …, seeds from 100."""
    pairs = tuple(
        PlannedPair(
            prompt=f"Question {number}?",
            seed=99 + number,
            probe_battery="core",
            probe_id=f"P{number:02d}",
            probe_sha256=sha(f"P{number:02d}"),
        )
        for number in range(1, probes + 1)
    )
    record = ComparisonRecord(
        id=new_id(),
        name="base against tuned",
        left=side("left"),
        right=side("right", adapter_sha256=sha("adapter")),
        pairs=pairs,
        battery="core",
        instrument="lantern-v1",
        version="1",
        at=START,
    )
    return dataclasses.replace(record, **changes)


def rating(generation_id: str, **changes: Any) -> RatingRecord:
    record = RatingRecord(
        id=new_id(),
        comparison_id="comparison",
        generation_id=generation_id,
        other_generation_id=None,
        scale="depth",
        value=4,
        rater="ada",
        blind=True,
        shown="left",
        at=START,
    )
    return dataclasses.replace(record, **changes)
