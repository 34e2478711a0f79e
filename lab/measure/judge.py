"""A model as judge of pairs: how it is asked, how its reply is read, and what its replies come to.

Each pair is judged in both orders; verdicts that disagree are a tie (FastChat's `llm_judge`): the place of
an answer sways a judge, the more the closer the answers are (arXiv 2406.07791). A reply that cannot be read
is an error and never a number.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.measure.answer import answer_of
from lab.measure.statistics import Agreement, Estimate, WinRate, cohen_kappa, wilson, win_rate
from lab.seeds import SEEDS
from lab.textfiles import decode, read_bytes
from store.records import PairVerdict, SideName

DEFAULT_TEMPLATE = SEEDS / "judges" / "pair-v1.txt"
MAX_TEMPLATE_BYTES = 1 << 16
_PLACES = ("question", "answer_a", "answer_b")
_PLACE = re.compile(r"\{(fence|question|answer_a|answer_b)\}")
_VERDICT = re.compile(r"\[\[\s*([ABC])\s*\]\]")
_SHORTEST_FENCE = 5
_EXCERPT_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class JudgeTemplate:
    """What a judge is asked: raw text with {question}, {answer_a}, {answer_b} and {fence}."""

    name: str
    text: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PairToJudge:
    """The two answers of a pair as the judge may read them: without template debris and reasoning."""

    question: str
    left: str
    right: str


def load_template(path: Path | None = None) -> JudgeTemplate:
    """The template in a file; None is the shipped one. Raises LabError when a place is missing."""
    source = path or DEFAULT_TEMPLATE
    data = read_bytes(source, MAX_TEMPLATE_BYTES)
    text = decode(data, str(source))
    found = Counter(_PLACE.findall(text))
    for place in _PLACES:
        if found[place] != 1:
            raise LabError(f"{source}: expected {{{place}}} exactly once, found {found[place]}")
    return JudgeTemplate(source.stem, text, hashlib.sha256(data).hexdigest())


def judge_prompt(template: JudgeTemplate, pair: PairToJudge, shown_first: SideName) -> str:
    """What the judge is asked of a pair when the answer of `shown_first` is answer A.

    What is put in is never searched for places, and the fence is longer than any run of its sign in it.
    """
    left, right = answer_of(pair.left).text, answer_of(pair.right).text
    first, second = (left, right) if shown_first == "left" else (right, left)
    runs = [len(run) for text in (pair.question, left, right) for run in re.findall("=+", text)]
    texts = {
        "fence": "=" * max([_SHORTEST_FENCE, *(run + 1 for run in runs)]),
        "question": pair.question,
        "answer_a": first,
        "answer_b": second,
    }
    return _PLACE.sub(lambda place: texts[place[1]], template.text)


def read_verdict(reply: str, shown_first: SideName) -> PairVerdict:
    """The side that a reply prefers. Raises LabError when it names none, or more than one.

    Reasoning blocks are not read. `[[A]]` is the answer that was shown first, `[[C]]` a tie.
    """
    text = answer_of(reply).text
    named = list(dict.fromkeys(_VERDICT.findall(text)))
    if len(named) > 1:
        raise LabError(f"several verdicts: {', '.join(f'[[{name}]]' for name in named)}")
    if not named:
        raise LabError(f"no verdict [[A]], [[B]] or [[C]] in {_excerpt(text)}")
    if named[0] == "C":
        return "tie"
    return shown_first if named[0] == "A" else other_side(shown_first)


def other_side(side: SideName) -> SideName:
    """The side across."""
    return "right" if side == "left" else "left"


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    if not line:
        return "an empty reply"
    return f"“…{line[-_EXCERPT_CHARACTERS:]}”" if len(line) > _EXCERPT_CHARACTERS else f"“{line}”"


@dataclass(frozen=True, slots=True)
class Judged:
    """One reply as it was read: to which pair (`place`), in which order, and the verdict; None: an error."""

    place: int
    shown_first: SideName
    verdict: PairVerdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairJudgement:
    """What both orders come to. `verdict` is None where an order is missing or could not be read."""

    place: int
    verdict: PairVerdict | None
    orders_agree: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSummary:
    """What a judge says of a comparison.

    Attributes:
        win_rate: of the right side; n counts clusters (a probe with its rephrasings and samples is one), won
            or lost by the majority of its pairs.
        judged: pairs with a verdict; `equal_texts` of them are ties because both texts are the same.
        disagreements: pairs whose two orders disagree, counted as ties.
        errors: pairs without a verdict, as a reply could not be read or is missing.
        first_shown: how often the answer shown first was preferred, of the replies that preferred one; far
            from one half, the judge follows places more than answers.
        agreement: Cohen's κ of the judge and an instrument over the pairs that both decided on; None without.
    """

    pairs: tuple[PairJudgement, ...]
    win_rate: WinRate
    judged: int
    equal_texts: int
    disagreements: int
    errors: int
    first_shown: Estimate
    agreement: Agreement | None


def combine(replies: Iterable[Judged]) -> tuple[PairJudgement, ...]:
    """The verdict on each pair, in the order of places: both orders must be there; disagreement is a tie."""
    by_place: dict[int, dict[SideName, PairVerdict | None]] = {}
    for reply in replies:
        by_place.setdefault(reply.place, {})[reply.shown_first] = reply.verdict
    return tuple(_combined(place, by_place[place]) for place in sorted(by_place))


def _combined(place: int, orders: Mapping[SideName, PairVerdict | None]) -> PairJudgement:
    left_first, right_first = orders.get("left"), orders.get("right")
    if left_first is None or right_first is None:
        return PairJudgement(place=place, verdict=None, orders_agree=None)
    agree = left_first == right_first
    return PairJudgement(place=place, verdict=left_first if agree else "tie", orders_agree=agree)


def summarize(
    replies: Sequence[Judged],
    clusters: Mapping[int, str],
    equal_texts: Iterable[int] = (),
    by_instrument: Mapping[int, PairVerdict] | None = None,
) -> JudgeSummary:
    """What a judge's replies come to.

    `clusters` names the cluster of each place that has both answers; a place without replies is an error
    unless it is among `equal_texts`, which are ties without asking. `by_instrument` has the verdicts of an
    instrument by place.
    """
    equal = sorted(set(equal_texts))
    asked = {pair.place: pair for pair in combine(replies) if pair.place not in equal}
    ties = {place: PairJudgement(place=place, verdict="tie", orders_agree=True) for place in equal}
    missing = {
        place: PairJudgement(place=place, verdict=None, orders_agree=None)
        for place in clusters
        if place not in asked and place not in ties
    }
    pairs = tuple(pair for _, pair in sorted({**asked, **ties, **missing}.items()))
    verdicts = {pair.place: pair.verdict for pair in pairs if pair.verdict is not None}
    outcomes = Counter(_cluster_outcomes(verdicts, clusters))
    decided = [
        (reply.shown_first, reply.verdict)
        for reply in replies
        if reply.verdict in ("left", "right") and reply.place not in equal
    ]
    return JudgeSummary(
        pairs=pairs,
        win_rate=win_rate(outcomes[1], outcomes[0], outcomes[-1]),
        judged=len(verdicts),
        equal_texts=len(equal),
        disagreements=sum(pair.orders_agree is False for pair in pairs),
        errors=len(pairs) - len(verdicts),
        first_shown=wilson(sum(first == verdict for first, verdict in decided), len(decided)),
        agreement=_agreement(verdicts, by_instrument or {}),
    )


def _cluster_outcomes(verdicts: Mapping[int, PairVerdict], clusters: Mapping[int, str]) -> list[int]:
    """For each cluster 1, 0 or −1: the right side wins most of its pairs, as many as it loses, or fewer."""
    worth = {"right": 1, "tie": 0, "left": -1}
    sums: dict[str, int] = {}
    for place, verdict in verdicts.items():
        cluster = clusters.get(place, str(place))
        sums[cluster] = sums.get(cluster, 0) + worth[verdict]
    return [(total > 0) - (total < 0) for total in sums.values()]


def _agreement(
    verdicts: Mapping[int, PairVerdict], by_instrument: Mapping[int, PairVerdict]
) -> Agreement | None:
    shared = [place for place in verdicts if place in by_instrument]
    if not shared:
        return None
    return cohen_kappa([verdicts[place] for place in shared], [by_instrument[place] for place in shared])
