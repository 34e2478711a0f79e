"""Both sides' scores by dimension, with their deltas, the largest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.widget import Widget

from screens.formats import MISSING, clip

NUMBER, NARROW_NUMBER = 8, 7
NARROW = 44


@dataclass(frozen=True, slots=True)
class SideScore:
    """A score of one answer: the total, and what each dimension adds (its value where none has weights)."""

    total: float | None
    dimensions: Mapping[str, float | None]
    modes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PairScores:
    """Both sides' scores by one instrument and version."""

    instrument: str
    version: str
    left: SideScore | None
    right: SideScore | None

    @property
    def delta(self) -> float | None:
        """Right less left."""
        if self.left is None or self.right is None:
            return None
        return difference(self.left.total, self.right.total)


def difference(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else right - left


class ScorePanel(Widget):
    """The total and the dimensions of a pair; what differs most comes first."""

    DEFAULT_CSS = """
    ScorePanel { height: 1fr; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.scores: PairScores | None = None
        self._note = ""

    def show(self, scores: PairScores | None, note: str = "") -> None:
        if (scores, note) != (self.scores, self._note):
            self.scores, self._note = scores, note
            self.refresh()

    def render(self) -> Content:
        if self.scores is None:
            return Content.styled(clip(self._note, self.size.width), "$muted")
        return Content("\n").join(score_rows(self.scores, self.size.width, self.size.height))


def score_rows(scores: PairScores, width: int, height: int) -> list[Content]:
    """Header, total, then dimensions by the size of their deltas; failure modes last, where there are any."""
    left, right = scores.left, scores.right
    number = NARROW_NUMBER if width < NARROW else NUMBER
    name = max(10, width - 3 * number)
    rows = [Content.styled(f"{'':<{name}}{'left':>{number}}{'right':>{number}}{'Δ':>{number}}", "$muted")]
    totals = (left.total if left else None, right.total if right else None)
    rows.append(_row("total", *totals, name, number, strong=True))
    modes = _modes(left, right, width)
    for dimension, before, after in ranked(left, right)[: max(0, height - len(rows) - len(modes))]:
        rows.append(_row(dimension.replace("_", " "), before, after, name, number))
    return [*rows, *modes][:height]


def ranked(
    left: SideScore | None, right: SideScore | None
) -> Sequence[tuple[str, float | None, float | None]]:
    """The dimensions with what each side gets, the largest difference first; then in their order."""
    names = dict.fromkeys((*(left.dimensions if left else ()), *(right.dimensions if right else ())))
    entries = [
        (name, left.dimensions.get(name) if left else None, right.dimensions.get(name) if right else None)
        for name in names
    ]
    return sorted(entries, key=lambda entry: -abs(difference(entry[1], entry[2]) or 0.0))


def _row(
    label: str, left: float | None, right: float | None, name: int, number: int, strong: bool = False
) -> Content:
    delta = difference(left, right)
    color = "$muted" if not delta else "$success" if delta > 0 else "$error"
    quiet = "" if left or right else "$muted"
    return Content.assemble(
        (f"{clip(label, name - 1):<{name}}", "bold" if strong else quiet),
        (f"{_figure(left):>{number}}{_figure(right):>{number}}", "bold" if strong else quiet),
        (f"{delta_words(delta):>{number}}", f"bold {color}" if strong else color),
    )


def _figure(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"


def delta_words(delta: float | None) -> str:
    """A delta with its sign; none at all is a dot."""
    if delta is None:
        return MISSING
    return "·" if abs(delta) < 0.005 else f"{delta:+.2f}"


def _modes(left: SideScore | None, right: SideScore | None, width: int) -> list[Content]:
    said = [
        f"{side}: {', '.join(score.modes)}"
        for side, score in (("left", left), ("right", right))
        if score is not None and score.modes
    ]
    return [Content.styled(clip("⚠ " + " · ".join(said), width), "$warning")] if said else []
