"""The preferred-likelihood alarm along a run: what the last steps said, and when it goes red and quiet."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from lab.preference.alarm import WINDOW_STEPS, Alarm, preferred_likelihood
from lab.preference.settings import ObjectiveName
from store.records import EventLevel

ALARM, QUIET = "alarm", "alarm over"


class Displacement:
    """Hears the mean log-ratio of the chosen answers and the margin of each step."""

    def __init__(self) -> None:
        self._ratios: deque[float] = deque(maxlen=WINDOW_STEPS)
        self._margins: deque[float] = deque(maxlen=WINDOW_STEPS)
        self._red = False

    def hear(
        self, chosen_log_ratio: float, margin: float, objective: ObjectiveName
    ) -> tuple[Alarm, list[tuple[str, EventLevel, str]]]:
        """What the last ten steps say, and the events where that has changed."""
        self._ratios.append(chosen_log_ratio)
        self._margins.append(margin)
        alarm = preferred_likelihood(tuple(self._ratios), tuple(self._margins), objective)
        before, self._red = self._red, alarm.level == "red"
        if self._red and not before:
            return alarm, [(ALARM, "error", f"{alarm.message}; {alarm.remedy}")]
        if before and not self._red:
            return alarm, [(QUIET, "info", "chosen answers no longer lose likelihood while margins rise")]
        return alarm, []

    def forget(self) -> None:
        """Begin anew, quietly: the margins to come are in another unit."""
        self._red = False
        self._ratios.clear()
        self._margins.clear()

    def state(self) -> dict[str, Any]:
        return {"ratios": list(self._ratios), "margins": list(self._margins), "red": self._red}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.forget()
        self._ratios.extend(state["ratios"])
        self._margins.extend(state["margins"])
        self._red = bool(state["red"])
