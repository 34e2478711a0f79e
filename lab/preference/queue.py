"""In which order pairs come to a rater, and when one that was judged comes back the other way round. Pure.

The store puts a strategy's pairs in order (`store.queries.judgements`); here repeats are mixed in. A rater
who sees one pair in fifteen twice, swapped, learns how steady the own verdicts are and whether a side pulls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from lab.preference.verdicts import Key
from store.queries.judgements import Strategy
from store.records import JudgementRecord

STRATEGIES: Mapping[Strategy, tuple[str, str]] = {
    "new": ("new", "pairs without your verdict, the newest first"),
    "uncertain": ("uncertain", "pairs without your verdict, the smallest score gap first"),
    "disagreements": ("disagreements", "pairs on which raters differ, since you last judged them"),
    "recheck": ("re-check", "judged once: flagged and skipped ones, then the most hastily read"),
}
"""What a strategy is called and what it brings."""

REPEAT_EVERY = 14
"""One repeat among so many new verdicts: one card in fifteen."""
REST = 10
"""So many other verdicts lie between two showings of a pair, at the least."""
TRIES = 64


def repeat_is_due(rater: str, fresh: int) -> bool:
    """Whether a repeat comes after `fresh` first verdicts.

    Each fourteen have one, at a place that a hash chooses, so that nobody can wait for it.
    """
    block, within = divmod(fresh, REPEAT_EVERY)
    return within == _hash(f"{rater}\n{block}") % REPEAT_EVERY


def choose_repeat(
    rater: str, history: Sequence[JudgementRecord], standing: Mapping[Key, JudgementRecord]
) -> JudgementRecord | None:
    """A verdict to ask for again; None where nothing suits.

    `history` is what stands in the order in which it was given. Suited are blind first verdicts that said
    something, were not asked for again yet, and lie at least ten verdicts back.
    """
    rested = len(history) - REST
    for n in range(min(TRIES, max(rested, 0))):
        one = history[_hash(f"{rater}\n{len(history)}\n{n}") % rested]
        again = (one.pair_id, one.pass_number + 1)
        if one.pass_number == 0 and one.blind and one.verdict != "skip" and again not in standing:
            return one
    return None


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8])
