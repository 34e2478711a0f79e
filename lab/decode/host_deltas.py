"""The low-rank deltas of attached adapters on the host, as `lab.models.gated_layers` has them for MLX.

All layers that read the same input `x`, and all adapters among the rows of a pass, share one product with x:
their A's stand side by side, and each row keeps the columns of its own adapter. Where their B's are small
they are one matrix too, of blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Owners = tuple[tuple[str, int], ...]
"""Whose columns stand side by side: adapters and their ranks."""

BLOCKS_ENTRIES = 1 << 16
"""Up to so many, zeros included (256 KiB), B's of several layers are one matrix: a small product takes less
than what is around it."""


@dataclass(frozen=True, slots=True)
class Factors:
    """One adapter's factors A `(in, rank)` and B `(rank, out)`, and DoRA's factor `(out,)` if it has one."""

    a: Floats
    b: Floats
    rescale: Floats | None


class Variants:
    """Which positions of a pass run on which adapter, by its name; None is the base."""

    __slots__ = ("_columns", "_on", "adapters", "places")

    def __init__(self, on: Sequence[str | None], n: int) -> None:
        """`on` is given for every slot, `n` positions each."""
        self._on = np.array([variant or "" for variant in on]).repeat(n)
        self.adapters = tuple(dict.fromkeys(variant for variant in on if variant is not None))
        self.places = {name: _slices(np.flatnonzero(self._on == name)) for name in self.adapters}
        """The positions of each adapter; slices copy nothing."""
        self._columns: dict[Owners, Floats] = {}

    def columns(self, owners: Owners) -> Floats:
        """The gate `(positions, Σ rank)`: 1 where a column is of the position's own adapter, else 0."""
        if owners not in self._columns:
            of_column = np.array([name for name, rank in owners for _ in range(rank)])
            self._columns[owners] = (self._on[:, None] == of_column).astype(np.float32)
        return self._columns[owners]


def _slices(places: NDArray[np.intp]) -> list[slice]:
    """One slice where places are evenly spaced, else one for every run of neighbors."""
    steps = np.diff(places)
    if len(steps) and (steps == steps[0]).all():
        return [slice(int(places[0]), int(places[-1]) + 1, int(steps[0]))]
    runs = np.split(places, np.flatnonzero(steps > 1) + 1)
    return [slice(int(run[0]), int(run[-1]) + 1) for run in runs]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Which columns of `x A` a B `(Σ rank, out)` takes, and which columns of the output it adds to."""

    ranks: slice
    b: Floats
    columns: slice


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    """The factors of some adapters on some layers, side by side; A is `(in, Σ rank)`.

    `rescales` say which columns of the output an adapter's DoRA factor is for.
    """

    a: Floats
    parts: tuple[_Part, ...]
    owners: Owners
    rescales: tuple[tuple[str, slice, Floats], ...]


class Deltas:
    """What the adapters add to layers that read the same input, whose outputs stand side by side."""

    __slots__ = ("_joined", "_layers")

    def __init__(self, layers: Sequence[tuple[Mapping[str, Factors], slice]]) -> None:
        """Each layer's factors by adapter, and the columns of its output."""
        self._layers = layers
        self._joined: dict[tuple[str, ...], _Joined | None] = {}

    def add(self, y: Floats, x: Floats, variants: Variants) -> None:
        """`y + ((x A) · gate) B`, then DoRA's factor, in `y` `(positions, out)`; `x` is `(positions, in)`."""
        if variants.adapters not in self._joined:
            self._joined[variants.adapters] = _join(self._layers, variants.adapters)
        if (joined := self._joined[variants.adapters]) is None:
            return
        if len(variants.adapters) == 1:
            for places in variants.places[variants.adapters[0]]:
                _add(y[places], x[places].dot(joined.a), joined)
        else:
            z = x.dot(joined.a)
            z *= variants.columns(joined.owners)
            _add(y, z, joined)
        for name, columns, rescale in joined.rescales:
            for places in variants.places[name]:
                part = y[places, columns]
                part *= rescale


def _add(y: Floats, z: Floats, joined: _Joined) -> None:
    for part in joined.parts:
        of_layer = y[:, part.columns]
        of_layer += z[:, part.ranks].dot(part.b)


def _join(layers: Sequence[tuple[Mapping[str, Factors], slice]], adapters: tuple[str, ...]) -> _Joined | None:
    """None where none of the adapters is on any of the layers."""
    found: list[Floats] = []
    owners: list[tuple[str, int]] = []
    parts: list[_Part] = []
    rescales: list[tuple[str, slice, Floats]] = []
    width = 0
    for factors, columns in layers:
        used = [(name, factors[name]) for name in adapters if name in factors]
        if not used:
            continue
        begin, width = width, width + sum(of.a.shape[1] for _, of in used)
        found += [of.a for _, of in used]
        owners += [(name, of.a.shape[1]) for name, of in used]
        parts.append(_Part(slice(begin, width), _stacked([of.b for _, of in used], axis=0), columns))
        rescales += [(name, columns, of.rescale) for name, of in used if of.rescale is not None]
    if not found:
        return None
    return _Joined(_stacked(found, axis=1), _in_one(parts), tuple(owners), tuple(rescales))


def _stacked(factors: Sequence[Floats], axis: int) -> Floats:
    return factors[0] if len(factors) == 1 else np.concatenate(factors, axis=axis)


def _in_one(parts: Sequence[_Part]) -> tuple[_Part, ...]:
    """The B's as blocks of one matrix, where that is small."""
    ranks = slice(parts[0].ranks.start, parts[-1].ranks.stop)
    columns = slice(parts[0].columns.start, parts[-1].columns.stop)
    width, size = ranks.stop - ranks.start, columns.stop - columns.start
    if len(parts) == 1 or width * size > BLOCKS_ENTRIES:
        return tuple(parts)
    b = np.zeros((width, size), dtype=np.float32)
    for part in parts:
        begin = part.columns.start - columns.start
        b[part.ranks, begin : begin + part.b.shape[1]] = part.b
    return (_Part(ranks, b, columns),)
