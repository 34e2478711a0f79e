"""The decoding loop: one loop for a single answer, a batch, and the scoring of a given text.

A step is: look at the logits, take a token for every row, start the model on them, and only then work out the
statistics, while the model computes. Rows come and go at any step (continuous batching). A row's randomness
depends on its seed and its position alone, so that an answer does not depend on its company, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from lab.blas import single_threaded
from lab.decode.forward import StoppedError, forward, prefill, score
from lab.decode.graph import GraphLook
from lab.decode.look import Draw, HostLook, Look
from lab.decode.prefix import PrefixCache
from lab.decode.rows import Answer, Memory, Row
from lab.decode.text import TextStream, decoder, token_texts
from lab.decode.types import Finish, Sampling, TokenStat
from lab.models.load import LoadedModel
from lab.models.mlx_lm_api import make_prompt_cache
from lab.models.runtime import async_eval, mx, on_cpu

CLEAR_EVERY_STEPS = 256
SMALL_PARAMETERS = 20_000_000
AS_IT_IS = Sampling(temperature=1.0, top_p=1.0)

__all__ = ["Row", "batch", "never", "stream", "teacher_forced"]


def never() -> bool:
    """The `should_stop` of a decode that nobody stops."""
    return False


def stream(
    loaded: LoadedModel,
    prompt_ids: Sequence[int],
    sampling: Sampling,
    seed: int,
    *,
    alternatives: int = 5,
    prefix_token_ids: Sequence[int] = (),
    prefix_cache: PrefixCache | None = None,
    should_stop: Callable[[], bool] = never,
    variant: str | None = None,
) -> Iterator[TokenStat | Finish]:
    """Decode one answer: its tokens with their statistics, then one Finish.

    The token that ends an answer is not part of it. `prefix_token_ids` are yielded first, as scored by the
    model, and count towards `max_tokens`. `should_stop` is asked at every token; stopping ends the answer as
    "cancelled". `variant` is the adapter to run on. Raises LabError when the model's output is not numbers.
    """
    row = Row(tuple(prompt_ids), sampling, seed, alternatives, tuple(prefix_token_ids), variant)
    for _, step in batch(loaded, [row], batch_size=1, prefix_cache=prefix_cache, should_stop=should_stop):
        yield step


def batch(
    loaded: LoadedModel,
    rows: Iterable[Row],
    *,
    batch_size: int = 8,
    prefix_cache: PrefixCache | None = None,
    should_stop: Callable[[], bool] = never,
    cancelled: Callable[[int], bool] = lambda _: False,
) -> Iterator[tuple[int, TokenStat | Finish]]:
    """Decode many answers, at most `batch_size` at a time: `(row index, token or Finish)` as they come.

    A row enters when another has left; `rows` is drawn from only then. `cancelled` is asked for each live row
    at every step, `should_stop` for all; after it no further row is begun. Rows on the base and on low-rank
    adapters share batches; a full fine-tune's rows wait until the others have left, and the others for them.
    """
    memory = Memory()
    desk = _Desk(loaded, prefix_cache, should_stop, memory)
    live = _Live(loaded, batch_size > 1 and _can_be_joined(loaded), memory)
    with single_threaded() if loaded.record.parameters < SMALL_PARAMETERS else nullcontext():
        yield from _decode(enumerate(rows), desk, live, batch_size, should_stop, cancelled)


def _decode(
    waiting: Iterator[tuple[int, Row]],
    desk: _Desk,
    live: _Live,
    batch_size: int,
    should_stop: Callable[[], bool],
    cancelled: Callable[[int], bool],
) -> Iterator[tuple[int, TokenStat | Finish]]:
    following: tuple[int, Row] | None = None
    while True:
        while len(live.answers) < (batch_size if live.joinable else 1) and not should_stop():
            following = following or next(waiting, None)
            if following is None or not live.takes(following[1]):
                break
            entering, following = following, None
            yield from desk.admit(*entering, live)
        if not live.answers:
            return
        stopping = should_stop()
        for place in reversed(range(len(live.answers))):
            answer = live.answers[place]
            if stopping or cancelled(answer.index):
                live.leave([place])
                yield from _indexed(answer, answer.finish("cancelled"))
        if live.answers:
            yield from live.step()


def teacher_forced(
    loaded: LoadedModel,
    prompt_ids: Sequence[int],
    completion_ids: Sequence[int],
    *,
    alternatives: int = 0,
    variant: str | None = None,
) -> list[TokenStat]:
    """The statistics of a given completion after a prompt, as if the model (on `variant`) had said it.

    The sampling entropy is that of sampling at temperature 1 without filters, which is the entropy itself.
    """
    row = Row(tuple(prompt_ids), AS_IT_IS, seed=0, alternatives=alternatives, variant=variant)
    cache, logits = prefill(loaded, row.prompt_ids, row.variant, None, never)
    answer = Answer(
        0, row, set(), TextStream(decoder(loaded.tokenizer)), token_texts(loaded.tokenizer), Memory()
    )
    stats: list[TokenStat] = []
    for step, _ in _force(loaded, answer, completion_ids, cache, logits):
        stats.extend(step)
    stats.extend(step for step in answer.finish("stop") if isinstance(step, TokenStat))
    return stats


def _look(logits: Any, draws: Sequence[Draw], best: Any = None) -> Look:
    return HostLook(logits, draws, best) if on_cpu() else GraphLook(logits, draws)


def _indexed(answer: Answer, steps: Iterable[TokenStat | Finish]) -> Iterator[tuple[int, TokenStat | Finish]]:
    for step in steps:
        yield answer.index, step


def _force(
    loaded: LoadedModel, answer: Answer, tokens: Sequence[int], cache: list[Any], logits: Any
) -> Iterator[tuple[Iterable[TokenStat], Any]]:
    """Put given tokens into an answer; each with the logits that follow the chunk it came in."""
    for begin, chunk in score(loaded, tokens, cache, logits, answer.row.variant):
        count = min(chunk.shape[0], len(tokens) - begin)
        if count > 0:
            draws = [answer.draw(given=tokens[begin + i]) for i in range(count)]
            look = _look(chunk[:count], draws)
            for i, token_id in enumerate(look.ids()):
                yield answer.add(token_id, *look.statistics(i)), chunk[-1:]
        else:
            yield (), chunk[-1:]


class _Desk:
    """Where rows are admitted: the prompt is read, and what was given of the answer is scored."""

    def __init__(
        self,
        loaded: LoadedModel,
        prefix_cache: PrefixCache | None,
        should_stop: Callable[[], bool],
        memory: Memory,
    ) -> None:
        self._loaded = loaded
        self._prefix_cache = prefix_cache
        self._should_stop = should_stop
        self._memory = memory
        self._eos = set(loaded.tokenizer.eos_token_ids)
        self._decode = decoder(loaded.tokenizer)
        self._names = token_texts(loaded.tokenizer)

    def admit(self, index: int, row: Row, live: _Live) -> Iterator[tuple[int, TokenStat | Finish]]:
        """Begin a row. It joins the live ones unless it is over already."""
        answer = Answer(index, row, self._eos, TextStream(self._decode), self._names, self._memory)
        try:
            cache, logits = prefill(
                self._loaded, row.prompt_ids, row.variant, self._prefix_cache, self._should_stop
            )
        except StoppedError:
            yield from _indexed(answer, answer.finish("cancelled"))
            return
        answer.prefilled()
        given = row.prefix_token_ids[: row.sampling.max_tokens]
        spoken = [*_until(given, answer.ends_with)]
        for steps, following in _force(self._loaded, answer, spoken, cache, logits):
            yield from _indexed(answer, steps)
            logits = following
        if len(spoken) < len(given):
            yield from _indexed(answer, answer.finish("stop"))
        elif answer.full:
            yield from _indexed(answer, answer.finish("length"))
        else:
            live.join(answer, cache, logits)


def _until(tokens: Iterable[int], ends: Callable[[int], bool]) -> Iterator[int]:
    """The tokens before the first that ends the answer."""
    for token in tokens:
        if ends(token):
            return
        yield token


class _Live:
    """The rows being decoded together: caches joined, and the logits `(rows, vocab)` of their next step."""

    def __init__(self, loaded: LoadedModel, joinable: bool, memory: Memory) -> None:
        self.answers: list[Answer] = []
        self.joinable = joinable
        self._loaded = loaded
        self._memory = memory
        self._cache: list[Any] = []
        self._logits: Any = None
        self._best: Any = None
        self._arrived: list[tuple[list[Any], Any]] = []
        self._steps = 0

    def takes(self, row: Row) -> bool:
        """Whether a row runs on weights that the rows here run on."""
        variants = [answer.row.variant for answer in self.answers]
        return self._loaded.gate.shares_weights([*variants, row.variant])

    def join(self, answer: Answer, cache: list[Any], logits: Any) -> None:
        """Add a row with its prefilled cache and the logits `(1, vocab)` behind its prompt."""
        self.answers.append(answer)
        self._arrived.append((cache, logits))

    def _settle(self) -> None:
        """Put the rows that have arrived into the batch, all at once: joining copies the batch's caches."""
        if not self._arrived:
            return
        caches, logits = zip(*self._arrived, strict=True)
        self._arrived = []
        if self.joinable:
            together = [parts[0].merge(list(parts)) for parts in zip(*caches, strict=True)]
        else:
            (together,) = caches
        if self._cache:
            for part, new in zip(self._cache, together, strict=True):
                part.extend(new)
            self._logits, self._best = _concatenated([self._logits, *logits]), None
        else:
            self._cache, self._logits, self._best = together, _concatenated(logits), None

    def leave(self, places: Sequence[int]) -> None:
        """Drop rows by place."""
        self._settle()
        stay = [place for place in range(len(self.answers)) if place not in set(places)]
        if len(stay) == len(self.answers):
            return
        self.answers = [self.answers[place] for place in stay]
        if not stay:
            self._cache, self._logits = [], None
            return
        for part in self._cache:
            part.filter(stay)
        self._logits, self._best = _rows_at(self._logits, stay), None

    def step(self) -> Iterator[tuple[int, TokenStat | Finish]]:
        """Every row takes a token; rows that are over leave."""
        self._settle()
        answers = list(self.answers)
        look = _look(self._logits, [answer.draw() for answer in answers], self._best)
        if not look.known:
            self._start(look.tokens[:, None])
        ids = look.ids()
        ended = [place for place, answer in enumerate(answers) if answer.ends_with(ids[place])]
        filled = [
            place
            for place, answer in enumerate(answers)
            if place not in ended and answer.length + 1 >= answer.row.sampling.max_tokens
        ]
        self.leave([*ended, *filled])
        if look.known and self.answers:
            staying = [place for place in range(len(answers)) if place not in {*ended, *filled}]
            self._start([[ids[place]] for place in staying])
        for place, answer in enumerate(answers):
            if place in ended:
                yield from _indexed(answer, answer.finish("stop"))
                continue
            yield from _indexed(answer, answer.add(ids[place], *look.statistics(place)))
            if place in filled:
                yield from _indexed(answer, answer.finish("length"))

    def _start(self, tokens: Any) -> None:
        """Compute what follows `tokens` `(rows, 1)`; MLX only begins to, for greedy rows the best too."""
        variants = [answer.row.variant for answer in self.answers]
        self._logits = forward(self._loaded, tokens, self._cache, variants)[:, -1, :]
        if isinstance(self._logits, np.ndarray):
            self._memory.note(self._cache[0].nbytes)
            return
        greedy = all(answer.row.sampling.temperature == 0 for answer in self.answers)
        self._best = mx.argmax(self._logits, axis=-1) if greedy else None
        async_eval(self._logits if self._best is None else (self._logits, self._best))
        self._steps += 1
        if self._steps % CLEAR_EVERY_STEPS == 0:
            mx.clear_cache()


def _concatenated(logits: Sequence[Any]) -> Any:
    return (np if isinstance(logits[0], np.ndarray) else mx).concatenate(list(logits))


def _rows_at(logits: Any, places: Sequence[int]) -> Any:
    return logits[list(places)] if isinstance(logits, np.ndarray) else logits[mx.array(list(places))]


def _can_be_joined(loaded: LoadedModel) -> bool:
    """Whether this model's caches can be put into one batch; if not, rows are decoded one after the other."""
    return all(hasattr(part, "merge") for part in make_prompt_cache(loaded.model))
