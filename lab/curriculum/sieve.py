"""The sieves between answers and training data, one after the other; what is dropped is told with its reason.

cut off → score → degenerate → duplicate → given away → safety. Pure; a person's review comes after them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab.curriculum.candidates import Candidate
from lab.curriculum.near import NearFinder
from lab.errors import LabError
from lab.measure.degeneration import measure
from lab.thermometer.overlap import ProbeIndex
from lab.thermometer.rows import Example
from store.records import ProbeRecord

CUT_OFF, SCORE, DEGENERATE = "cut off", "score", "degenerate"
DUPLICATE, GIVEN_AWAY, SAFETY, REVIEW, MIX = "duplicate", "given away", "safety", "review", "mix"
STEPS = (CUT_OFF, SCORE, DEGENERATE, DUPLICATE, GIVEN_AWAY, SAFETY, REVIEW, MIX)


@dataclass(frozen=True, slots=True)
class Dropped:
    """An answer that will not be trained on: at which step, and why in words."""

    candidate: Candidate
    step: str
    why: str


@dataclass(frozen=True, slots=True)
class Sifted:
    """What came through, in the order in which it came in, and what did not."""

    kept: tuple[Candidate, ...]
    dropped: tuple[Dropped, ...]

    def counts(self) -> dict[str, int]:
        """How many were dropped at each step that dropped any, in the order of the steps."""
        found = Counter(one.step for one in self.dropped)
        return {step: found[step] for step in STEPS if found[step]}


Sieve = Callable[[Sequence[Candidate]], Iterable[tuple[Candidate, str]]]
"""Says which of the candidates to drop, and why."""


def sift(candidates: Sequence[Candidate], sieves: Mapping[str, Sieve]) -> Sifted:
    """Put the candidates through the sieves by name, in their order."""
    kept, dropped = list(candidates), []
    for step, sieve in sieves.items():
        gone = {candidate.id: why for candidate, why in sieve(kept)}
        dropped += [Dropped(one, step, gone[one.id]) for one in kept if one.id in gone]
        kept = [one for one in kept if one.id not in gone]
    return Sifted(tuple(kept), tuple(dropped))


def cut_off(candidates: Sequence[Candidate]) -> Iterable[tuple[Candidate, str]]:
    """Answers that did not end by themselves, and empty ones."""
    for one in candidates:
        if one.finish_reason != "stop":
            yield one, "it did not end by itself"
        elif not one.answer.strip():
            yield one, "it is empty"


def score_below(threshold: float | None, instrument: str) -> Sieve:
    """Answers below the threshold, or without a score where there is a threshold."""

    def sieve(candidates: Sequence[Candidate]) -> Iterable[tuple[Candidate, str]]:
        for one in candidates:
            if threshold is None:
                continue
            if one.score is None:
                yield one, f"{instrument} has no score for it"
            elif one.score < threshold:
                yield one, f"{instrument} {one.score:g}, and {threshold:g} is asked for"

    return sieve


def degenerate(candidates: Sequence[Candidate]) -> Iterable[tuple[Candidate, str]]:
    """Answers that loop or collapse, whatever they score."""
    for one in candidates:
        if reasons := measure(one.answer, one.finish_reason).reasons:
            yield one, ", ".join(reasons)


def duplicate(candidates: Sequence[Candidate]) -> Iterable[tuple[Candidate, str]]:
    """Answers that another one says already, in the same words or nearly; of two the better one stays."""
    finder = NearFinder()
    # The order of ids is of no account: it differs between runs, and the same data must come out of them.
    for one in sorted(candidates, key=_best_first):
        near = finder.add(one.id, one.answer)
        if near is not None:
            yield one, f"{100 * near.similarity:.0f} % as in {near.of}"


def given_away(probes: Collection[ProbeRecord], *, refuse: bool) -> Sieve:
    """Answers that give away one of `probes`, by which the training will be judged.

    Any of: the probe's cluster, its very prompt, a prompt that is nearly it, a run of eight words of it in
    prompt or answer. With `refuse` the first one raises LabError.
    """
    index = ProbeIndex(probes)
    clusters = {probe.source_probe or probe.id: probe for probe in probes}
    near = NearFinder()
    for probe in probes:
        near.add(f"{probe.battery}/{probe.id}", probe.prompt)

    def sieve(candidates: Sequence[Candidate]) -> Iterable[tuple[Candidate, str]]:
        for one in candidates:
            why = _gives_away(one, clusters, index, near)
            if why is None:
                continue
            if refuse:
                raise LabError(
                    f"{one.probe_id or one.id}: {why}: training data must not hold what gates judge by; "
                    "choose other probes or domains, or drop such rows with on_overlap: drop"
                )
            yield one, why

    return sieve


def _gives_away(
    one: Candidate, clusters: Mapping[str, ProbeRecord], index: ProbeIndex, near: NearFinder
) -> str | None:
    if one.cluster in clusters:
        probe = clusters[one.cluster]
        return f"it belongs to {one.cluster}, as the gate probe {probe.battery}/{probe.id} does"
    if hits := index.overlaps(Example(0, one.prompt, one.answer)):
        return f"it has the gate probe {hits[0].battery}/{hits[0].probe_id}: {hits[0].where}"
    found = near.nearest(one.prompt)
    if found is not None:
        return f"its prompt is {100 * found.similarity:.0f} % the gate probe {found.of}"
    return None


def _best_first(one: Candidate) -> tuple[float, str, str, int, str]:
    score = one.score if one.score is not None else float("-inf")
    return (-score, one.cluster, one.variant, one.seed or 0, one.answer)
