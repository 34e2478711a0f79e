"""Several processes on one run: what each of them computes is added up. Alone, nothing here does anything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from lab.errors import LabError
from lab.models.runtime import mx

Array = Any

RANK_VARIABLE = "MLX_RANK"


class RankLostError(LabError):
    """Another rank of the run is gone."""


class Ranks:
    """The processes of a run; rank 0 decides, keeps the journal and saves."""

    def __init__(self, group: Any = None) -> None:
        self._group = group

    @property
    def rank(self) -> int:
        return int(self._group.rank()) if self._group is not None else 0

    @property
    def size(self) -> int:
        return int(self._group.size()) if self._group is not None else 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def sum(self, arrays: Sequence[Array]) -> list[Array]:
        """Every array summed over all ranks, in one exchange; float32."""
        if self.size == 1:
            return list(arrays)
        flat = mx.concatenate([array.astype(mx.float32).reshape(-1) for array in arrays])
        total = self._add_up(flat)
        ends = np.cumsum([array.size for array in arrays]).tolist()
        parts = mx.split(total, ends[:-1])
        return [
            part.reshape(array.shape).astype(array.dtype) for part, array in zip(parts, arrays, strict=True)
        ]

    def from_first(self, message: bytes) -> bytes:
        """What rank 0 says, on every rank; the others' own message is not heard."""
        if self.size == 1:
            return message
        if not self.is_first:
            message = b""
        length = int(self._add_up(mx.array([len(message)], mx.int32)).item())
        if length == 0:
            return b""
        content = np.zeros(length, np.int32)
        if self.is_first:
            content[:] = np.frombuffer(message, np.uint8)
        return bytes(np.array(self._add_up(mx.array(content))).astype(np.uint8))

    def _add_up(self, array: Array) -> Array:
        try:
            total = mx.distributed.all_sum(array, group=self._group, stream=mx.cpu)
            mx.eval(total)
        except RuntimeError as error:
            raise RankLostError(f"another rank of this run died ({error})") from error
        return total


def join_ranks() -> Ranks:
    """The ranks this process was started with: by `lantern train --ranks`, or by `mlx.launch`."""
    if RANK_VARIABLE not in os.environ:
        return Ranks()
    try:
        group = mx.distributed.init(strict=True, backend="ring" if "MLX_HOSTFILE" in os.environ else "any")
    except (RuntimeError, ValueError) as error:
        raise LabError(f"rank {os.environ[RANK_VARIABLE]} cannot reach the others: {error}") from error
    return Ranks(group if group.size() > 1 else None)
