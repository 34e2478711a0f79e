"""Log-probabilities of the answers under the model as it was loaded: computed once, and kept on the disk.

A file for every base model, template and device, a line for every pair, flushed block by block. Pairs are
taken in the order of their lengths and in blocks of fixed size, so that a run that was killed half-way, or
shared by several ranks, gets the very numbers of one that was not.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lab.errors import LabError
from lab.models.runtime import mx
from lab.train.functions import use_quick_functions
from lab.train.net import Net
from lab.train.preference.batches import make_batch
from lab.train.preference.items import Pair
from lab.train.ranks import Ranks
from store.records import ModelRecord

FOLDER = "references"

Logps = tuple[float, float]
"""Summed log-probabilities of the chosen and the rejected answer; 0 for one that there is not."""


class ReferenceFile:
    """What is known of one base model. Raises LabError where it cannot be written."""

    def __init__(self, cache: Path, model: ModelRecord, device: str) -> None:
        name = f"{model.id[:24]}-{model.template_sha256[:12]}-{device}.jsonl"
        self.path = cache / FOLDER / name

    def read(self) -> dict[str, Logps]:
        """All values by the pairs' keys; lines that are not whole are passed over."""
        try:
            lines = self.path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise LabError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        return dict(found for found in map(_value, lines) if found is not None)

    def read_on_all(self, ranks: Ranks) -> dict[str, Logps]:
        """What the first rank reads, on every rank: what is missing must be the same to all of them."""
        if ranks.size == 1:
            return self.read()
        known = json.loads(ranks.from_first(json.dumps(self.read() if ranks.is_first else {}).encode()))
        return {key: (chosen, rejected) for key, (chosen, rejected) in known.items()}

    def append(self, values: Iterable[tuple[str, Logps]]) -> None:
        """Add values; they are on the disk when this returns."""
        lines = (json.dumps({"key": key, "logps": logps}) + "\n" for key, logps in values)
        data = "".join(lines).encode()
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                # A line that a killed process left half written must not swallow the next one.
                whole = _ends_a_line(descriptor)
                os.write(descriptor, data if whole else b"\n" + data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise LabError(f"{self.path}: cannot be written: {error.strerror or error}") from error


def compute_missing(
    net: Net,
    pairs: Sequence[Pair],
    known: dict[str, Logps],
    batch_size: int,
    share: bool,
    ranks: Ranks,
    keep: Callable[[Sequence[tuple[str, Logps]]], None],
    say: Callable[[str], None],
) -> int:
    """Add to `known` what it lacks of `pairs`, with the model in evaluation mode; how many were computed."""
    missing = {pair.key: pair for pair in pairs if pair.key not in known}
    # As the model will compute when it is trained.
    use_quick_functions(net.model)
    todo = sorted(missing.values(), key=lambda pair: (pair.length, pair.key))
    blocks = [todo[first : first + batch_size] for first in range(0, len(todo), batch_size)]
    began_s = time.monotonic()
    for first in range(0, len(blocks), ranks.size):
        done = min(first * batch_size, len(todo))
        say(f"reference {done:,} of {len(todo):,} pairs{_left(began_s, done, len(todo))}")
        group = blocks[first : first + ranks.size]
        found = list(_together(net, group, share, ranks))
        known.update(found)
        if ranks.is_first:
            keep(found)
    return len(todo)


def _together(
    net: Net, group: Sequence[Sequence[Pair]], share: bool, ranks: Ranks
) -> Iterator[tuple[str, Logps]]:
    """The values of a block for each rank, computed apart and exchanged."""
    values: Any = np.zeros((len(group), max(map(len, group)), 2), dtype=np.float32)
    if ranks.rank < len(group):
        own = group[ranks.rank]
        values[ranks.rank, : len(own)] = logps_of(net, own, share)
    if ranks.size > 1:
        values = np.array(ranks.sum([mx.array(values)])[0])
    for block, rows in zip(group, values.tolist(), strict=True):
        for pair, (chosen, rejected) in zip(block, rows, strict=False):
            yield pair.key, (chosen, rejected)


def logps_of(net: Net, pairs: Sequence[Pair], share: bool) -> np.ndarray:
    """`(pairs, 2)` of chosen and rejected answers."""
    batch = make_batch(pairs, share)
    logps = np.array(batch.forward.logps(net))
    n, singles = batch.n_pairs, logps[2 * batch.n_pairs :]
    desirable = batch.single_desirable > 0
    alone = np.stack([np.where(desirable, singles, 0.0), np.where(desirable, 0.0, singles)], axis=-1)
    listed = np.concatenate([np.stack([logps[:n], logps[n : 2 * n]], axis=-1), alone])
    return np.asarray(listed[np.array(batch.order)], dtype=np.float32)


def _left(began_s: float, done: int, total: int) -> str:
    if not done:
        return ""
    left_s = (time.monotonic() - began_s) * (total - done) / done
    return f", {left_s:.0f} s left" if left_s < 120 else f", {left_s / 60:.0f} min left"


def _value(line: bytes) -> tuple[str, Logps] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        fields = json.loads(line)
        chosen, rejected = fields["logps"]
        return str(fields["key"]), (float(chosen), float(rejected))
    except (ValueError, KeyError, TypeError):
        return None


def _ends_a_line(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
