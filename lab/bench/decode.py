"""Decoding against mlx-lm: what statistics cost a stream, and what batching brings a battery.

Both sides run in one process, turn by turn: a busy machine slows both. A stream's ratio is the median of its
turns' ratios. The peer's side is what its user gets: `stream_generate` and `generate` with mlx-lm's sampler,
on weights as its own loader leaves them (in float32, as ours, on a CPU), with all the BLAS's threads.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.blas import usual_threads
from lab.decode.forward import computed_by
from lab.decode.loop import Row, batch, stream
from lab.decode.prefix import PrefixCache
from lab.decode.types import Finish, Sampling, TokenStat
from lab.models.load import LoadedModel
from lab.models.mlx_lm_api import generate, load_model, make_sampler, stream_generate
from lab.models.runtime import mx
from lab.models.template import render

PROMPT_TOKENS = 48
LEAST_GAIN = 3.0


@dataclass(frozen=True, slots=True)
class StreamCost:
    """A stream with all statistics and top-k against `mlx_lm.stream_generate`; the ratio is ours / theirs.

    `backend` is MLX's, which the peer computes with; `computed_by` is what the lab's decoding does.
    """

    model: str
    parameters: int
    backend: str
    temperature: float
    alternatives: int
    tokens: int
    turns: int
    ours_ms_per_token: float
    peer_ms_per_token: float
    ratio: float
    ratio_cpu: float
    computed_by: str


@dataclass(frozen=True, slots=True)
class BatteryGain:
    """Answers made in batches against `mlx_lm.generate` one by one; the gain is in answers a second.

    `gain_cpu` is the same in processor time, which a busy machine disturbs less; `bar` is the least gain.
    """

    model: str
    backend: str
    conditions: tuple[str, ...]
    answers: int
    batch_size: int
    ours_answers_per_s: float
    peer_answers_per_s: float
    ours_mean_tokens: float
    peer_mean_tokens: float
    gain: float
    gain_cpu: float
    computed_by: str
    bar: float = LEAST_GAIN

    @property
    def holds(self) -> bool:
        return self.gain >= self.bar


@dataclass(frozen=True, slots=True)
class _Turn:
    wall_s: float
    cpu_s: float


def stream_cost(
    loaded: LoadedModel, sampling: Sampling, *, alternatives: int = 5, tokens: int = 48, turns: int = 24
) -> StreamCost:
    """Decode `tokens` tokens from random prompts, ours and theirs in turn; nothing ends early."""
    sampling = replace(sampling, max_tokens=tokens)
    peer_model = as_mlx_lm_loads(loaded)
    rng = random.Random(0)

    sampler = make_sampler(sampling.temperature, sampling.top_p, sampling.min_p, top_k=sampling.top_k)

    def ours(prompt: list[int]) -> _Turn:
        return _timed(lambda: stream(loaded, prompt, sampling, seed=1, alternatives=alternatives))

    def peer(prompt: list[int]) -> _Turn:
        options = {"max_tokens": tokens, "sampler": sampler}
        return _timed(lambda: stream_generate(peer_model, loaded.tokenizer, prompt, **options))

    with endless(loaded.tokenizer):
        pairs = _turns(ours, peer, lambda: random_prompt(loaded, rng), turns)
    return StreamCost(
        model=loaded.record.name,
        parameters=loaded.record.parameters,
        backend=loaded.backend,
        temperature=sampling.temperature,
        alternatives=alternatives,
        tokens=tokens,
        turns=turns,
        ours_ms_per_token=statistics.median(ours.wall_s for ours, _ in pairs) / tokens * 1e3,
        peer_ms_per_token=statistics.median(peer.wall_s for _, peer in pairs) / tokens * 1e3,
        ratio=statistics.median(ours.wall_s / peer.wall_s for ours, peer in pairs),
        ratio_cpu=statistics.median(ours.cpu_s / peer.cpu_s for ours, peer in pairs),
        computed_by=computed_by(loaded),
    )


def battery_gain(
    loaded: LoadedModel,
    prompts: Sequence[str],
    condition: tuple[str, str | None],
    sampling: Sampling,
    *,
    batch_size: int = 8,
) -> BatteryGain:
    """Answer every prompt under a kernel `(name, text)`, None being the baseline: batched and one by one.

    Either side answers the battery once, as it would without the other; they take turns answer by answer,
    the batch paused between two of its steps. Answers end where they end, so mean lengths are given.
    """
    name, kernel = condition
    rows = [
        Row(render(loaded, prompt, kernel).token_ids, sampling, seed) for seed, prompt in enumerate(prompts)
    ]
    steps = batch(loaded, rows, batch_size=batch_size, prefix_cache=PrefixCache())

    def go_on() -> tuple[int, int]:
        _, step = next(steps)
        return isinstance(step, TokenStat), isinstance(step, Finish)

    return answered_in_turns(loaded, rows, name, batch_size, go_on)


def answered_in_turns(
    loaded: LoadedModel,
    rows: Sequence[Row],
    condition: str,
    batch_size: int,
    go_on: Callable[[], tuple[int, int]],
) -> BatteryGain:
    """The peer answers one row after the other; behind each, ours goes on until it has as many answers.

    `go_on` takes ours one step further and returns the tokens and the answers that this step made.
    """
    peer_model = as_mlx_lm_loads(loaded)
    _warm_up(loaded, peer_model)
    ours, peer = _Side(), _Side()
    for row in rows:
        sampling = row.sampling
        sampler = make_sampler(sampling.temperature, sampling.top_p, sampling.min_p, top_k=sampling.top_k)
        with usual_threads(), peer.working():
            mx.random.seed(row.seed)
            text = generate(
                peer_model,
                loaded.tokenizer,
                list(row.prompt_ids),
                max_tokens=sampling.max_tokens,
                sampler=sampler,
            )
            peer.answers += 1
        peer.tokens += len(loaded.tokenizer.encode(text, add_special_tokens=False))
        with ours.working():
            while ours.answers < peer.answers:
                tokens, answers = go_on()
                ours.tokens += tokens
                ours.answers += answers
    return BatteryGain(
        model=loaded.record.name,
        backend=loaded.backend,
        conditions=(condition,),
        answers=len(rows),
        batch_size=batch_size,
        ours_answers_per_s=ours.answers / ours.wall_s,
        peer_answers_per_s=peer.answers / peer.wall_s,
        ours_mean_tokens=ours.tokens / ours.answers,
        peer_mean_tokens=peer.tokens / peer.answers,
        gain=peer.wall_s / ours.wall_s,
        gain_cpu=peer.cpu_s / ours.cpu_s,
        computed_by=computed_by(loaded),
    )


class _Side:
    """What one side has made of the battery so far, and what it took."""

    def __init__(self) -> None:
        self.answers = self.tokens = 0
        self.wall_s = self.cpu_s = 0.0

    @contextmanager
    def working(self) -> Iterator[None]:
        """A turn; what was begun asynchronously ends within it."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        mx.synchronize()
        self.wall_s += time.perf_counter() - wall
        self.cpu_s += time.process_time() - cpu


def as_mlx_lm_loads(loaded: LoadedModel) -> Any:
    """The same model as plain mlx-lm holds it in memory (but in float32 on a CPU, as ours)."""
    model, _ = load_model(Path(loaded.record.path))
    if loaded.device == "cpu":
        model.set_dtype(mx.float32)
        mx.eval(model.parameters())
    return model


def _turns(
    ours: Callable[[list[int]], _Turn],
    peer: Callable[[list[int]], _Turn],
    prompt: Callable[[], list[int]],
    turns: int,
) -> list[tuple[_Turn, _Turn]]:
    """Alternate who goes first; the first turn of each only warms up."""
    ours(prompt())
    peer(prompt())
    pairs = []
    for turn in range(turns):
        ids = prompt()
        if turn % 2:
            first = ours(ids)
            pairs.append((first, peer(ids)))
        else:
            second = peer(ids)
            pairs.append((ours(ids), second))
    return pairs


def _timed(decode: Callable[[], Iterator[object]]) -> _Turn:
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in decode():
        pass
    return _Turn(time.perf_counter() - wall, time.process_time() - cpu)


def random_prompt(loaded: LoadedModel, rng: random.Random) -> list[int]:
    """`PROMPT_TOKENS` ordinary tokens."""
    size = min(loaded.record.vocab_size, len(loaded.tokenizer))
    special = set(loaded.tokenizer.all_special_ids)
    ordinary = [token for token in range(size) if token not in special]
    return rng.choices(ordinary, k=PROMPT_TOKENS)


def _warm_up(loaded: LoadedModel, peer_model: Any) -> None:
    ids = list(render(loaded, "Hello.").token_ids)
    for _ in stream(loaded, ids, Sampling(max_tokens=4), seed=0):
        pass
    generate(peer_model, loaded.tokenizer, ids, max_tokens=4)


@contextmanager
def endless(tokenizer: Any) -> Iterator[None]:
    """No token ends an answer inside, so that both sides decode the same number."""
    eos = set(tokenizer.eos_token_ids)
    tokenizer.eos_token_ids = set()
    try:
        yield
    finally:
        tokenizer.eos_token_ids = eos
