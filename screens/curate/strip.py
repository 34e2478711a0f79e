"""The session strip: what is done and left, how fast, which side wins, and how steady the verdicts are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from lab.safetext import safe_line
from screens.formats import count, plural

if TYPE_CHECKING:
    from lab.measure.statistics import Estimate

SEPARATOR = " │ "


@dataclass(frozen=True, slots=True)
class StripFacts:
    """What the strip says. `left` is how many pairs the queue still has; None while it is counted."""

    rater: str
    queue: str
    only: str
    done: int
    left: int | None
    median_s: float | None
    hasty: int
    left_wins: Estimate | None
    agreeing: int
    repeats: int


class SessionStrip(Widget):
    """One line; what does not fit is left out, the least important first."""

    DEFAULT_CSS = """
    SessionStrip { height: 1; padding: 0 1; background: $surface; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._facts: StripFacts | None = None

    def show(self, facts: StripFacts) -> None:
        if facts != self._facts:
            self._facts = facts
            self.refresh()

    def render(self) -> Content:
        return Content("") if self._facts is None else strip_content(self._facts, self.size.width)


def strip_content(facts: StripFacts, width: int) -> Content:
    """The strip for this width."""
    queue = facts.queue if not facts.only else f"{facts.queue}, {facts.only}"
    parts = [
        Content.assemble((f"{facts.done:,}", "bold $primary"), " done"),
        Content.assemble((count(facts.left), "bold"), " left"),
        Content.styled(safe_line(queue), "$secondary"),
        Content.assemble((_seconds(facts.median_s), "bold"), " a pair"),
        _hasty(facts.hasty),
        _left_wins(facts.left_wins),
        _agreement(facts.agreeing, facts.repeats),
        Content.styled(safe_line(facts.rater), "$muted"),
    ]
    shown = parts[0]
    for part in parts[1:]:
        longer = shown + Content.styled(SEPARATOR, "$faint") + part
        if longer.cell_length > width:
            continue
        shown = longer
    return shown


def _seconds(median_s: float | None) -> str:
    return "–" if median_s is None else f"{median_s:.1f} s" if median_s < 99.5 else f"{median_s:.0f} s"


def _hasty(n: int) -> Content:
    words = f"{n:,} faster than reading"
    return Content.styled(words, "bold $warning") if n else Content.styled(words, "$muted")


def _left_wins(estimate: Estimate | None) -> Content:
    """The share with its interval; a share whose interval leaves one half out stands out."""
    if estimate is None or estimate.value is None or estimate.lower is None or estimate.upper is None:
        return Content.styled("left wins –", "$muted")
    tilted = not estimate.lower <= 0.5 <= estimate.upper
    low, high = 100 * estimate.lower, 100 * estimate.upper
    return Content.assemble(
        "left wins ",
        (f"{100 * estimate.value:.0f} %", "bold $warning" if tilted else "bold"),
        (f" [{low:.0f}, {high:.0f}] of {estimate.n:,}", "$muted"),
    )


def _agreement(agreeing: int, repeats: int) -> Content:
    if not repeats:
        return Content.styled("no repeats yet", "$muted")
    return Content.assemble("same again ", (f"{agreeing:,}", "bold"), f" of {plural(repeats, 'repeat')}")
