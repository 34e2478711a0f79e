"""Text in pieces on a line-API view: wrapped, scrolled, selected and copied; each piece has its own style.

The ground of every view that marks pieces of a text. A piece costs the redrawing of the line it lands on,
however long the text is.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from screens.widgets.tape_layout import Line, TapeLayout

READABLE_WIDTH = 110


class Tape(ScrollView, can_focus=True):
    """Pieces of text in order. What colors them is up to `piece_style`."""

    ALLOW_SELECT = True
    DEFAULT_CSS = """
    Tape {
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        overflow-x: hidden;
        overflow-y: auto;
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.strips_built = 0
        self._texts: list[str] = []
        self._layout_lines = TapeLayout(80)
        self._strips: dict[int, Strip] = {}

    def piece_style(self, first: int, last: int, text: str) -> Style:
        """The style of what is seen as `text`, which belongs to the pieces `first` to `last`."""
        raise NotImplementedError

    # -- content ---------------------------------------------------------------------------------------------

    @property
    def layout_lines(self) -> TapeLayout:
        return self._layout_lines

    def set_pieces(self, texts: Iterable[str]) -> None:
        """Show these pieces instead, from their beginning."""
        self._texts[:] = texts
        self._lay_out()
        self.scroll_to(y=0, animate=False)

    def add_pieces(self, texts: Iterable[str]) -> None:
        """Add pieces at the end. Only the lines they touch are drawn again."""
        first_changed, height = None, len(self._layout_lines.lines)
        for text in texts:
            self._texts.append(text)
            changed = self._layout_lines.append(text)
            first_changed = changed if first_changed is None else min(first_changed, changed)
        if first_changed is None:
            return
        self._redraw(first_changed)
        if len(self._layout_lines.lines) != height:
            self._update_height()

    # -- drawing ---------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        if self._layout_lines.width != self._text_width:
            self._lay_out()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()

    def selection_updated(self, selection: Selection | None) -> None:
        self._strips.clear()
        self.refresh()

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        lines = self._layout_lines.lines
        parts = []
        for y, line in enumerate(lines):
            span = selection.get_span(y)
            if span is not None:
                parts.append(_source_between(line, *span))
        return "".join(parts), "\n"

    def render_line(self, y: int) -> Strip:
        y += self.scroll_offset.y
        if y >= len(self._layout_lines.lines):
            return Strip.blank(self._width, self.rich_style)
        strip = self._strips.get(y)
        if strip is None:
            strip = self._strips[y] = self._build(y)
        return strip

    def _build(self, y: int) -> Strip:
        self.strips_built += 1
        segments = _merged(
            Segment(span.text, self.piece_style(span.first, span.last, span.text))
            for span in self._layout_lines.lines[y].spans
        )
        selection = self.text_selection
        if selection is not None and (chosen := selection.get_span(y)) is not None:
            segments = _highlight(
                segments, *chosen, self.screen.get_component_rich_style("screen--selection")
            )
        return Strip(segments).crop_extend(0, self._width, self.rich_style).apply_offsets(0, y)

    def _redraw(self, first_line: int) -> None:
        for y in range(first_line, len(self._layout_lines.lines)):
            self._strips.pop(y, None)
        self.refresh_lines(first_line, len(self._layout_lines.lines) - first_line)

    def _redraw_piece(self, piece: int) -> None:
        for y, _ in self._layout_lines.spans_of(piece):
            self._strips.pop(y, None)
            self.refresh_lines(y)

    def _redraw_all(self) -> None:
        """Every piece may look different now."""
        self._strips.clear()
        self.refresh()

    def _lay_out(self) -> None:
        layout = TapeLayout(self._text_width)
        for text in self._texts:
            layout.append(text)
        self._layout_lines = layout
        self._update_height()
        self._redraw_all()

    @property
    def _width(self) -> int:
        """The cells of a line: the scrollbar has a column of its own."""
        return max(1, self.scrollable_content_region.width)

    @property
    def _text_width(self) -> int:
        """Room for text: a column is left for what may hang over; no wider than reads well."""
        return max(2, min(self._width - 1, READABLE_WIDTH))

    def _update_height(self) -> None:
        self.virtual_size = Size(self._width, len(self._layout_lines.lines))


def _source_between(line: Line, start: int, end: int) -> str:
    """What characters `start` to `end` (−1: the end) of a line say, newlines and tabs as they were."""
    out, x = [], 0
    for span in line.spans:
        length = len(span.text)
        low, high = max(0, start - x), length if end == -1 else min(length, end - x)
        if low < high:
            out.append(span.source[low:high] if span.text == span.source else span.source)
        x += length
    return "".join(out)


def _merged(segments: Iterable[Segment]) -> list[Segment]:
    """Neighbors of one style as one segment: fewer bytes for the terminal."""
    out: list[Segment] = []
    for segment in segments:
        if out and out[-1].style is segment.style:
            out[-1] = Segment(out[-1].text + segment.text, segment.style)
        else:
            out.append(segment)
    return out


def _highlight(segments: list[Segment], start: int, end: int, style: Style) -> list[Segment]:
    """The segments with characters `start` to `end` (−1: the end) in `style`."""
    out, x = [], 0
    for text, base, _ in segments:
        low = min(len(text), max(0, start - x))
        high = len(text) if end == -1 else max(low, min(len(text), end - x))
        for part, styled in (
            (text[:low], base),
            (text[low:high], (base or Style()) + style),
            (text[high:], base),
        ):
            if part:
                out.append(Segment(part, styled))
        x += len(text)
    return out
