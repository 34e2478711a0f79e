"""Pairs to judge from the two sides of a comparison. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from lab.preference.candidates import Answer, pair_record
from lab.preference.put_up import pair_id
from store.queries.compared import ComparedAnswer
from store.queries.pairs import PairableAnswer
from store.records import PairRecord


@dataclass(frozen=True, slots=True)
class PutUp:
    """The pairs, and how many were passed over: both sides said the same, or they were put up before."""

    pairs: tuple[PairRecord, ...]
    equal_texts: int
    known: int


def pairs_of_comparison(
    answers: Iterable[ComparedAnswer],
    texts: Iterable[PairableAnswer],
    *,
    instrument: str,
    stratum: str,
    known: Container[str] = frozenset(),
) -> PutUp:
    """A pair of every place that has both answers; `texts` are those of `answers`, with their totals."""
    read = {one.id: _answer(one) for one in texts}
    by_place: dict[int, list[Answer]] = {}
    for one in answers:
        if one.generation_id in read:
            by_place.setdefault(one.place, []).append(read[one.generation_id])
    pairs: list[PairRecord] = []
    equal = before = 0
    for place in sorted(by_place):
        if len(by_place[place]) != 2:
            continue
        one_side, other = by_place[place]
        if one_side.text.strip() == other.text.strip():
            equal += 1
        elif pair_id(one_side.id, other.id) in known:
            before += 1
        else:
            pairs.append(
                pair_record(one_side, other, source="stored", stratum=stratum, instrument=instrument)
            )
    return PutUp(tuple(pairs), equal, before)


def _answer(row: PairableAnswer) -> Answer:
    return Answer(
        id=row.id,
        prompt=row.prompt,
        text=row.text,
        total=row.total,
        probe_battery=row.probe_battery,
        probe_id=row.probe_id,
    )
