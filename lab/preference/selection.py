"""Which curated pairs become training data, what is left out and why, and how they are split. Pure.

Nothing is dropped in silence: a tie, both bad and skips say nothing to train on; verdicts that contradict
each other cancel out; answers that another model gave are off-policy; pairs that ask a gate's probes would
teach to the test.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.preference.importing import original_pair
from lab.preference.judged import Curated, model_words
from lab.preference.pairs import LeftOut, Message, PreferencePair, Role
from lab.preference.similarity import NEAR_IDENTICAL
from lab.preference.verdicts import preferred
from lab.thermometer.overlap import ProbeIndex
from lab.thermometer.rows import Example
from store.records import BY_HAND

if TYPE_CHECKING:
    from store.queries.pairs import JudgedAnswer, JudgedPair

VALID_SHARE = 0.1
REFERENCE = "reference"
"""In the place of a model: an answer that was written with its probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Pairs to train on and those left out, each with its reason; `clusters` by pair id is what splits go by.

    `policies` counts the answers of the selected pairs by whose they are.
    """

    pairs: tuple[PreferencePair, ...]
    left_out: tuple[LeftOut, ...]
    clusters: Mapping[str, str]
    policies: Mapping[str, int]
    near_identical: int
    without_kernel: int

    @property
    def reasons(self) -> dict[str, int]:
        """How many were left out for which reason, the most frequent first."""
        return count_reasons(self.left_out)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of the selected pairs, one line each."""
        said = []
        if len(self.policies) > 1:
            whose = ", ".join(f"{words} {n}" for words, n in self.policies.items())
            said.append(f"answers of several policies ({whose}); --policy keeps the pairs of one")
        if self.near_identical:
            said.append(f"{self.near_identical} pairs are nearly the same text twice")
        if self.without_kernel:
            said.append(
                f"{self.without_kernel} pairs were answered under different kernels and are written without"
            )
        return tuple(said)


def select(
    curated: Sequence[Curated],
    *,
    gate: ProbeIndex | None = None,
    policy: str | None = None,
    instrument: tuple[str, str] | None = None,
) -> Selection:
    """The pairs whose verdicts agree on one answer, as training data.

    `policy` is the model, or model and adapter, whose answers alone are wanted, as `model_words` writes it;
    what people wrote passes. `instrument` names whose totals go along as scores.
    """
    left_out: list[LeftOut] = []
    chosen: list[tuple[Curated, str]] = []
    for one in curated:
        winner = _winner(one)
        reason = winner if isinstance(winner, LeftOut) else _objection(one.judged, policy, gate)
        if isinstance(reason, LeftOut):
            left_out.append(reason)
        elif isinstance(winner, str):
            chosen.append((one, winner))
    circles = contradictory([_edge(one.judged, winner) for one, winner in chosen])
    kept = [item for place, item in enumerate(chosen) if place not in circles]
    kept.sort(key=lambda item: _name(item[0].judged))
    left_out += [
        LeftOut(_name(chosen[place][0].judged), "contradicts other verdicts on the same question")
        for place in sorted(circles)
    ]
    pairs = [_pair(one.judged, winner, instrument) for one, winner in kept]
    answers = [answer for one, _ in kept for answer in (one.judged.first, one.judged.second)]
    return Selection(
        pairs=tuple(pairs),
        left_out=tuple(left_out),
        clusters={pair.id: one.judged.first.cluster for pair, (one, _) in zip(pairs, kept, strict=True)},
        policies=dict(Counter(map(model_words, answers)).most_common()),
        near_identical=sum((one.judged.pair.similarity or 0.0) >= NEAR_IDENTICAL for one, _ in kept),
        without_kernel=sum(_kernel(one.judged.first) != _kernel(one.judged.second) for one, _ in kept),
    )


def contradictory(edges: Sequence[tuple[Hashable, Hashable, Hashable]]) -> set[int]:
    """The places of preferences (question, better, worse) that are part of a circle: a over b, b over a, or
    a over b over c over a. In a circle no preference is better founded than the others."""
    by_question: defaultdict[Hashable, list[int]] = defaultdict(list)
    for place, (question, _, _) in enumerate(edges):
        by_question[question].append(place)
    found: set[int] = set()
    for places in by_question.values():
        beats: defaultdict[Hashable, set[Hashable]] = defaultdict(set)
        for place in places:
            beats[edges[place][1]].add(edges[place][2])
        found |= {place for place in places if edges[place][1] in _reachable(beats, edges[place][2])}
    return found


def split(
    pairs: Sequence[PreferencePair],
    clusters: Mapping[str, str],
    share: float = VALID_SHARE,
    seed: int = 0,
) -> tuple[list[PreferencePair], list[PreferencePair]]:
    """Pairs to train on and pairs held out, about `share` of them.

    A probe and its rephrasings never are on both sides. With one cluster alone nothing is held out.
    """
    sizes = Counter(clusters[pair.id] for pair in pairs)
    held_out: set[str] = set()
    wanted = share * len(pairs)
    for cluster in sorted(sizes, key=lambda name: _digest(f"{seed}\n{name}")):
        held = sum(sizes[name] for name in held_out)
        if held >= wanted or len(held_out) + 1 == len(sizes):
            break
        held_out.add(cluster)
    train = [pair for pair in pairs if clusters[pair.id] not in held_out]
    return train, [pair for pair in pairs if clusters[pair.id] in held_out]


def conversation(judged: JudgedPair) -> tuple[Message, ...]:
    """What both answers answer. A kernel is part of it only where both stood under the same one."""
    answer = judged.first
    given = answer.said_of_probe.get("messages")
    if answer.imported and isinstance(given, list):
        return tuple(Message(_role(turn["role"]), turn["content"]) for turn in given)
    if _kernel(judged.first) != _kernel(judged.second) or answer.kernel_text is None:
        return (Message("user", answer.prompt),)
    if answer.kernel_placement == "system":
        return Message("system", answer.kernel_text), Message("user", answer.prompt)
    return (Message("user", f"{answer.kernel_text}\n\n{answer.prompt}"),)


def _role(name: str) -> Role:
    return "system" if name == "system" else "assistant" if name == "assistant" else "user"


def _kernel(answer: JudgedAnswer) -> tuple[str | None, str]:
    return answer.kernel_sha256, answer.kernel_placement


def _winner(one: Curated) -> str | LeftOut:
    """The preferred answer, or why there is none."""
    name = _name(one.judged)
    if not one.standing:
        return LeftOut(name, "undone, or judged by others only")
    decided = {choice for verdict in one.standing if (choice := preferred(verdict)) is not None}
    if len(decided) > 1:
        return LeftOut(name, "its verdicts contradict each other")
    if decided:
        return decided.pop()
    said = {verdict.verdict for verdict in one.standing}
    words = {"tie": "a tie", "both_bad": "both are bad", "skip": "skipped"}
    return LeftOut(name, next(words[verdict] for verdict in words if verdict in said))


def _objection(judged: JudgedPair, policy: str | None, gate: ProbeIndex | None) -> LeftOut | None:
    """Why a decided pair is no training data all the same."""
    name = _name(judged)
    if judged.first.text == judged.second.text:
        return LeftOut(name, "both answers are the same text")
    if policy is not None:
        for answer in (judged.first, judged.second):
            if not _is_by(answer, policy):
                return LeftOut(name, f"another policy answered: {model_words(answer)}")
    if gate is not None and (found := _gate_probe(judged, gate)):
        return LeftOut(name, f"asks a probe of a gate: {found}")
    return None


def _is_by(answer: JudgedAnswer, policy: str) -> bool:
    return answer.model_id in (BY_HAND, REFERENCE) or model_words(answer) == policy


def _gate_probe(judged: JudgedPair, gate: ProbeIndex) -> str | None:
    """The battery whose probe the pair gives away, by its id, its source or eight words of it."""
    answer = judged.first
    for probe in gate.probes:
        if probe.id == answer.cluster:
            return probe.battery
    for text in (judged.first.text, judged.second.text):
        if found := gate.overlaps(Example(0, answer.prompt, text)):
            return found[0].battery
    return None


def _edge(judged: JudgedPair, winner: str) -> tuple[Hashable, Hashable, Hashable]:
    return conversation(judged), judged.answer(winner).text, judged.other(winner).text


def _pair(judged: JudgedPair, winner: str, instrument: tuple[str, str] | None) -> PreferencePair:
    chosen, rejected = judged.answer(winner), judged.other(winner)
    return PreferencePair(
        id=_name(judged),
        messages=conversation(judged),
        chosen=chosen.text,
        rejected=rejected.text,
        chosen_model=_model(chosen),
        rejected_model=_model(rejected),
        chosen_score=_score(chosen, instrument),
        rejected_score=_score(rejected, instrument),
        probe=judged.pair.probe_id,
    )


def _model(answer: JudgedAnswer) -> str | None:
    """Whose an answer is; an imported one only as far as its file says."""
    if not answer.imported:
        return model_words(answer)
    said = answer.said.get("model")
    return said if isinstance(said, str) else None


def _score(answer: JudgedAnswer, instrument: tuple[str, str] | None) -> float | None:
    if instrument is not None and instrument in answer.totals:
        return answer.totals[instrument]
    said = answer.said.get("score")
    return float(said) if isinstance(said, int | float) else None


def _name(judged: JudgedPair) -> str:
    """The id a pair is written under: the one it came with, else its own."""
    return original_pair(judged.first.said_of_probe) or judged.pair.id


def _reachable(beats: Mapping[Hashable, Collection[Hashable]], start: Hashable) -> set[Hashable]:
    seen: set[Hashable] = set()
    waiting = [start]
    while waiting:
        at = waiting.pop()
        for worse in beats.get(at, ()):
            if worse not in seen:
                seen.add(worse)
                waiting.append(worse)
    return seen


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def count_reasons(left_out: Iterable[LeftOut]) -> dict[str, int]:
    """How many were left out for which reason, the most frequent first."""
    return dict(Counter(out.reason for out in left_out).most_common())
