"""Twin decoding: several variants of one model in one batch against the same answers one after the other.

One after the other is measured twice: with the lab's own loop on the same loaded model, and with mlx-lm's
`stream_generate` on a model for each variant, as its user would have it. The lab's sides include statistics
and top-5. Sides take turns, and a ratio is the median of the turns' ratios. `lab.bench.both` starts this
module under either BLAS.
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
from lab.bench.decode import as_mlx_lm_loads, endless, random_prompt
from lab.bench.models import write_random_adapter, write_random_llama
from lab.bench.workers import serve
from lab.decode.loop import Row, batch
from lab.decode.types import Sampling
from lab.models.gated import attach
from lab.models.load import LoadedModel, load
from lab.models.mlx_lm_api import load_adapters, make_sampler, stream_generate
from store.records import ModelRecord

CHECKPOINTS = 3
_SIDES = range(3)
RANK, SCALE = 8, 20.0
"""mlx-lm's defaults, on every linear layer."""


@dataclass(frozen=True, slots=True)
class TwinCost:
    """`variants` answers to one prompt, the base among them; times are for a token of every variant.

    `ratio` is together / apart by the lab's loop, `peer_ratio` together / apart by mlx-lm.
    """

    model: str
    parameters: int
    variants: int
    tokens: int
    turns: int
    together_ms_per_token: float
    apart_ms_per_token: float
    peer_ms_per_token: float
    ratio: float
    ratio_cpu: float
    peer_ratio: float


@dataclass(frozen=True, slots=True)
class _Spent:
    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of the model: what the lab's rows call it, and the model that mlx-lm loads for it."""

    id: str | None
    peer: Any


def twin_cost(loaded: LoadedModel, variants: Sequence[Variant], tokens: int, turns: int) -> TwinCost:
    """Answer random prompts on all `variants`, in one batch and one after the other; none ends early."""
    sampling = replace(Sampling(), max_tokens=tokens)
    sampler = make_sampler(sampling.temperature, sampling.top_p, sampling.min_p, top_k=sampling.top_k)
    rng = random.Random(0)

    def together(rows: list[Row]) -> None:
        _exhaust(batch(loaded, rows, batch_size=len(rows)))

    def apart(rows: list[Row]) -> None:
        for row in rows:
            _exhaust(batch(loaded, [row], batch_size=1))

    def by_peer(rows: list[Row]) -> None:
        for row, variant in zip(rows, variants, strict=True):
            options = {"max_tokens": tokens, "sampler": sampler}
            _exhaust(stream_generate(variant.peer, loaded.tokenizer, list(row.prompt_ids), **options))

    sides = [together, apart, by_peer]
    measured = []
    with endless(loaded.tokenizer):
        for turn in range(turns + 1):
            prompt = random_prompt(loaded, rng)
            rows = [Row(prompt, sampling, seed=turn, variant=variant.id) for variant in variants]
            spent = {side: _timed(side, rows) for side in (sides[turn % 3 :] + sides[: turn % 3])}
            measured.append([spent[side] for side in sides])
    # The first turn only warms up.
    return _cost(loaded.record, len(variants), tokens, measured[1:])


def _cost(record: ModelRecord, variants: int, tokens: int, measured: Sequence[Sequence[_Spent]]) -> TwinCost:
    """Medians of the turns, each `[together, apart, by the peer]`."""
    per_token = [statistics.median(turn[side].wall_s for turn in measured) / tokens * 1e3 for side in _SIDES]
    return TwinCost(
        model=record.name,
        parameters=record.parameters,
        variants=variants,
        tokens=tokens,
        turns=len(measured),
        together_ms_per_token=per_token[0],
        apart_ms_per_token=per_token[1],
        peer_ms_per_token=per_token[2],
        ratio=statistics.median(together.wall_s / apart.wall_s for together, apart, _ in measured),
        ratio_cpu=statistics.median(together.cpu_s / apart.cpu_s for together, apart, _ in measured),
        peer_ratio=statistics.median(together.wall_s / peer.wall_s for together, _, peer in measured),
    )


def _exhaust(steps: Iterator[object]) -> None:
    for _ in steps:
        pass


def _timed(side: Callable[[list[Row]], None], rows: list[Row]) -> _Spent:
    wall, cpu = time.perf_counter(), time.process_time()
    side(rows)
    return _Spent(time.perf_counter() - wall, time.process_time() - cpu)


def with_random_adapters(loaded: LoadedModel, folder: Path, count: int) -> list[Variant]:
    """The base and `count` random adapters, attached to `loaded` and loaded by mlx-lm."""
    paths = [write_random_adapter(loaded, folder / f"{seed}", seed, RANK, SCALE) for seed in range(count)]
    ids = [None, *(record.id for record in attach(loaded, paths))]
    peers = [as_mlx_lm_loads(loaded) for _ in ids]
    for peer, path in zip(peers[1:], paths, strict=True):
        load_adapters(peer, str(path))
    return [Variant(id, peer) for id, peer in zip(ids, peers, strict=True)]


def _costs(name: str, folder: Path, tokens: int, turns: int) -> tuple[str, list[TwinCost]]:
    """The backend, and what twin and stacked decoding cost on one model with random adapters."""
    loaded = load(name)
    variants = with_random_adapters(loaded, folder, CHECKPOINTS)
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
