"""Which two answers to one question are worth a person's verdict. Pure.

Pairs are chosen by score gap, and in two further strata so that curation does not just learn what the
instrument already knows, or length: pairs of matched length, and pairs between whose answers the instrument
hardly sees a difference. Answers to probes that give a direction (accept or push back) are strata of their
own, kept in balance.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import quantiles
from typing import Literal

from lab.preference.put_up import pair_id, put_up
from lab.preference.similarity import NEAR_IDENTICAL, similarity
from store.records import PairRecord, PairSource

GAP, MATCHED_LENGTH, LOW_GAP = "score gap", "matched length", "low gap"
ACCEPT, PUSH_BACK = "accept", "push-back"
SHARES = {MATCHED_LENGTH: 0.4, GAP: 0.4, LOW_GAP: 0.2}
MATCHED_RATIO = 0.9
"""Words of the shorter answer over words of the longer one: from here on the lengths count as matched."""
LEAST_SHARE_OF_A_KIND = 1 / 3

Direction = Literal["accept", "pushback"]
_STRATUM_OF: dict[str, str] = {"accept": ACCEPT, "pushback": PUSH_BACK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that a pair can be made of. `total` is what the instrument says, None where it says nothing.

    `direction` is what the probe's direction calls for, None for a probe that gives none. `is_reference`
    marks an answer that was written with the probe, to show the behavior that is wanted.
    """

    id: str
    prompt: str
    text: str
    total: float | None
    probe_battery: str | None = None
    probe_id: str | None = None
    direction: Direction | None = None
    is_reference: bool = False

    @property
    def question(self) -> tuple[str, str]:
        """What it answers: only answers to the same question make a pair."""
        return self.probe_id or "", self.prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The pairs that were chosen, and what there was to choose from.

    `strata` counts the chosen by stratum; `near_identical` of them differ in a word or two and are there only
    because nothing else was left. `equal_texts`, `known` and `unscored` count pairs that were passed over:
    answers that say the same, pairs put up before, and pairs of which the instrument says nothing.
    """

    pairs: tuple[PairRecord, ...]
    strata: dict[str, int]
    considered: int
    near_identical: int
    equal_texts: int
    known: int
    unscored: int
    questions: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before judging these pairs, one line each."""
        said = []
        kinds = self.strata.get(ACCEPT, 0), self.strata.get(PUSH_BACK, 0)
        if sum(kinds) and min(kinds) < LEAST_SHARE_OF_A_KIND * sum(kinds):
            said.append(
                f"one-sided: {kinds[0]} accept and {kinds[1]} push-back pairs; trained on them a model "
                f"learns {'to agree' if kinds[0] > kinds[1] else 'to object'}, whatever the direction"
            )
        if self.strata.get(GAP, 0) and not self.strata.get(MATCHED_LENGTH, 0):
            said.append("no pair of matched length: verdicts on these may learn nothing but length")
        if self.near_identical:
            said.append(f"{self.near_identical} of the pairs are nearly the same text twice")
        return tuple(said)


@dataclass(frozen=True, slots=True)
class _Candidate:
    first: Answer
    second: Answer
    gap: float
    ratio: float

    @property
    def id(self) -> str:
        return pair_id(self.first.id, self.second.id)

    @property
    def has_reference(self) -> bool:
        return self.first.is_reference != self.second.is_reference

    @property
    def words(self) -> tuple[str, ...]:
        """Breaks ties: ids would say in which order the answers were made, which differs from run to run."""
        return self.first.prompt, *sorted((self.first.text, self.second.text))


def pair_record(
    one: Answer, other: Answer, *, source: PairSource, stratum: str, instrument: str | None
) -> PairRecord:
    """Two answers as a pair; the score gap is the lower id's total less the other's."""
    first, second = sorted((one, other), key=lambda answer: answer.id)
    known = None not in (first.total, second.total)
    return replace(
        put_up(
            first.id,
            second.id,
            source=source,
            stratum=stratum,
            probe_battery=first.probe_battery or second.probe_battery,
            probe_id=first.probe_id or second.probe_id,
        ),
        instrument=instrument if known else None,
        score_gap=(first.total or 0.0) - (second.total or 0.0) if known else None,
        similarity=similarity(first.text, second.text),
    )


def choose(
    answers: Iterable[Answer],
    n: int,
    *,
    instrument: str,
    source: PairSource = "sweep",
    known: Container[str] = frozenset(),
    shares: dict[str, float] = SHARES,
) -> Choice:
    """At most `n` new pairs, spread over the questions and the strata.

    Questions take turns: each gives its best pair of a stratum before any gives its second. Directions get
    the share of `n` that they have of the questions, half of it each kind. What a stratum cannot fill goes to
    the others, and nearly identical answers come last of all.
    """
    found = _Found()
    by_question: defaultdict[tuple[str, str], list[Answer]] = defaultdict(list)
    for answer in answers:
        by_question[answer.question].append(answer)
    for asked in by_question.values():
        found.look(asked, known)
    directed = [one for one in found.candidates if one.first.direction]
    plain = [one for one in found.candidates if not one.first.direction]
    questions = {one.first.question for one in found.candidates}
    n_directed = round(n * len({one.first.question for one in directed}) / max(len(questions), 1))
    picker = _Picker(instrument, source)
    picker.fill(_directions(directed), {ACCEPT: n_directed - n_directed // 2, PUSH_BACK: n_directed // 2})
    picker.fill(_strata(plain), _quotas(n - n_directed, shares))
    picker.top_up(n)
    return Choice(
        pairs=tuple(picker.pairs),
        strata=dict(Counter(pair.stratum for pair in picker.pairs)),
        considered=len(found.candidates),
        near_identical=sum((pair.similarity or 0.0) >= NEAR_IDENTICAL for pair in picker.pairs),
        equal_texts=found.equal_texts,
        known=found.known,
        unscored=found.unscored,
        questions=len({pair.probe_id or pair.id for pair in picker.pairs}),
    )


class _Found:
    """All pairs of answers that could be put up, and how many could not."""

    def __init__(self) -> None:
        self.candidates: list[_Candidate] = []
        self.equal_texts = self.known = self.unscored = 0

    def look(self, answers: Sequence[Answer], known: Container[str]) -> None:
        for one, other in combinations(sorted(answers, key=lambda answer: answer.id), 2):
            if one.text.strip() == other.text.strip():
                self.equal_texts += 1
            elif pair_id(one.id, other.id) in known:
                self.known += 1
            elif one.total is None or other.total is None:
                self.unscored += 1
            else:
                gap = abs(one.total - other.total)
                self.candidates.append(_Candidate(one, other, gap, length_ratio(one.text, other.text)))


class _Picker:
    """Takes candidates in their order until each stratum has what it should."""

    def __init__(self, instrument: str, source: PairSource) -> None:
        self.pairs: list[PairRecord] = []
        self._instrument = instrument
        self._source = source
        self._taken: set[str] = set()
        self._rest: list[tuple[str, Iterator[_Candidate]]] = []
        self._near: list[tuple[str, PairRecord]] = []

    def fill(self, strata: dict[str, list[_Candidate]], quotas: dict[str, int]) -> None:
        for name, candidates in strata.items():
            turns = _in_turns(candidates)
            self._take(name, turns, quotas.get(name, 0))
            self._rest.append((name, turns))

    def top_up(self, n: int) -> None:
        """From what is left of any stratum, a turn each; then from what is nearly identical."""
        waiting = list(self._rest)
        while waiting and len(self.pairs) < n:
            waiting = [
                (name, turns) for name, turns in waiting if len(self.pairs) < n and self._take(name, turns, 1)
            ]
        for _, pair in self._near[: max(0, n - len(self.pairs))]:
            self.pairs.append(pair)

    def _take(self, stratum: str, turns: Iterator[_Candidate], count: int) -> bool:
        """Whether so many could be taken."""
        while count > 0:
            candidate = next(turns, None)
            if candidate is None:
                return False
            if candidate.id in self._taken:
                continue
            self._taken.add(candidate.id)
            pair = pair_record(
                candidate.first,
                candidate.second,
                source="directions" if candidate.first.direction else self._source,
                stratum=stratum,
                instrument=self._instrument,
            )
            if (pair.similarity or 0.0) >= NEAR_IDENTICAL:
                self._near.append((stratum, pair))
                continue
            self.pairs.append(pair)
            count -= 1
        return True


def length_ratio(one: str, other: str) -> float:
    """Words of the shorter text over words of the longer one; 1 for two without any."""
    lengths = sorted((len(one.split()), len(other.split())))
    return lengths[0] / lengths[1] if lengths[1] else 1.0


def _strata(candidates: Sequence[_Candidate]) -> dict[str, list[_Candidate]]:
    """Candidates by stratum, best first. One may be in several; the first that takes it has it.

    A low gap is one of the lowest quarter of all gaps.
    """
    if not candidates:
        return {}
    gaps = [one.gap for one in candidates]
    low = quantiles(gaps, n=4, method="inclusive")[0] if len(gaps) > 1 else gaps[0]
    widest = sorted(candidates, key=lambda one: (-one.gap, one.words))
    return {
        MATCHED_LENGTH: [one for one in widest if one.ratio >= MATCHED_RATIO and one.gap > low],
        LOW_GAP: sorted((one for one in candidates if one.gap <= low), key=lambda one: (one.gap, one.words)),
        GAP: [one for one in widest if one.gap > low],
    }


def _directions(candidates: Sequence[_Candidate]) -> dict[str, list[_Candidate]]:
    """By kind; a reference against the model's own answer comes before two of the model's own."""
    strata: dict[str, list[_Candidate]] = {ACCEPT: [], PUSH_BACK: []}
    for one in sorted(candidates, key=lambda one: (not one.has_reference, -one.gap, one.words)):
        strata[_STRATUM_OF[str(one.first.direction)]].append(one)
    return strata


def _quotas(n: int, shares: dict[str, float]) -> dict[str, int]:
    """Whole numbers that add up to `n`, by largest remainder."""
    whole = {name: int(n * share) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: whole[name] - n * shares[name])
    for name in by_remainder[: n - sum(whole.values())]:
        whole[name] += 1
    return whole


def _in_turns(candidates: Sequence[_Candidate]) -> Iterator[_Candidate]:
    """The first candidate of every question, in the order given, then every second, and so on."""
    turn: Counter[tuple[str, str]] = Counter()
    numbered = []
    for place, one in enumerate(candidates):
        numbered.append((turn[one.first.question], place, one))
        turn[one.first.question] += 1
    return (one for _, _, one in sorted(numbered, key=lambda item: item[:2]))
