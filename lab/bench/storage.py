"""How fast answers are kept: journal lines a second, and answers a second into DuckDB."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from store.backup import rebuild
from store.home import Home
from store.journal import Journal, new_id, utc_now
from store.records import GenerationRecord, Trace
from store.service import StoreService

TOKENS = 300


@dataclass(frozen=True)
class StorageFigures:
    """Rates for answers of 300 tokens with their full trace (no alternatives)."""

    answers: int
    journal_per_s: float
    durable_ms: float
    ingest_per_s: float
    rebuild_per_s: float


def measure_storage(answers: int = 2_000) -> StorageFigures:
    """Journal, ingest and rebuild `answers` synthetic answers in a home of their own, thrown away after."""
    records = [_answer(seed) for seed in range(answers)]
    with tempfile.TemporaryDirectory() as folder:
        home = Home.resolve(Path(folder))
        service = StoreService(home)
        service.ingest()
        with Journal.open(home, "bench") as journal:
            durable = [_append_durably_s(journal, _answer(seed)) for seed in range(50)]
            journal_s = _seconds(lambda: _append_all(journal, records))
        ingest_s = _seconds(service.ingest)
        rebuild_s = _seconds(lambda: rebuild(service))
        service.close()
    return StorageFigures(
        answers=answers,
        journal_per_s=answers / journal_s,
        durable_ms=statistics.median(durable) * 1e3,
        ingest_per_s=answers / ingest_s,
        rebuild_per_s=answers / rebuild_s,
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _append_durably_s(journal: Journal, record: GenerationRecord) -> float:
    return _seconds(lambda: journal.append(record, durable=True))


def _append_all(journal: Journal, records: Sequence[GenerationRecord]) -> None:
    for record in records:
        journal.append(record)


def _answer(seed: int) -> GenerationRecord:
    chance = random.Random(seed)
    words = [f"word{chance.randrange(4000)}" for _ in range(TOKENS)]
    series = tuple(round(chance.uniform(0, 5), 6) for _ in range(TOKENS))
    shares = tuple(round(chance.random(), 6) for _ in range(TOKENS))
    integers = tuple(chance.randrange(4000) for _ in range(TOKENS))
    return GenerationRecord(
        id=new_id(),
        run_id=None,
        model_id="bench",
        adapter_sha256=None,
        condition_id="bench",
        kernel_placement="none",
        probe_battery=None,
        probe_id=None,
        probe_sha256=None,
        prompt="A prompt of the usual length.",
        seed=seed,
        text=" ".join(words),
        finish_reason="stop",
        prompt_tokens=100,
        n_tokens=TOKENS,
        started_at=utc_now(),
        prefill_ms=10.0,
        wall_ms=900.0,
        tokens_per_second=300.0,
        peak_memory_bytes=2**30,
        mean_entropy_nats=sum(series) / TOKENS,
        median_entropy_nats=statistics.median(series),
        p90_entropy_nats=max(series),
        max_entropy_nats=max(series),
        backend="bench",
        at=utc_now(),
        trace=Trace(
            token_ids=integers,
            ends=tuple(range(1, TOKENS + 1)),
            entropy_nats=series,
            sampling_entropy_nats=series,
            surprisal_nats=series,
            p_top1=shares,
            margin=shares,
            rank=integers,
        ),
    )
