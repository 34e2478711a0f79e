"""Putting two answers up to be judged. Pure."""

from __future__ import annotations

import hashlib

from store.ids import utc_now
from store.records import PairRecord, PairSource


def pair_id(one: str, other: str) -> str:
    """The id of the pair of two generations: the same in either order, and no two pairs share it."""
    first, second = sorted((one, other))
    return hashlib.sha256(f"{first}\n{second}".encode("utf-8", "surrogatepass")).hexdigest()


def put_up(
    one: str,
    other: str,
    *,
    source: PairSource,
    stratum: str = "",
    probe_battery: str | None = None,
    probe_id: str | None = None,
) -> PairRecord:
    """Two generations, by their ids, as a pair."""
    first, second = sorted((one, other))
    return PairRecord(
        id=pair_id(one, other),
        first_id=first,
        second_id=second,
        source=source,
        stratum=stratum,
        probe_battery=probe_battery,
        probe_id=probe_id,
        at=utc_now(),
    )
