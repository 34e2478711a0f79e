"""KTO's other conversations: each prompt with the answers to another one, which tell how far the policy is
from the reference where nothing was preferred (arXiv 2402.01306)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lab.errors import LabError
from lab.models.runtime import mx
from lab.train.net import Net
from lab.train.preference.batches import make_batch
from lab.train.preference.items import Pair, pair_of
from lab.train.preference.reference import Logps
from lab.train.ranks import Ranks


def mismatched(pairs: Sequence[Pair]) -> dict[str, Pair]:
    """For every pair by its key: its prompt with the answers of the next one that has another prompt.

    Raises LabError when all prompts are the same.
    """
    found = {}
    for place, pair in enumerate(pairs):
        around = (pairs[(place + step) % len(pairs)] for step in range(1, len(pairs)))
        other = next((one for one in around if not np.array_equal(one.prompt, pair.prompt)), None)
        if other is None:
            raise LabError("kto compares answers to different prompts; here all prompts are the same")
        found[pair.key] = pair_of(pair.prompt, other.chosen, other.rejected)
    return found


def kl_estimate(
    net: Net, pairs: Sequence[Pair], reference: dict[str, Logps], share: bool, batch_size: int, ranks: Ranks
) -> float:
    """max(0, mean of log π − log π_ref) over the mismatched answers of all ranks, in nats; no gradient."""
    training = net.model.training
    net.model.eval()
    total, count = 0.0, 0.0
    own = pairs[ranks.rank :: ranks.size]
    try:
        for first in range(0, len(own), batch_size):
            chunk = own[first : first + batch_size]
            logps = _sums(net, chunk, share)
            total += float(logps.sum()) - sum(sum(reference[pair.key]) for pair in chunk)
            count += sum((len(pair.chosen) > 0) + (len(pair.rejected) > 0) for pair in chunk)
    finally:
        net.model.train(training)
    if ranks.size > 1:
        total, count = ranks.sum([mx.array([total, count])])[0].tolist()
    return max(total / count, 0.0)


def _sums(net: Net, pairs: Sequence[Pair], share: bool) -> np.ndarray:
    return np.array(make_batch(pairs, share).forward.logps(net), dtype=np.float64)
