"""Answers made and kept: asks go in, protocol events come out, and what is finished is in the journal first.

The engine process and the command line both work through this one class, so that an answer is the same
thing wherever it was asked for.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from lab.compare.overlay import Reading, overlay
from lab.conditions import condition
from lab.decode.loop import Row, batch, never
from lab.decode.prefix import PrefixCache
from lab.decode.text import TokenTexts
from lab.decode.types import Finish, TokenStat
from lab.errors import LabError
from lab.kernels import Kernel
from lab.measure.predictive import summarize
from lab.measure.score import word_entropy_score
from lab.measure.zones import load_table
from lab.models.adapters import read_adapter
from lab.models.gated import attach, shares_weights
from lab.models.load import LoadedModel
from lab.models.template import Rendered, render
from lab.protocol import (
    Ask,
    Done,
    Event,
    Finished,
    Overlaid,
    Overlay,
    Progress,
    Spell,
    Spelled,
    Started,
    Token,
)
from store.journal import new_id, utc_now
from store.records import AdapterRecord, ConditionRecord, GenerationRecord, KernelRecord, Record, Trace

PROGRESS_EVERY_S = 0.5


@dataclasses.dataclass
class _Answer:
    """One answer under way: the ask, how it was put to the model, and the tokens so far."""

    ask: Ask
    index: int
    id: str
    condition: ConditionRecord
    rendered: Rendered
    started_at: str
    tokens: list[TokenStat] = dataclasses.field(default_factory=list)


class Sink(Protocol):
    """Where records go: a journal, or whoever keeps them for one."""

    def append(self, record: Record, *, durable: bool = False) -> None: ...


class Session:
    """A loaded model with a journal. Not thread-safe: it lives on the thread that loaded the model."""

    def __init__(self, loaded: LoadedModel, journal: Sink) -> None:
        self.loaded = loaded
        self._journal = journal
        self._written: set[str] = set()
        self._prefixes = PrefixCache()
        self._zones = load_table(None)
        self._write_once(loaded.record.id, loaded.record)

    def attach(self, adapters: Sequence[str]) -> tuple[AdapterRecord, ...]:
        """Attach exactly these adapters (folders or checkpoint files); their records, in the order given.

        Raises LabError when one cannot be read or does not fit the model, and leaves all as it was.
        """
        read = [read_adapter(path) for path in adapters]
        attach(self.loaded, read)
        for adapter in read:
            self._write_once(adapter.id, adapter.record)
        return tuple(adapter.record for adapter in read)

    def keep(self, *records: Record) -> None:
        """Write further facts about this session's answers; they are on disk when this returns."""
        for place, record in enumerate(records, start=1):
            self._journal.append(record, durable=place == len(records))

    def overlay(self, asked: Overlay) -> Overlaid:
        """What both sides think of a text, token by token. Raises LabError for an adapter not attached."""
        left, right = (
            Reading(render(self.loaded, asked.prompt, view.kernel_text).token_ids, view.adapter)
            for view in (asked.left, asked.right)
        )
        tokens, left_end, right_end = overlay(
            self.loaded, left, right, asked.token_ids, alternatives=asked.alternatives
        )
        return Overlaid(
            request_id=asked.request_id,
            generation_id=asked.generation_id,
            tokens=tokens,
            left_end=left_end,
            right_end=right_end,
        )

    def spell(self, asked: Spell) -> Spelled:
        """What tokens read like inside an answer. Raises LabError for one that the model has not."""
        size = self.loaded.record.vocab_size
        for token_id in asked.token_ids:
            if not 0 <= token_id < size:
                raise LabError(f"there is no token {token_id}: this model has {size:,}")
        names = TokenTexts(self.loaded.tokenizer)
        texts = tuple(names[token_id] for token_id in asked.token_ids)
        return Spelled(request_id=asked.request_id, texts=texts)

    def generate(
        self,
        request_id: str,
        asks: Sequence[Ask],
        batch_size: int = 8,
        should_stop: Callable[[], bool] = never,
        run_id: str | None = None,
    ) -> Iterator[Event]:
        """Make the answers; yields Started, Token, Finished, Progress and, at the end, Done.

        A Finished event is yielded only when its record is safely on disk. When `should_stop` turns true,
        answers under way end as cancelled and those not begun are left out. `run_id` is for asks that name
        none. Answers on weights that cannot share a batch are made after each other.
        """
        self._refuse_unattached(asks)
        run_id = run_id or new_id()
        meter = _Meter(request_id, total=len(asks))
        rendered: dict[int, Rendered] = {}
        under_way: dict[int, _Answer] = {}
        for index, step in self._decode(asks, rendered, batch_size, should_stop):
            if index not in under_way:
                under_way[index] = self._begin(asks[index], index, rendered.pop(index))
                yield self._started(request_id, under_way[index])
            answer = under_way[index]
            if isinstance(step, TokenStat):
                answer.tokens.append(step)
                meter.count_token()
                yield Token(request_id=request_id, generation_id=answer.id, token=step)
            elif under_way.pop(index).tokens or step.reason != "cancelled":
                record = self._keep(answer, step, run_id)
                meter.done += 1
                yield Finished(
                    request_id=request_id,
                    generation_id=answer.id,
                    ask=index,
                    generation=dataclasses.asdict(dataclasses.replace(record, trace=None)),
                )
            if progress := meter.progress():
                yield progress
        yield meter.progress(now=True) or meter.snapshot()
        yield Done(request_id=request_id, done=meter.done, total=len(asks), cancelled=should_stop())

    def _refuse_unattached(self, asks: Sequence[Ask]) -> None:
        """Before anything is begun, for one bad ask would end the answers under way."""
        gate = self.loaded.gate
        for ask in asks:
            if ask.adapter is not None and ask.adapter not in (*gate.low_rank, *gate.full):
                raise LabError(f"no adapter {ask.adapter[:12]} is attached to this model: load it first")

    def _decode(
        self,
        asks: Sequence[Ask],
        rendered: dict[int, Rendered],
        batch_size: int,
        should_stop: Callable[[], bool],
    ) -> Iterator[tuple[int, TokenStat | Finish]]:
        """Tokens and ends by the index of their ask: one batch for all that share weights."""
        for indices in self._batches(asks):
            rows = self._rows([(index, asks[index]) for index in indices], rendered)
            for place, step in batch(
                self.loaded,
                rows,
                batch_size=batch_size,
                prefix_cache=self._prefixes,
                should_stop=should_stop,
            ):
                yield indices[place], step

    def _batches(self, asks: Sequence[Ask]) -> list[list[int]]:
        """The asks by index, in batches that share weights: most often one."""
        batches: list[list[int]] = []
        for index, ask in enumerate(asks):
            for fitting in batches:
                if shares_weights(self.loaded, asks[fitting[0]].adapter, ask.adapter):
                    fitting.append(index)
                    break
            else:
                batches.append([index])
        return batches

    def _rows(self, asks: Sequence[tuple[int, Ask]], rendered: dict[int, Rendered]) -> Iterator[Row]:
        for index, ask in asks:
            rendered[index] = render(self.loaded, ask.prompt, ask.kernel_text)
            yield Row(
                rendered[index].token_ids,
                ask.sampling,
                ask.seed,
                alternatives=ask.alternatives,
                prefix_token_ids=ask.prefix_token_ids,
                variant=ask.adapter,
            )

    def _begin(self, ask: Ask, index: int, rendered: Rendered) -> _Answer:
        kernel = Kernel.of(ask.kernel_name or "unnamed", ask.kernel_text) if ask.kernel_text else None
        if kernel is not None:
            record = KernelRecord(sha256=kernel.sha256, name=kernel.name, text=kernel.text, at=utc_now())
            self._write_once(kernel.sha256, record)
        under = condition(kernel, ask.sampling)
        self._write_once(under.id, under)
        return _Answer(ask, index, new_id(), under, rendered, utc_now())

    def _write_once(self, key: str, record: Record) -> None:
        if key not in self._written:
            self._written.add(key)
            self._journal.append(record)

    def _started(self, request_id: str, answer: _Answer) -> Started:
        return Started(
            request_id=request_id,
            generation_id=answer.id,
            ask=answer.index,
            prompt_tokens=len(answer.rendered.token_ids),
            kernel_placement=answer.rendered.kernel_placement,
        )

    def _keep(self, answer: _Answer, finish: Finish, run_id: str) -> GenerationRecord:
        record = _generation(self.loaded, answer, finish, run_id)
        self._journal.append(record)
        self._journal.append(word_entropy_score(record, self._zones), durable=True)
        return record


def _generation(loaded: LoadedModel, answer: _Answer, finish: Finish, run_id: str) -> GenerationRecord:
    ask = answer.ask
    entropy = summarize(answer.tokens)
    own_tokens = len(answer.tokens) - len(ask.prefix_token_ids)
    decode_s = max(finish.wall_ms - finish.prefill_ms, 1e-3) / 1e3
    return GenerationRecord(
        id=answer.id,
        run_id=ask.run_id or run_id,
        model_id=loaded.record.id,
        adapter_sha256=ask.adapter,
        condition_id=answer.condition.id,
        kernel_placement=answer.rendered.kernel_placement,
        probe_battery=ask.probe_battery,
        probe_id=ask.probe_id,
        probe_sha256=ask.probe_sha256,
        prompt=ask.prompt,
        seed=ask.seed,
        text="".join(token.text for token in answer.tokens),
        finish_reason=finish.reason,
        prompt_tokens=finish.prompt_tokens,
        n_tokens=len(answer.tokens),
        started_at=answer.started_at,
        prefill_ms=finish.prefill_ms,
        wall_ms=finish.wall_ms,
        tokens_per_second=max(own_tokens, 0) / decode_s,
        peak_memory_bytes=finish.peak_memory_bytes,
        mean_entropy_nats=entropy.mean_nats,
        median_entropy_nats=entropy.median_nats,
        p90_entropy_nats=entropy.p90_nats,
        max_entropy_nats=entropy.max_nats,
        backend=loaded.backend,
        parent_id=ask.parent_id,
        parent_token=max(len(ask.prefix_token_ids) - 1, 0) if ask.parent_id else None,
        trace=_trace(answer.tokens, ask.alternatives),
        at=utc_now(),
    )


def _trace(tokens: Sequence[TokenStat], k: int) -> Trace:
    ends, length = [], 0
    for token in tokens:
        length += len(token.text)
        ends.append(length)
    return Trace(
        token_ids=tuple(token.token_id for token in tokens),
        ends=tuple(ends),
        entropy_nats=tuple(token.entropy_nats for token in tokens),
        sampling_entropy_nats=tuple(token.sampling_entropy_nats for token in tokens),
        surprisal_nats=tuple(token.surprisal_nats for token in tokens),
        p_top1=tuple(token.p_top1 for token in tokens),
        margin=tuple(token.margin for token in tokens),
        rank=tuple(token.rank for token in tokens),
        k=k,
        alternative_ids=tuple(a.token_id for token in tokens for a in token.alternatives),
        alternative_p=tuple(a.p for token in tokens for a in token.alternatives),
    )


class _Meter:
    """How far a request is, said at most twice a second."""

    def __init__(self, request_id: str, total: int) -> None:
        self.done = 0
        self._request_id = request_id
        self._total = total
        self._tokens = 0
        self._began = self._said = time.monotonic()

    def count_token(self) -> None:
        self._tokens += 1

    def progress(self, now: bool = False) -> Progress | None:
        if not now and time.monotonic() - self._said < PROGRESS_EVERY_S:
            return None
        self._said = time.monotonic()
        return self.snapshot()

    def snapshot(self) -> Progress:
        elapsed_s = max(time.monotonic() - self._began, 1e-6)
        left = self._total - self.done
        return Progress(
            request_id=self._request_id,
            done=self.done,
            total=self._total,
            tokens_per_second=self._tokens / elapsed_s,
            eta_s=elapsed_s / self.done * left if self.done else None,
        )
