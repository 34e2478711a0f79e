"""A curriculum while it runs: stages as lines on stderr, progress as a bar, questions at a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lab.cli.compare_live import clock
from lab.cli.output import notice, progress_bar

if TYPE_CHECKING:
    from lab.curriculum.workshop import Question, Step

EVERY_S = 15.0
"""How often progress is told where there is no terminal."""


@contextmanager
def telling() -> Iterator[Callable[[Step], None]]:
    """Who is told of every step: a line for what happened, a bar for what is under way."""
    with progress_bar("") as bar:
        task = bar.add_task("curriculum", total=None, note="")
        told_at = 0.0

        def tell(step: Step) -> None:
            nonlocal told_at
            where = f"{step.phase} · {step.stage}"
            if step.done is None:
                notice(f"{where}: {step.words}")
                return
            left = "" if step.eta_s is None else f"{clock(step.eta_s)} left"
            bar.update(task, description=where, completed=step.done, total=step.total, note=left)
            if bar.disable and time.monotonic() - told_at >= EVERY_S:
                told_at = time.monotonic()
                notice(f"{where}: {step.done} of {step.total or '?'} {left}".rstrip())

        yield tell


def asking(yes: bool) -> Callable[[Question], str | None]:
    """Who answers questions: nobody (go on), a person at the terminal, or nobody there (wait)."""
    from lab.curriculum.state import GO_ON

    if yes:
        return lambda _: GO_ON
    return _ask_person if sys.stdin.isatty() and sys.stderr.isatty() else lambda _: None


def _ask_person(question: Question) -> str | None:
    from lab.curriculum.state import GO_ON, SKIP

    heading = "is amber" if question.what == "gate" else "is not reviewed"
    notice(f"phase {question.phase} {heading}:")
    for line in question.lines:
        notice(f"  {line}")
    choices = "[g]o on, [s]et the phase aside, [w]ait: " if question.what == "gate" else "[g]o on, [w]ait: "
    while True:
        answer = input(choices).strip().lower()[:1]
        if answer == "g":
            return GO_ON
        if answer == "s" and question.what == "gate":
            return SKIP
        if answer in ("w", "q"):
            return None
