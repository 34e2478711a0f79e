"""Prompts that begin alike are prefilled once: the keys and values of what they share are kept and reused.

A kernel of some thousand tokens stands before every prompt of a battery. Nobody has to say so: the second
prompt that begins like an earlier one is prefilled in two parts, and the state between the parts is kept.
State is copied, never trimmed, so that caches which cannot be trimmed (the recurrent state of gated delta
nets, rotating windows that have wrapped) are served the same way; copies of a `HostCache` share what it
holds. Lengths are multiples of `BLOCK`, because two prompts may share a few tokens more than all of them do.
"""

from __future__ import annotations

import copy
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

BLOCK = 16
MIN_SHARED = 32
RECENT = 8


@dataclass(frozen=True, slots=True)
class _Entry:
    cache: list[Any]
    nbytes: int


class PrefixCache:
    """Prefilled prompt beginnings, bounded in bytes and number; the least recently used goes first.

    `owner` in the methods names what the state belongs to: a model, and later its adapter.
    """

    def __init__(self, max_bytes: int = 512 * 2**20, max_entries: int = 8) -> None:
        self.max_bytes = max_bytes
        self.max_entries = max_entries
        self._entries: OrderedDict[tuple[str, tuple[int, ...]], _Entry] = OrderedDict()
        self._recent: deque[tuple[str, tuple[int, ...]]] = deque(maxlen=RECENT)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(entry.nbytes for entry in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def longest(self, owner: str, tokens: Sequence[int]) -> tuple[int, list[Any] | None]:
        """How many tokens of a prompt are prefilled already, and a copy of their state to go on from.

        At least one token is left to run, for its logits are wanted.
        """
        wanted = tuple(tokens)
        fitting = [
            key
            for key in self._entries
            if key[0] == owner and len(key[1]) < len(wanted) and wanted[: len(key[1])] == key[1]
        ]
        if not fitting:
            return 0, None
        key = max(fitting, key=lambda candidate: len(candidate[1]))
        self._entries.move_to_end(key)
        return len(key[1]), copy.deepcopy(self._entries[key].cache)

    def split_at(self, owner: str, tokens: Sequence[int], prefilled: int) -> int | None:
        """Where the state of this prompt is worth keeping: the end of what it shares with a recent one."""
        wanted = tuple(tokens)
        shared = max((_shared(wanted, seen) for who, seen in self._recent if who == owner), default=0)
        self._recent.append((owner, wanted))
        split = min(shared, len(wanted) - 1) // BLOCK * BLOCK
        return split if split >= prefilled + MIN_SHARED else None

    def keep(self, owner: str, tokens: Sequence[int], cache: list[Any]) -> None:
        """Keep a copy of the state behind `tokens`, unless it alone is more than fits."""
        held = copy.deepcopy(cache)
        entry = _Entry(held, sum(part.nbytes for part in held))
        if entry.nbytes > self.max_bytes:
            return
        self._entries[owner, tuple(tokens)] = entry
        while len(self._entries) > self.max_entries or self.nbytes > self.max_bytes:
            self._entries.popitem(last=False)


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
