"""Which side stands where while the sides are hidden: by a seed, balanced, the same at every visit. Pure."""

from __future__ import annotations

import hashlib

from store.records import SideName


def order_of(comparison_id: str, place: int, rater: str) -> tuple[SideName, SideName]:
    """What stands at the left and what at the right of a pair, for this rater.

    Of each two neighboring places one is swapped, and a hash says which: nobody can guess it, and as many
    right sides stand at the left as left ones.
    """
    block = f"{comparison_id}\n{rater}\n{place // 2}".encode("utf-8", "surrogatepass")
    first_is_swapped = hashlib.sha256(block).digest()[0] & 1 == 1
    swapped = first_is_swapped if place % 2 == 0 else not first_is_swapped
    return ("right", "left") if swapped else ("left", "right")
