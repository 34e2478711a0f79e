"""Keys and values of rows decoded on the host, and the attention over them.

What several rows have in common, a kernel mostly, is held once: a row has a prefix, which it shares, and
what is its own behind it. Attention over both is one softmax: scores of the shared part come from a single
product for all its rows ("cascade attention": Juravsky et al. 2024, "Hydragen", section 3).

Rows live in slots, so that one can leave and another come without moving the rest.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lab.decode.host import HostModel

Floats = NDArray[np.float32]
GROWTH = 128
MASKED = np.float32(-1e30)


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """Keys and values `(layers, heads, positions, size)` that rows share; never written to."""

    keys: Floats
    values: Floats

    @property
    def length(self) -> int:
        """Positions."""
        return int(self.keys.shape[2])


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model's keys and values look like."""

    layers: int
    heads: int
    size: int


class HostCache:
    """The rows of a batch, one at first. Joins, parts and copies as mlx-lm's caches do."""

    def __init__(self, shape: Shape, prefix: Prefix | None = None) -> None:
        self.shape = shape
        self.model: HostModel | None = None
        """The model whose rows these are; a copy belongs to none yet."""
        self.prefixes: list[Prefix | None] = [prefix]
        self.lengths = np.zeros(1, dtype=np.intp)
        """Own positions of each slot; 0 where it is free."""
        self.slots = np.zeros(1, dtype=np.intp)
        """The slot of each row."""
        self.keys, self.values = self._room(1, 0)
        """`(layers, slots, heads, positions, size)`."""
        self._settle()

    def _settle(self) -> None:
        """Note what stays as it is until rows come or go."""
        self.in_order = self.slots.tolist() == [*range(len(self.prefixes))]
        """Whether every slot has a row, and the rows stand as the slots do."""
        self.groups = _by_prefix(self.prefixes)
        """Every prefix in use with the slots that share it."""
        shared = [0 if prefix is None else prefix.length for prefix in self.prefixes]
        self._shared = np.array(shared, dtype=np.intp)

    @property
    def nbytes(self) -> int:
        """Bytes held, shared ones included."""
        shared = {id(prefix): prefix for prefix in self.prefixes if prefix is not None}
        own = self.keys.nbytes + self.values.nbytes
        return own + sum(prefix.keys.nbytes + prefix.values.nbytes for prefix in shared.values())

    def __deepcopy__(self, memo: dict[int, Any]) -> HostCache:
        """A row that goes on from here, and shares what is there so far."""
        (slot,) = self.slots
        own, prefix = int(self.lengths[slot]), self.prefixes[slot]
        if own:
            keys, values = self.keys[:, slot, :, :own], self.values[:, slot, :, :own]
            if prefix is not None:
                keys = np.concatenate([prefix.keys, keys], axis=2)
                values = np.concatenate([prefix.values, values], axis=2)
            prefix = Prefix(np.ascontiguousarray(keys), np.ascontiguousarray(values))
        return HostCache(self.shape, prefix)

    @staticmethod
    def merge(caches: Sequence[HostCache]) -> HostCache:
        """Several rows as one batch."""
        merged = copy.copy(caches[0])
        if len(caches) > 1:
            merged._make_room(slots=len(caches) - 1)
            for cache in caches[1:]:
                merged.extend(cache)
        return merged

    def extend(self, other: HostCache) -> None:
        """Add the rows of another batch behind these."""
        self.model = other.model
        slots = len(self.prefixes)
        free = sorted(set(range(slots)) - set(self.slots.tolist()))
        missing = max(len(other.slots) - len(free), 0)
        self._make_room(slots=missing, positions=int(other.lengths.max()))
        taken = [*free, *range(slots, slots + missing)][: len(other.slots)]
        for slot, source in zip(taken, other.slots, strict=True):
            own = int(other.lengths[source])
            self.keys[:, slot, :, :own] = other.keys[:, source, :, :own]
            self.values[:, slot, :, :own] = other.values[:, source, :, :own]
            self.lengths[slot], self.prefixes[slot] = own, other.prefixes[source]
        self.slots = np.concatenate([self.slots, np.array(taken, dtype=np.intp)])
        self._settle()

    def filter(self, stay: Sequence[int]) -> None:
        """Keep these rows, by place; when few are left the free slots go."""
        gone = np.delete(self.slots, stay)
        self.slots = self.slots[list(stay)]
        self.lengths[gone] = 0
        for slot in gone:
            self.prefixes[slot] = None
        if 2 * len(self.slots) <= len(self.prefixes):
            self.keys, self.values = self.keys[:, self.slots], self.values[:, self.slots]
            self.lengths = self.lengths[self.slots]
            self.prefixes = [self.prefixes[slot] for slot in self.slots]
            self.slots = np.arange(len(self.slots))
        self._settle()

    def starts(self) -> NDArray[np.intp]:
        """The position that comes next in each slot."""
        return self.lengths + self._shared

    def advance(self, positions: int) -> Attention:
        """Make room for `positions` more in every row, and say how they attend."""
        self._make_room(positions=int(self.lengths.max()) + positions)
        attention = Attention(self, positions)
        self.lengths[self.slots] += positions
        return attention

    def _make_room(self, *, slots: int = 0, positions: int = 0) -> None:
        """Room for more slots, and for this many positions in each."""
        have, capacity = self.keys.shape[1], self.keys.shape[3]
        if slots == 0 and positions <= capacity:
            return
        keys, values = self.keys, self.values
        own = int(self.lengths.max())
        grown = capacity if positions <= capacity else positions + GROWTH
        self.keys, self.values = self._room(have + slots, grown)
        self.keys[:, :have, :, :own], self.values[:, :have, :, :own] = (
            keys[..., :own, :],
            values[..., :own, :],
        )
        self.prefixes = [*self.prefixes, *[None] * slots]
        self.lengths = np.concatenate([self.lengths, np.zeros(slots, dtype=np.intp)])

    def _room(self, slots: int, positions: int) -> tuple[Floats, Floats]:
        shape = (self.shape.layers, slots, self.shape.heads, positions, self.shape.size)
        return np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)


class Attention:
    """How `n` new positions in every slot attend: to their prefix, and to their own up to themselves."""

    def __init__(self, cache: HostCache, n: int) -> None:
        begins = cache.lengths.tolist()
        self._n = n
        self._begin = cache.lengths.copy()
        self._own = max(begins) + n
        self._alike = min(begins) == max(begins)
        self._slots = np.arange(len(begins))
        self._groups = cache.groups
        self._heads = cache.shape.heads
        self._keys, self._values = cache.keys[..., : self._own, :], cache.values[..., : self._own, :]
        self._mask: Floats | None = None
        if n > 1 or not self._alike:
            last = self._begin[:, None] + np.arange(n)
            seen = np.arange(self._own) <= last[..., None]
            self._mask = np.where(seen, np.float32(0), MASKED)[:, None, None]

    def write(self, layer: int, keys: Floats, values: Floats) -> None:
        """Put the new positions' keys and values `(slots, n, heads, size)` into the cache."""
        if self._n == 1 and self._alike:
            self._keys[layer, :, :, -1] = keys[:, 0]
            self._values[layer, :, :, -1] = values[:, 0]
            return
        if self._n == 1:
            self._keys[layer, self._slots, :, self._begin] = keys[:, 0]
            self._values[layer, self._slots, :, self._begin] = values[:, 0]
            return
        for slot, begin in enumerate(self._begin):
            self._keys[layer, slot, :, begin : begin + self._n] = keys[slot].swapaxes(0, 1)
            self._values[layer, slot, :, begin : begin + self._n] = values[slot].swapaxes(0, 1)

    def __call__(self, layer: int, queries: Floats) -> Floats:
        """What the last m of the n positions see: queries and result are `(slots, m, heads, size)`.

        Queries come scaled; their heads are a multiple of the keys'. With the scores' common maximum taken
        off, the weights of the own and of the shared part are summed up side by side.
        """
        slots, m, heads, size = queries.shape
        key_heads = self._heads
        group = heads // key_heads
        # (slots, key heads, group · m, size): what looks at the same keys is one product.
        if m == 1:
            q = queries.reshape(slots, key_heads, group, size)
        else:
            q = queries.reshape(slots, m, key_heads, group, size).transpose(0, 2, 3, 1, 4)
            q = q.reshape(slots, key_heads, group * m, size)
        own = q @ self._keys[layer].swapaxes(-1, -2)
        if self._mask is not None:
            by_position = own.reshape(slots, key_heads, group, m, self._own)
            by_position += self._mask[..., self._n - m :, :]
        shared = [_shared_scores(q[rows], prefix.keys[layer]) for prefix, rows in self._groups]
        top = np.maximum.reduce(own, axis=-1, keepdims=True)
        for (_, rows), scores in zip(self._groups, shared, strict=True):
            top[rows] = np.maximum(top[rows], scores.max(axis=-1, keepdims=True).swapaxes(0, 1))
        total = _weights(own, top)
        seen: Floats = own @ self._values[layer]
        for (prefix, rows), scores in zip(self._groups, shared, strict=True):
            total[rows] += _weights(scores, top[rows].swapaxes(0, 1)).swapaxes(0, 1)
            flat = scores.reshape(key_heads, -1, prefix.length) @ prefix.values[layer]
            seen[rows] += flat.reshape(key_heads, -1, group * m, size).swapaxes(0, 1)
        seen /= total
        if m == 1:
            return seen.reshape(slots, 1, heads, size)
        by_head = seen.reshape(slots, key_heads, group, m, size).transpose(0, 3, 1, 2, 4)
        return by_head.reshape(slots, m, heads, size)


def _shared_scores(q: Floats, keys: Floats) -> Floats:
    """Scores `(heads, rows, positions, length)` of `q` `(rows, heads, positions, size)` in one product."""
    rows, heads, positions, size = q.shape
    flat = q.swapaxes(0, 1).reshape(heads, rows * positions, size)
    return np.asarray(flat @ keys.swapaxes(-1, -2)).reshape(heads, rows, positions, -1)


def _weights(scores: Floats, top: Floats) -> Floats:
    """Turn scores into weights where they stand; their sums."""
    scores -= top
    np.exp(scores, out=scores)
    return np.add.reduce(scores, axis=-1, keepdims=True)


def _by_prefix(prefixes: Sequence[Prefix | None]) -> list[tuple[Prefix, Any]]:
    """Every prefix in use with the slots that share it."""
    groups: dict[int, tuple[Prefix, list[int]]] = {}
    for slot, prefix in enumerate(prefixes):
        if prefix is not None:
            groups.setdefault(id(prefix), (prefix, []))[1].append(slot)
    everyone = len(prefixes)
    return [(prefix, slice(None) if len(s) == everyone else s) for prefix, s in groups.values()]
