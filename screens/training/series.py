"""A measured quantity along the steps of a run, as costly to draw at any length. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

BUCKETS = 1024


@dataclass(frozen=True, slots=True)
class Point:
    """A stretch of steps that ends with `step`: the mean, least and greatest value in it."""

    step: int
    mean: float
    least: float
    greatest: float


class StoredPoint(Protocol):
    """A stretch of steps as the store gives it."""

    @property
    def step(self) -> int: ...
    @property
    def mean(self) -> float: ...
    @property
    def least(self) -> float: ...
    @property
    def greatest(self) -> float: ...


class Series:
    """Values by step, in order. Beyond `BUCKETS` stretches neighbors are joined, so that memory is bounded.

    Each stretch covers `stride` steps; up to `BUCKETS` steps every value is there by itself.
    """

    def __init__(self) -> None:
        self.stride = 1
        self.last: float | None = None
        self._points: list[Point] = []
        self._counts: list[int] = []

    def add(self, step: int, value: float | None) -> None:
        """The value of a step; what is no finite number is left out, and so is a step from the past."""
        if value is None or not math.isfinite(value):
            return
        if self._points and step < self._points[-1].step:
            return
        self.last = value
        if self._points and step // self.stride == self._points[-1].step // self.stride:
            count = self._counts[-1]
            self._points[-1] = _joined(self._points[-1], count, Point(step, value, value, value), 1)
            self._counts[-1] = count + 1
        else:
            self._points.append(Point(step, value, value, value))
            self._counts.append(1)
            while len(self._points) > BUCKETS:
                self._halve()

    def _halve(self) -> None:
        self.stride *= 2
        points: list[Point] = []
        counts: list[int] = []
        for point, count in zip(self._points, self._counts, strict=True):
            if points and point.step // self.stride == points[-1].step // self.stride:
                points[-1] = _joined(points[-1], counts[-1], point, count)
                counts[-1] += count
            else:
                points.append(point)
                counts.append(count)
        self._points, self._counts = points, counts

    @classmethod
    def of(cls, points: Iterable[StoredPoint]) -> Series:
        """A series as the store gives it, already in stretches."""
        series = cls()
        series._points = [Point(p.step, p.mean, p.least, p.greatest) for p in points]
        series._counts = [1] * len(series._points)
        steps = [point.step for point in series._points]
        gaps = [after - before for before, after in pairwise(steps)]
        series.stride = max(1, min(gaps, default=1))
        if series._points:
            series.last = series._points[-1].mean
        return series

    @property
    def points(self) -> Sequence[Point]:
        return self._points

    def at(self, step: int) -> Point | None:
        """The stretch that holds `step`, or else the last one before it."""
        index = bisect_left(self._points, step, key=lambda point: point.step)
        if index < len(self._points) and self._points[index].step - step < self.stride:
            return self._points[index]
        return self._points[index - 1] if index else None

    def next_step(self, step: int | None, by: int) -> int | None:
        """The step `by` points on (or back) from `step`; from nowhere (None) that is the last one."""
        if not self._points:
            return None
        if step is None:
            return self._points[-1].step
        index = bisect_left(self._points, step, key=lambda point: point.step)
        return self._points[max(0, min(index + by, len(self._points) - 1))].step

    def __len__(self) -> int:
        return len(self._points)


def _joined(one: Point, n_one: int, other: Point, n_other: int) -> Point:
    mean = (one.mean * n_one + other.mean * n_other) / (n_one + n_other)
    return Point(other.step, mean, min(one.least, other.least), max(one.greatest, other.greatest))
