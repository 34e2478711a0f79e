"""The summary of a battery as a widget, laid out once for each width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual.content import Content
from textual.widget import Widget

from screens.compare.summary import summary_content

if TYPE_CHECKING:
    from lab.compare.summary import ComparisonSummary
    from screens.compare.ratings import RatedScale


class SummaryText(Widget):
    """A summary, or a note in its place."""

    DEFAULT_CSS = """
    SummaryText { height: auto; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.summary: ComparisonSummary | None = None
        self._ratings: Sequence[RatedScale] = ()
        self._note = ""
        self._laid_out: tuple[int, Content] | None = None

    def show(self, summary: ComparisonSummary | None, ratings: Sequence[RatedScale], note: str = "") -> None:
        self.summary, self._ratings, self._note = summary, ratings, note
        self._laid_out = None
        self.refresh(layout=True)

    @property
    def text(self) -> str | None:
        """What is shown, without its colors; None without a summary."""
        return None if self.summary is None else self._content(self.size.width).plain

    def render(self) -> Content:
        return self._content(self.size.width)

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        return len(self._content(width).plain.split("\n"))

    def _content(self, width: int) -> Content:
        if self.summary is None:
            return Content.styled(self._note, "$muted")
        if self._laid_out is None or self._laid_out[0] != width:
            self._laid_out = width, summary_content(self.summary, self._ratings, width)
        return self._laid_out[1]
