"""Judging a stored comparison with a model: pairs go to the judge in both orders, what it says is kept.

Every reply is an answer like any other, kept with its seed, condition and entropies; a record beside it says
which pair and order it was about, and the verdict or why there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lab.decode.types import Sampling
from lab.errors import LabError
from lab.measure.comparison import verdict_of
from lab.measure.judge import (
    Judged,
    JudgeSummary,
    JudgeTemplate,
    PairToJudge,
    judge_prompt,
    read_verdict,
    summarize,
)
from lab.protocol import Ask, Event, Finished
from store.ids import new_id, utc_now
from store.records import JudgeReplyRecord, PairVerdict, SideName

if TYPE_CHECKING:
    from store.queries.judges import AnsweredPair, JudgeReply
    from store.service import StoreService

ORDERS: tuple[SideName, SideName] = ("left", "right")
JUDGE_SAMPLING = Sampling(temperature=0.0, top_p=1.0, max_tokens=400)
"""Greedy: a judge that is asked again says the same."""


class Decoder(Protocol):
    """What makes the replies: a Session."""

    def generate(
        self,
        request_id: str,
        asks: Sequence[Ask],
        batch_size: int = 8,
        should_stop: Callable[[], bool] = ...,
        run_id: str | None = None,
    ) -> Iterator[Event]: ...


@dataclass(frozen=True, slots=True)
class StoredJudgement:
    """What one judge with one template said of a comparison, with its replies in the order of places."""

    judge_model_id: str
    judge_name: str
    template: str
    template_sha256: str
    summary: JudgeSummary
    replies: tuple[JudgeReply, ...]


@dataclass(frozen=True, slots=True)
class _Question:
    pair: AnsweredPair
    shown_first: SideName


def judge_comparison(
    service: StoreService,
    decoder: Decoder,
    judge_model_id: str,
    comparison_id: str,
    template: JudgeTemplate,
    *,
    max_tokens: int = JUDGE_SAMPLING.max_tokens,
    batch_size: int = 8,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Have every pair of a comparison judged that was not yet, and say how many replies that took.

    Each reply is on the disk before the next is counted, so that a stopped run goes on where it was. Pairs of
    two equal texts are not asked about. Raises LabError when no pair has both answers.
    """
    open_questions = _open_questions(service, judge_model_id, comparison_id, template)
    sampling = Sampling(
        temperature=JUDGE_SAMPLING.temperature, top_p=JUDGE_SAMPLING.top_p, max_tokens=max_tokens
    )
    asks = [_ask(question, template, sampling) for question in open_questions]
    on_progress(0, len(asks))
    done = 0
    for event in decoder.generate("judge", asks, batch_size=batch_size, run_id=new_id()):
        if not isinstance(event, Finished) or event.generation["finish_reason"] == "cancelled":
            continue
        question = open_questions[event.ask]
        service.append(_reply(question, event, judge_model_id, comparison_id, template))
        done += 1
        on_progress(done, len(asks))
    return done


def judgements(
    service: StoreService, comparison_id: str, by_instrument: Mapping[int, PairVerdict] | None = None
) -> list[StoredJudgement]:
    """What judges said of a comparison so far, a judge and template at a time, by the judge's name.

    `by_instrument` has an instrument's verdicts by place, to see whether the judge agrees with it; those of
    the comparison's own where none are given.
    """
    from store.queries.judges import answered_pairs, judge_replies

    replies = service.query(judge_replies, comparison_id)
    if not replies:
        return []
    pairs = service.query(answered_pairs, comparison_id)
    clusters = {pair.place: pair.cluster for pair in pairs}
    equal = [pair.place for pair in pairs if pair.left_text == pair.right_text]
    verdicts = _instrument_verdicts(service, comparison_id) if by_instrument is None else by_instrument
    by_judge: dict[tuple[str, str], list[JudgeReply]] = {}
    for reply in replies:
        by_judge.setdefault((reply.judge_model_id, reply.template_sha256), []).append(reply)
    found = [_stored(group, clusters, equal, verdicts) for group in by_judge.values()]
    return sorted(found, key=lambda judgement: (judgement.judge_name, judgement.template))


def _stored(
    replies: Sequence[JudgeReply],
    clusters: Mapping[int, str],
    equal_texts: Sequence[int],
    verdicts: Mapping[int, PairVerdict],
) -> StoredJudgement:
    read = [Judged(reply.place, reply.shown_first, reply.verdict) for reply in replies]
    first = replies[0]
    return StoredJudgement(
        judge_model_id=first.judge_model_id,
        judge_name=first.judge_name,
        template=first.template,
        template_sha256=first.template_sha256,
        summary=summarize(read, clusters, equal_texts, verdicts),
        replies=tuple(replies),
    )


def _instrument_verdicts(service: StoreService, comparison_id: str) -> dict[int, PairVerdict]:
    """What the comparison's instrument says of each scored pair."""
    from store.queries.compare import PairFilter, count_pairs, page_pairs

    which = PairFilter()
    rows = service.query(
        page_pairs, comparison_id, which, 0, service.query(count_pairs, comparison_id, which)
    )
    return pair_verdicts((row.place, row.delta) for row in rows)


def pair_verdicts(deltas: Iterable[tuple[int, float | None]]) -> dict[int, PairVerdict]:
    """The side that a delta prefers at ± 0.5, by place; a place without a delta is left out."""
    side: dict[str, PairVerdict] = {"improved": "right", "regressed": "left", "unchanged": "tie"}
    return {place: side[verdict_of(delta)] for place, delta in deltas if delta is not None}


def _open_questions(
    service: StoreService, judge_model_id: str, comparison_id: str, template: JudgeTemplate
) -> list[_Question]:
    from store.queries.judges import answered_pairs, judge_replies

    pairs = service.query(answered_pairs, comparison_id)
    if not pairs:
        raise LabError(f"{comparison_id}: no pair has both answers yet, so there is nothing to judge")
    answered = {
        (reply.place, reply.shown_first)
        for reply in service.query(judge_replies, comparison_id)
        if (reply.judge_model_id, reply.template_sha256) == (judge_model_id, template.sha256)
    }
    return [
        _Question(pair, first)
        for pair in pairs
        if pair.left_text != pair.right_text
        for first in ORDERS
        if (pair.place, first) not in answered
    ]


def _ask(question: _Question, template: JudgeTemplate, sampling: Sampling) -> Ask:
    pair = question.pair
    texts = PairToJudge(pair.prompt, pair.left_text, pair.right_text)
    prompt = judge_prompt(template, texts, question.shown_first)
    return Ask(prompt=prompt, sampling=sampling, seed=0, alternatives=0)


def _reply(
    question: _Question, event: Finished, judge_model_id: str, comparison_id: str, template: JudgeTemplate
) -> JudgeReplyRecord:
    verdict: PairVerdict | None = None
    error = None
    try:
        verdict = read_verdict(str(event.generation["text"]), question.shown_first)
    except LabError as fault:
        error = str(fault)
    return JudgeReplyRecord(
        id=new_id(),
        comparison_id=comparison_id,
        left_generation_id=question.pair.left_generation_id,
        right_generation_id=question.pair.right_generation_id,
        shown_first=question.shown_first,
        verdict=verdict,
        error=error,
        generation_id=event.generation_id,
        judge_model_id=judge_model_id,
        template=template.name,
        template_sha256=template.sha256,
        at=utc_now(),
    )
