"""Which answers make up the data, and on which side of the split they stand. Pure.

Clusters are split, never samples: a probe, its rephrasings and all answers to them stand on one side. Every
choice follows from the seed and from what was asked and said, so that the same answers give the same data.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from lab.curriculum.candidates import Candidate
from lab.curriculum.review import lot
from lab.errors import LabError

_ROUNDING = 1e-9


def held_out_clusters(clusters: Sequence[str], share: float, seed: int) -> frozenset[str]:
    """The clusters of the held-out side: about `share` of them, at least one and never all.

    Raises LabError when there is one cluster only, which cannot be split.
    """
    known = sorted(set(clusters))
    if share <= 0:
        return frozenset()
    if len(known) < 2:
        raise LabError(
            f"the answers that are left belong to {len(known)} probe: two at least are needed to hold one out"
        )
    count = min(max(round(share * len(known)), 1), len(known) - 1)
    return frozenset(sorted(known, key=lambda cluster: _lot(seed, cluster))[:count])


def mixed(candidates: Sequence[Candidate], shares: Mapping[str, float], seed: int) -> list[Candidate]:
    """As many as the shares of the sources allow, drawn from each; in the order in which they came.

    `shares` sum to 1. Raises LabError for a source that has a share and no answer, or the other way round.
    """
    there = Counter(one.source for one in candidates)
    for source, share in shares.items():
        if share > 0 and not there[source]:
            raise LabError(f"no answer of the source {source!r} is left, and it is to be {100 * share:g} %")
    if unknown := [source for source in there if source not in shares]:
        raise LabError(f"the source {unknown[0]!r} has no share in the mix")
    total = min(there[source] / share for source, share in shares.items() if share > 0)
    wanted = {source: int(total * share + _ROUNDING) for source, share in shares.items()}
    drawn: set[str] = set()
    for source, count in wanted.items():
        of_it = [one for one in candidates if one.source == source]
        drawn |= {one.id for one in sorted(of_it, key=lambda one: lot(seed, one))[:count]}
    return [one for one in candidates if one.id in drawn]


def _lot(seed: int, cluster: str) -> str:
    return hashlib.sha256(f"{seed}\n{cluster}".encode()).hexdigest()
