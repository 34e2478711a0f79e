"""Twin decoding: several variants of one model in one batch against the same answers one after the other.

One after the other is measured twice: with the lab's own loop on the same loaded model, and with mlx-lm's
`stream_generate` on a model for each variant, as its user would have it. The lab's sides include statistics
and top-5. Sides take turns, and a ratio is the median of the turns' ratios; mlx-lm, which takes many times as
long, has a part in every few turns only. `lab.bench.both` starts this module under either BLAS.
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

CHECKPOINTS = 3
PEER_EVERY = 4
"""Turns until mlx-lm has its next."""

BARS = {2: 0.65, 1 + CHECKPOINTS: 0.45}
BUNDLED_BARS = {2: 0.92}
"""By number of variants: what together / apart may be, with a real BLAS and with the bundled one."""

RANK, SCALE = 8, 20.0
"""mlx-lm's defaults, on every linear layer."""


@dataclass(frozen=True, slots=True)
class TwinCost:
    """`variants` answers to one prompt, the base among them; times are for a token of every variant.

    `ratio` is together / apart by the lab's loop, and `bar` what it may be; `peer_ratio` is together / apart
    by mlx-lm.
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
    bar: float | None

    @property
    def holds(self) -> bool | None:
        """Whether the bar is met; None where there is none."""
        return None if self.bar is None else self.ratio <= self.bar


@dataclass(frozen=True, slots=True)
class _Spent:
    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class _Turn:
    """What the sides spent on one prompt; mlx-lm is not there in every turn."""

    together: _Spent
    apart: _Spent
    peer: _Spent | None


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

    measured: list[_Turn] = []
    with endless(loaded.tokenizer):
        for turn in range(turns + 1):
            prompt = random_prompt(loaded, rng)
            rows = [Row(prompt, sampling, seed=turn, variant=variant.id) for variant in variants]
            sides = [together, apart] if turn % 2 else [apart, together]
            if turn % PEER_EVERY == 1:
                sides.append(by_peer)
            spent = {side: _timed(side, rows) for side in sides}
            measured.append(_Turn(spent[together], spent[apart], spent.get(by_peer)))
    # The first turn only warms up.
    return _cost(loaded, len(variants), tokens, measured[1:])


def _cost(loaded: LoadedModel, variants: int, tokens: int, turns: Sequence[_Turn]) -> TwinCost:
    """Medians of the turns."""
    record = loaded.record
    with_peer = [(turn.together, turn.peer) for turn in turns if turn.peer is not None]
    sides = (
        [turn.together for turn in turns],
        [turn.apart for turn in turns],
        [peer for _, peer in with_peer],
    )
    per_token = [statistics.median(spent.wall_s for spent in side) / tokens * 1e3 for side in sides]
    return TwinCost(
        model=record.name,
        parameters=record.parameters,
        variants=variants,
        tokens=tokens,
        turns=len(turns),
        together_ms_per_token=per_token[0],
        apart_ms_per_token=per_token[1],
        peer_ms_per_token=per_token[2],
        ratio=statistics.median(turn.together.wall_s / turn.apart.wall_s for turn in turns),
        ratio_cpu=statistics.median(turn.together.cpu_s / turn.apart.cpu_s for turn in turns),
        peer_ratio=statistics.median(together.wall_s / peer.wall_s for together, peer in with_peer),
        bar=(BUNDLED_BARS if "bundled" in loaded.backend else BARS).get(variants),
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
    return TwinFigures(backend, tuple({**asdict(cost), "holds": cost.holds} for cost in (*small, *large)))


if __name__ == "__main__":
    serve("lab.bench.twin", _work)
