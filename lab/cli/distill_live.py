"""A distillation while it runs, on stderr, and its summary.

On a terminal there is a bar, elsewhere now and then a line.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from lab.cli.compare_live import clock
from lab.cli.output import notice, progress_bar
from lab.measure.statistics import wilson

if TYPE_CHECKING:
    from store.queries.distilled import DistillationRow, DistilledAnswer

LINES = 20
"""How many lines tell of a whole distillation where there is no terminal."""


class Watcher:
    """Counts answers and tells of them: how many of all, how many kept, how long it may take yet."""

    def __init__(self, row: DistillationRow, bar: Any, shown: bool) -> None:
        self._planned = row.planned
        self._finished = self._before = row.finished
        self._kept = row.kept
        self._bar = bar
        self._shown = shown
        self._told = self._lines()
        self._began = time.monotonic()
        self._task = bar.add_task("distilling", total=row.planned, completed=row.finished, note="")

    def take(self, kept: bool) -> None:
        """Another answer is finished."""
        self.show(self._finished + 1, self._kept + kept)

    def show(self, finished: int, kept: int) -> None:
        """So many are finished by now, and so many of them kept."""
        self._finished, self._kept = finished, kept
        self._bar.update(self._task, completed=finished, note=self.words())
        if self._shown and self._bar.disable and self._lines() > self._told:
            self._told = self._lines()
            notice(f"[{finished}/{self._planned}] {self.words()}")

    def words(self) -> str:
        """The keep rate so far, and the time that is left at this pace."""
        text = f"{self._kept} kept ({100 * self._kept / max(self._finished, 1):.0f} %)"
        made = self._finished - self._before
        if made and self._finished < self._planned:
            pace_s = (time.monotonic() - self._began) / made
            text += f" · {1 / pace_s:.1f}/s · {clock(pace_s * (self._planned - self._finished))} left"
        return text

    def _lines(self) -> int:
        return self._finished * LINES // max(self._planned, 1)


@contextmanager
def watching(row: DistillationRow, *, shown: bool = True) -> Iterator[Watcher]:
    """A watcher of a distillation that stands as `row` says; one that is not `shown` only counts."""
    with progress_bar("answers") as bar:
        bar.disable = bar.disable or not shown
        yield Watcher(row, bar, shown)


def gate_words(row: DistillationRow) -> str:
    """What an answer has to score to be kept."""
    return "any score" if row.threshold is None else f"{row.instrument} {row.version} ≥ {row.threshold:g}"


def summary_lines(row: DistillationRow, answers: Sequence[DistilledAnswer]) -> list[str]:
    """What came out, for people."""
    lines = [f"{row.finished} of {row.planned} answers by {row.words}"]
    rate = wilson(row.kept, row.finished)
    if rate.value is not None and rate.lower is not None and rate.upper is not None:
        lines.append(
            f"kept: {row.kept}, {100 * rate.value:.0f} % [{100 * rate.lower:.0f}, {100 * rate.upper:.0f}], "
            f"the whole answers with {gate_words(row)}"
        )
    cut_off = sum(answer.finish_reason == "length" for answer in answers)
    if cut_off:
        lines.append(f"cut off at the token limit, and so never training data: {cut_off}")
    scores = [answer.score for answer in answers if answer.score is not None]
    if len(scores) < len(answers):
        lines.append(f"without a score by {row.instrument}: {len(answers) - len(scores)}")
    if scores:
        lines.append(
            f"{row.instrument} {row.version}: mean {fmean(scores):.2f}, median {median(scores):.2f}, "
            f"from {min(scores):.2f} to {max(scores):.2f}"
        )
    return lines
