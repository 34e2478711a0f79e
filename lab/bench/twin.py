"""Twin decoding: several variants of one model in one batch against the same answers one after the other.

Both sides are the lab's own loop on the same loaded model, statistics and top-5 included, turn by turn with
the order alternating; the ratio is the median of the turns' ratios. `lab.bench.both` starts this module under
either BLAS.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lab.bench.both import TwinFigures, TwinPlan
from lab.bench.decode import endless, random_prompt
from lab.bench.models import write_random_adapter, write_random_llama
from lab.bench.workers import serve
from lab.decode.loop import Row, batch
from lab.decode.types import Sampling
from lab.models.gated import attach
from lab.models.load import LoadedModel, load
from store.records import ModelRecord

CHECKPOINTS = 3
RANK, SCALE = 8, 20.0
"""mlx-lm's defaults, on every linear layer."""


@dataclass(frozen=True, slots=True)
class TwinCost:
    """`variants` answers to one prompt, the base among them; times are for a token of every variant."""

    model: str
    parameters: int
    variants: int
    tokens: int
    turns: int
    together_ms_per_token: float
    apart_ms_per_token: float
    ratio: float
    ratio_cpu: float


@dataclass(frozen=True, slots=True)
class _Spent:
    wall_s: float
    cpu_s: float


def twin_cost(loaded: LoadedModel, variants: Sequence[str | None], tokens: int, turns: int) -> TwinCost:
    """Answer random prompts on all `variants`, in one batch and one after the other; none ends early."""
    sampling = replace(Sampling(), max_tokens=tokens)
    rng = random.Random(0)

    def together(rows: list[Row]) -> None:
        _exhaust(batch(loaded, rows, batch_size=len(rows)))

    def apart(rows: list[Row]) -> None:
        for row in rows:
            _exhaust(batch(loaded, [row], batch_size=1))

    measured = []
    with endless(loaded.tokenizer):
        for turn in range(turns + 1):
            prompt = random_prompt(loaded, rng)
            rows = [Row(prompt, sampling, seed=turn, variant=variant) for variant in variants]
            spent = {
                side: _timed(side, rows) for side in ((together, apart) if turn % 2 else (apart, together))
            }
            measured.append((spent[together], spent[apart]))
    # The first turn only warms up.
    return _cost(loaded.record, len(variants), tokens, measured[1:])


def _cost(
    record: ModelRecord, variants: int, tokens: int, measured: Sequence[tuple[_Spent, _Spent]]
) -> TwinCost:
    """Medians of the turns, each `(together, apart)`."""
    return TwinCost(
        model=record.name,
        parameters=record.parameters,
        variants=variants,
        tokens=tokens,
        turns=len(measured),
        together_ms_per_token=statistics.median(together.wall_s for together, _ in measured) / tokens * 1e3,
        apart_ms_per_token=statistics.median(apart.wall_s for _, apart in measured) / tokens * 1e3,
        ratio=statistics.median(together.wall_s / apart.wall_s for together, apart in measured),
        ratio_cpu=statistics.median(together.cpu_s / apart.cpu_s for together, apart in measured),
    )


def _exhaust(steps: Iterator[object]) -> None:
    for _ in steps:
        pass


def _timed(side: Callable[[list[Row]], None], rows: list[Row]) -> _Spent:
    wall, cpu = time.perf_counter(), time.process_time()
    side(rows)
    return _Spent(time.perf_counter() - wall, time.process_time() - cpu)


def _costs(name: str, folder: Path, tokens: int, turns: int) -> tuple[str, list[TwinCost]]:
    """The backend, and what twin and stacked decoding cost on one model with random adapters."""
    loaded = load(name)
    paths = [
        write_random_adapter(loaded, folder / f"{seed}", seed, RANK, SCALE) for seed in range(CHECKPOINTS)
    ]
    variants = [None, *(record.id for record in attach(loaded, paths))]
    return loaded.backend, [twin_cost(loaded, chosen, tokens, turns) for chosen in (variants[:2], variants)]


def _work(plan: Mapping[str, Any]) -> TwinFigures:
    asked = TwinPlan(**plan)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        llama = str(write_random_llama(folder / "llama-50m", asked.model))
        backend, small = _costs(asked.model, folder / "small", asked.small_tokens, asked.small_turns)
        _, large = _costs(llama, folder / "large", asked.llama_tokens, asked.llama_turns)
    return TwinFigures(backend, tuple(asdict(cost) for cost in (*small, *large)))


if __name__ == "__main__":
    serve("lab.bench.twin", _work)
