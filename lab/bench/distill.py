"""Distillation against `mlx_lm.generate` one by one: answers a second under a kernel, kept and scored.

Ours is all that `lantern distill` does: batches that share the kernel's cache, the journal, the scores. The
peer's is only the text. They take turns answer by answer, so that a busy machine slows both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lab.bench.decode import Side as Worker
from lab.bench.decode import as_mlx_lm_loads, warm_up
from lab.blas import usual_threads
from lab.compare.sides import Side
from lab.curriculum.distill import BATCH_SIZE, Distilled, begin, run
from lab.curriculum.plan import questions_of
from lab.decode.types import Sampling
from lab.kernels import Kernel
from lab.models.load import LoadedModel
from lab.models.mlx_lm_api import generate, make_sampler
from lab.models.runtime import mx
from lab.models.template import render
from lab.scoring import DEFAULT_INSTRUMENT, instrument
from lab.session import Session
from store.home import Home
from store.journal import Journal
from store.records import ProbeRecord
from store.service import StoreService

LEAST_GAIN = 3.0


@dataclass(frozen=True, slots=True)
class DistillGain:
    """Answers a second of a distillation and of the peer; `bar` is what the gain is to be."""

    model: str
    backend: str
    kernel: str
    answers: int
    batch_size: int
    ours_answers_per_s: float
    peer_answers_per_s: float
    ours_mean_tokens: float
    peer_mean_tokens: float
    gain: float
    gain_cpu: float
    bar: float

    @property
    def holds(self) -> bool:
        return self.gain >= self.bar


def distill_gain(
    loaded: LoadedModel,
    probes: Sequence[ProbeRecord],
    kernel: Kernel,
    sampling: Sampling,
    *,
    batch_size: int = BATCH_SIZE,
) -> DistillGain:
    """Distill every probe once in a home that is then thrown away, and ask the peer the same."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home.resolve(Path(folder))
        with closing(StoreService(home)) as store, Journal.open(home, "bench") as journal:
            return _gain(loaded, probes, kernel, sampling, batch_size, store, Session(loaded, journal))


def _gain(
    loaded: LoadedModel,
    probes: Sequence[ProbeRecord],
    kernel: Kernel,
    sampling: Sampling,
    batch_size: int,
    store: StoreService,
    session: Session,
) -> DistillGain:
    side, by = Side(loaded.record.path, sampling, kernel=kernel), instrument(DEFAULT_INSTRUMENT)
    planned = begin(session, store, side, questions_of(probes), by, battery="bench")
    peer_model = as_mlx_lm_loads(loaded)
    sampler = make_sampler(sampling.temperature, sampling.top_p, sampling.min_p, top_k=sampling.top_k)
    warm_up(loaded, peer_model)
    ours, peer = Worker(), Worker()
    made = run(planned, side, by, session, store, batch_size=batch_size)
    for seed, probe in enumerate(probes):
        ids = list(render(loaded, probe.prompt, kernel.text).token_ids)
        with usual_threads(), peer.working():
            mx.random.seed(seed)
            text = generate(
                peer_model, loaded.tokenizer, ids, max_tokens=sampling.max_tokens, sampler=sampler
            )
            peer.answers += 1
        peer.tokens += len(loaded.tokenizer.encode(text, add_special_tokens=False))
        with ours.working():
            while ours.answers < peer.answers:
                event = next(made)
                if isinstance(event, Distilled):
                    ours.tokens += event.answer.n_tokens
                    ours.answers += 1
    return DistillGain(
        model=loaded.record.name,
        backend=loaded.backend,
        kernel=kernel.name,
        answers=ours.answers,
        batch_size=batch_size,
        ours_answers_per_s=ours.answers / ours.wall_s,
        peer_answers_per_s=peer.answers / peer.wall_s,
        ours_mean_tokens=ours.tokens / ours.answers,
        peer_mean_tokens=peer.tokens / peer.answers,
        gain=peer.wall_s / ours.wall_s,
        gain_cpu=peer.cpu_s / ours.cpu_s,
        bar=LEAST_GAIN,
    )
