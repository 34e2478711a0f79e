"""What a person must look at before it is trained on: answers with signs of harm. A flag is no verdict."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache

from lab.curriculum.candidates import Candidate
from lab.measure.instrument import Instrument, Reading
from lab.scoring import instrument
from store.records import ReviewRecord

SAFETY = "safety"
REFUSAL = "refusal"


def flags(one: Candidate) -> tuple[str, ...]:
    """The signs that it has, by name; none for most answers."""
    found = _safety().score(Reading(text=one.answer, prompt=one.prompt))
    signs = [name for name, dimension in found.dimensions.items() if dimension.hits]
    refusal = _refusal().score(Reading(text=one.answer, prompt=one.prompt, probe=one.extra))
    if refusal.dimensions["missed_refusal"].value:
        signs.append("answers what should be declined")
    return tuple(signs)


def flagged(candidates: Sequence[Candidate]) -> dict[str, tuple[str, ...]]:
    """The signs of those that have any, by id."""
    return {one.id: signs for one in candidates if (signs := flags(one))}


def held_back(found: Mapping[str, Collection[str]], stands: Mapping[str, ReviewRecord]) -> dict[str, str]:
    """The flagged that no person has let through, and why, by id."""
    return {
        one: f"flagged ({', '.join(signs)}), and nobody has reviewed it"
        for one, signs in found.items()
        if one not in stands
    }


@cache
def _safety() -> Instrument:
    return instrument(SAFETY)


@cache
def _refusal() -> Instrument:
    return instrument(REFUSAL)
