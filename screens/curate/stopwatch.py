"""How long a card lies in front of a person: from when it is drawn, without the time behind other screens."""

from __future__ import annotations

import time
from collections.abc import Callable


class Stopwatch:
    """Runs, rests, and starts anew for the next card."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before_s = 0.0
        self._since: float | None = None

    def start(self) -> None:
        """Another card is drawn."""
        self._before_s, self._since = 0.0, self._clock()

    def rest(self) -> None:
        if self._since is not None:
            self._before_s += self._clock() - self._since
            self._since = None

    def go_on(self) -> None:
        if self._since is None:
            self._since = self._clock()

    @property
    def ms(self) -> float:
        running = self._clock() - self._since if self._since is not None else 0.0
        return (self._before_s + running) * 1e3
