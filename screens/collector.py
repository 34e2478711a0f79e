"""When Python looks for garbage: while nobody types.

A full collection walks over everything the lab holds, 100 ms and more once some battery's tokens are there,
and a key that comes meanwhile waits. Textual makes cyclic garbage with every frame, so it cannot be done
without; but it can be done in a rest between keys.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

YOUNG_EVERY = 2_000
REST_S = 2.0
LEAST_S = 15.0
MOST_S = 90.0
_NEVER = 1_000_000_000


class Collector:
    """Full collections, `LEAST_S` apart or more, in rests of `REST_S`; after `MOST_S` in no rest."""

    def __init__(
        self, collect: Callable[[], object] = gc.collect, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._collect = collect
        self._begun = False
        self._clock = clock
        self._key_at = self._collected_at = clock()

    def begin(self) -> None:
        """From now on only young objects are collected without being asked."""
        gc.set_threshold(YOUNG_EVERY, 10, _NEVER)
        self._begun = True

    def settle(self) -> None:
        """What is here now (modules, screens, windows) stays to the end: it is not looked at again."""
        if not self._begun:
            return
        self._collect()
        gc.freeze()
        self._collected_at = self._clock()

    def end(self) -> None:
        """As Python has it by itself."""
        if self._begun:
            gc.unfreeze()
            gc.set_threshold(700, 10, 10)

    def key(self) -> None:
        """A key was pressed or the mouse was used."""
        self._key_at = self._clock()

    def look(self) -> None:
        """Collect if it is time; called about once a second."""
        if not self._begun:
            return
        now = self._clock()
        since = now - self._collected_at
        if since >= MOST_S or (since >= LEAST_S and now - self._key_at >= REST_S):
            self._collect()
            self._collected_at = self._clock()
