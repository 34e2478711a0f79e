"""A text with the places marked that groups of matches stand in: one group chosen, the others faint."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.style import Style
from textual.geometry import Region

from screens.actions import bindings
from screens.widgets.tape import Tape

Span = tuple[int, int]
SHOWN_CHARACTERS = 200_000


class MarkedText(Tape):
    """Shows a text and where the spans of each group stand in it. Spans of groups may overlap."""

    BINDINGS = bindings("text")
    COMPONENT_CLASSES: ClassVar[set[str]] = {"marked--chosen", "marked--current", "marked--other"}
    DEFAULT_CSS = """
    MarkedText {
        .marked--chosen { background: $primary 30%; color: $text; text-style: bold; }
        .marked--current {
            background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
        }
        .marked--other { color: $secondary; text-style: underline; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.chosen: int | None = None
        self.current: int | None = None
        self._text = ""
        self._groups: Sequence[Sequence[Span]] = ()
        self._starts: list[int] = []
        self._groups_of: list[frozenset[int]] = []
        self._looks: dict[str, Style] = {}

    def show(self, text: str, groups: Sequence[Sequence[Span]]) -> None:
        """Show `text` (at most its first 200,000 characters) with a mark for each span of each group."""
        text = text[:SHOWN_CHARACTERS]
        if (text, groups) == (self._text, self._groups):
            return
        longer = bool(self._text) and text.startswith(self._text)
        at = self.scroll_offset.y
        self._text, self._groups = text, groups
        self._starts, self._groups_of = pieces_of(len(text), groups)
        ends = [*self._starts[1:], len(text)]
        self.set_pieces(text[start:end] for start, end in zip(self._starts, ends, strict=False))
        self.current = None
        if longer:
            self.scroll_to(y=at, animate=False)

    def choose(self, group: int | None) -> None:
        """Bring out the matches of one group, the first of them in sight; None: all groups alike."""
        if group == self.chosen:
            return
        self.chosen, self.current = group, None
        self._redraw_all()
        if self.matches:
            self._bring_into_sight(self.matches[0])

    @property
    def matches(self) -> Sequence[Span]:
        """The matches of the chosen group, or of all of them, as they stand in the text."""
        if self.chosen is None:
            return sorted({span for group in self._groups for span in group})
        return self._groups[self.chosen] if self.chosen < len(self._groups) else ()

    def go(self, by: int) -> None:
        """To the next match (`by` 1) or the one before (−1), around the ends."""
        matches = self.matches
        if not matches:
            return
        start = (0 if by > 0 else -1) if self.current is None else self.current + by
        self.current = start % len(matches)
        self._redraw_all()
        self._bring_into_sight(matches[self.current])

    def action_down(self) -> None:
        self.scroll_down(animate=False)

    def action_up(self) -> None:
        self.scroll_up(animate=False)

    def action_page_down(self) -> None:
        self.scroll_page_down(animate=False)

    def action_page_up(self) -> None:
        self.scroll_page_up(animate=False)

    def action_first(self) -> None:
        self.scroll_home(animate=False)

    def action_last(self) -> None:
        self.scroll_end(animate=False)

    def _bring_into_sight(self, span: Span) -> None:
        if self._starts and span[0] < len(self._text):
            line = self.layout_lines.line_of[self._piece_at(span[0])]
            self.scroll_to_region(Region(0, line, 1, 1), animate=False, force=True, x_axis=False)

    def _piece_at(self, position: int) -> int:
        return bisect_right(self._starts, position) - 1

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._looks.clear()

    def piece_style(self, first: int, last: int, text: str) -> Style:
        if not self._looks:
            names = ("chosen", "current", "other")
            self._looks = {name: self.get_component_rich_style(f"marked--{name}") for name in names}
            self._looks["plain"] = self.rich_style
        groups = self._groups_of[last]
        if not groups:
            return self._looks["plain"]
        if self.current is not None:
            start, end = self.matches[self.current]
            if start <= self._starts[last] < end:
                return self._looks["current"]
        return self._looks["chosen" if self.chosen in groups else "other"]


def pieces_of(length: int, groups: Iterable[Sequence[Span]]) -> tuple[list[int], list[frozenset[int]]]:
    """Where spans cut a text of `length` characters, and the groups that cover each piece."""
    opened: dict[int, list[int]] = {}
    closed: dict[int, list[int]] = {}
    for group, spans in enumerate(groups):
        for start, end in spans:
            if start < min(end, length):
                opened.setdefault(start, []).append(group)
                closed.setdefault(min(end, length), []).append(group)
    starts = sorted({0, *opened, *closed} - {length}) if length else []
    depth: dict[int, int] = {}
    covering: list[frozenset[int]] = []
    for start in starts:
        for group in closed.get(start, ()):
            depth[group] -= 1
        for group in opened.get(start, ()):
            depth[group] = depth.get(group, 0) + 1
        covering.append(frozenset(group for group, n in depth.items() if n > 0))
    return starts, covering
