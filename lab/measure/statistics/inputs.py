"""Checks and shapes shared by the statistics: what they refuse, and rephrasings folded into their probe."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab.errors import LabError

BATCH_ELEMENTS = 1 << 18


def numbers(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """`values` as a float64 vector. Raises LabError when it is empty, not flat, or holds NaN or infinity."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise LabError(f"{name}: expected numbers ({error})") from error
    if array.ndim != 1 or array.size == 0:
        raise LabError(f"{name}: expected at least one number, got an array of shape {array.shape}")
    if not np.isfinite(array).all():
        first = int(np.flatnonzero(~np.isfinite(array))[0])
        raise LabError(f"{name}[{first}]: expected a finite number, got {array[first]}; leave the pair out")
    return array


def cluster_means(
    values: ArrayLike, clusters: Sequence[Hashable], name: str = "differences"
) -> NDArray[np.float64]:
    """The mean of each cluster of `values`, clusters in order of first appearance.

    Rephrasings and repeated samples of one probe answer alike; as rows of their own they would count one
    probe several times (Miller 2024, arXiv 2411.00640). Every cluster weighs the same, whatever its size.
    """
    array = numbers(values, name)
    if len(clusters) != array.size:
        raise LabError(f"clusters: expected one for each of the {array.size} {name}, got {len(clusters)}")
    first_seen: dict[Hashable, int] = {}
    index = [first_seen.setdefault(cluster, len(first_seen)) for cluster in clusters]
    return np.asarray(np.bincount(index, weights=array) / np.bincount(index))


def check_confidence(confidence: float) -> float:
    """`confidence` itself. Raises LabError unless it lies strictly between 0 and 1."""
    if not 0 < confidence < 1:
        raise LabError(f"confidence: expected a number between 0 and 1 such as 0.95, got {confidence}")
    return confidence


def batches(rows: int, row_elements: int) -> Iterator[int]:
    """Sizes that add up to `rows`; a batch of rows of `row_elements` numbers fits a cache (2 MB)."""
    size = max(1, BATCH_ELEMENTS // row_elements)
    while rows > 0:
        yield min(size, rows)
        rows -= size
