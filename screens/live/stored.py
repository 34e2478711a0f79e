"""A stored answer as Live shows it: its tokens with the statistics they had when they were made. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lab.decode.types import Alternative, Sampling, TokenStat
from lab.protocol import Ask
from screens.workbench import Answer

if TYPE_CHECKING:
    from lab.kernels import Kernel
    from store.queries import StoredGeneration
    from store.records import GenerationRecord, Trace


STORED = "stored"


def unspelled(answer: Answer) -> tuple[int, ...]:
    """The tokens that a stored answer only knows by their ids."""
    if answer.request_id != STORED:
        return ()
    ids = {other.token_id for token in answer.tokens for other in token.alternatives}
    return tuple(sorted(ids))


def spell(answer: Answer, texts: Mapping[int, str]) -> None:
    """Give a stored answer's alternatives the texts that they have in a fresh answer."""
    answer.tokens = [
        dataclasses.replace(
            token,
            alternatives=tuple(
                dataclasses.replace(other, text=texts.get(other.token_id, other.text))
                for other in token.alternatives
            ),
        )
        for token in answer.tokens
    ]


def answer_of(stored: StoredGeneration, kernels: Sequence[Kernel] = ()) -> Answer:
    """The answer as it was made; without a kept trace it has no tokens to show.

    `kernels` are those at hand: one with the right hash lets the answer be asked again.
    """
    record, condition = stored.generation, stored.condition
    kernel_sha256 = condition.kernel_sha256 if condition else None
    kernel = next((kernel for kernel in kernels if kernel.sha256 == kernel_sha256), None)
    sampling = Sampling()
    if condition is not None:
        names = [field.name for field in dataclasses.fields(Sampling)]
        sampling = Sampling(**{name: getattr(condition, name) for name in names})
    ask = Ask(
        prompt=record.prompt,
        sampling=sampling,
        seed=record.seed,
        kernel_name=condition.kernel_name if condition else None,
        kernel_text=kernel.text if kernel else None,
        probe_battery=record.probe_battery,
        probe_id=record.probe_id,
        probe_sha256=record.probe_sha256,
        parent_id=record.parent_id,
        prefix_token_ids=_prefix(record),
        adapter=record.adapter_sha256,
    )
    return Answer(
        ask=ask,
        request_id=STORED,
        state="finished",
        generation_id=record.id,
        tokens=_tokens(record, record.trace) if record.trace else [],
        prompt_tokens=record.prompt_tokens,
        kernel_placement=record.kernel_placement,
        record=dataclasses.asdict(dataclasses.replace(record, trace=None)),
        model_name=stored.model_name,
    )


def _prefix(record: GenerationRecord) -> tuple[int, ...]:
    """The tokens a branch was started from: its parent's up to the branch, and the one chosen there."""
    if record.parent_token is None or record.trace is None:
        return ()
    return record.trace.token_ids[: record.parent_token + 1]


def _tokens(record: GenerationRecord, trace: Trace) -> list[TokenStat]:
    starts = (0, *trace.ends[:-1])
    return [
        TokenStat(
            index=index,
            token_id=trace.token_ids[index],
            text=record.text[starts[index] : trace.ends[index]],
            entropy_nats=trace.entropy_nats[index],
            sampling_entropy_nats=trace.sampling_entropy_nats[index],
            surprisal_nats=trace.surprisal_nats[index],
            p_top1=trace.p_top1[index],
            margin=trace.margin[index],
            rank=trace.rank[index],
            alternatives=_alternatives(record, trace, index),
        )
        for index in range(len(trace.token_ids))
    ]


def _alternatives(record: GenerationRecord, trace: Trace, index: int) -> tuple[Alternative, ...]:
    """Of alternatives the store keeps ids, not texts: all but the chosen one show their id until `spell`."""
    start = trace.ends[index - 1] if index else 0
    chosen = record.text[start : trace.ends[index]]
    stride = slice(index * trace.k, (index + 1) * trace.k)
    pairs = zip(trace.alternative_ids[stride], trace.alternative_p[stride], strict=True)
    return tuple(
        Alternative(token_id, chosen if token_id == trace.token_ids[index] else f"token {token_id}", p)
        for token_id, p in pairs
    )
