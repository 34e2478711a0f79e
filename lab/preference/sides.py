"""Which answer stands left: seeded by pair, rater and pass, so that no side tells the model or the order."""

from __future__ import annotations

import hashlib


def stands_swapped(pair_id: str, rater: str, pass_number: int) -> bool:
    """Whether the pair's second answer is shown left.

    A fair coin by hash for the first showing; every further pass shows the other way round, so that a repeat
    measures self-agreement and position bias at once.
    """
    coin = hashlib.sha256(f"{pair_id}\n{rater}".encode("utf-8", "surrogatepass")).digest()[0] & 1
    return bool(coin ^ (pass_number & 1))
