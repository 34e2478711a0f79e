"""Distillation against `mlx_lm.generate` one by one: answers a second under a kernel, kept and scored.

Ours is all that `lantern distill` does: batches that share the kernel's cache, the journal, the scores. The
peer's is only the text.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from lab.bench.decode import BatteryGain, answered_in_turns
from lab.compare.sides import Side
from lab.curriculum.distill import BATCH_SIZE, Distilled, begin, run
from lab.curriculum.plan import questions_of
from lab.decode.loop import Row
from lab.decode.types import Sampling
from lab.kernels import Kernel
from lab.models.load import LoadedModel
from lab.models.template import render
from lab.scoring import DEFAULT_INSTRUMENT, instrument
from lab.session import Session
from store.home import Home
from store.journal import Journal
from store.records import ProbeRecord
from store.service import StoreService


def distill_gain(
    loaded: LoadedModel,
    probes: Sequence[ProbeRecord],
    kernel: Kernel,
    sampling: Sampling,
    *,
    batch_size: int = BATCH_SIZE,
) -> BatteryGain:
    """Distill every probe once in a home that is then thrown away, and ask the peer the same."""
    by, side = instrument(DEFAULT_INSTRUMENT), Side(loaded.record.path, sampling, kernel=kernel)
    rows = [
        Row(render(loaded, probe.prompt, kernel.text).token_ids, sampling, seed)
        for seed, probe in enumerate(probes)
    ]
    with tempfile.TemporaryDirectory() as folder:
        home = Home.resolve(Path(folder))
        with closing(StoreService(home)) as store, Journal.open(home, "bench") as journal:
            session = Session(loaded, journal)
            planned = begin(session, store, side, questions_of(probes), by, battery="bench")
            made = run(planned, side, by, session, store, batch_size=batch_size)

            def go_on() -> tuple[int, int]:
                event = next(made)
                return (event.answer.n_tokens, 1) if isinstance(event, Distilled) else (0, 0)

            return answered_in_turns(loaded, rows, kernel.name, batch_size, go_on)
