"""The heat map: an answer's tokens, each colored by the entropy with which it was chosen.

A line-API view: a token costs the redrawing of the line it lands on, however long the answer is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from lab.decode.types import TokenStat
from lab.ramp import entropy_level
from screens.actions import bindings
from screens.theme.ramp import token_styles
from screens.widgets.tape_layout import NEWLINE_GLYPH, Line, TapeLayout

SURPRISE_LEVEL = 5
READABLE_WIDTH = 110


class TokenTape(ScrollView, can_focus=True):
    """Tokens as they come, and a cursor to walk over them. Follows the tail only while it is at the end."""

    BINDINGS = bindings("tape")
    ALLOW_SELECT = True
    COMPONENT_CLASSES: ClassVar[set[str]] = {"tape--cursor", "tape--branch", "tape--break"}
    DEFAULT_CSS = """
    TokenTape {
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        overflow-x: hidden;
        overflow-y: auto;
        .tape--cursor {
            background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
        }
        .tape--branch { background: $secondary 35%; color: $text; text-style: bold; }
        .tape--break { color: $faint; }
    }
    """

    class CursorMoved(Message):
        """The token cursor moved to `token`, or away (None)."""

        def __init__(self, tape: TokenTape, token: int | None) -> None:
            super().__init__()
            self.tape = tape
            self.token = token

        @property
        def control(self) -> TokenTape:
            return self.tape

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.cursor: int | None = None
        self.branch_token: int | None = None
        self.strips_built = 0
        self._texts: list[str] = []
        self._levels: list[int] = []
        self._layout_lines = TapeLayout(80)
        self._styles: tuple[Style, ...] = ()
        self._special: dict[str, Style] = {}
        self._strips: dict[int, Strip] = {}
        self._following = True

    # -- content ---------------------------------------------------------------------------------------------

    @property
    def n_tokens(self) -> int:
        return len(self._texts)

    @property
    def layout_lines(self) -> TapeLayout:
        return self._layout_lines

    def clear(self) -> None:
        """Empty the tape and take the cursor away."""
        self._texts.clear()
        self._levels.clear()
        self.cursor = None
        self.branch_token = None
        self._following = True
        self._lay_out()
        self.scroll_to(y=0, animate=False)

    def show(self, tokens: Sequence[TokenStat], branch_token: int | None = None) -> None:
        """Replace what is shown; marks the token at which the answer left its parent."""
        self.clear()
        self.branch_token = branch_token
        self.extend(tokens)

    def extend(self, tokens: Iterable[TokenStat]) -> None:
        """Add tokens at the end. Only the lines they touch are drawn again."""
        first_changed, height = None, len(self._layout_lines.lines)
        for token in tokens:
            self._texts.append(token.text)
            self._levels.append(entropy_level(token.entropy_nats))
            changed = self._layout_lines.append(token.text)
            first_changed = changed if first_changed is None else min(first_changed, changed)
        if first_changed is None:
            return
        self._redraw(first_changed)
        if len(self._layout_lines.lines) != height:
            self._update_height()
        if self._following:
            self.scroll_end(animate=False, immediate=True, force=True, x_axis=False)

    # -- cursor ----------------------------------------------------------------------------------------------

    def move_to(self, token: int | None) -> None:
        """Put the cursor on a token (clamped), or take it away."""
        if token is not None:
            token = max(0, min(token, self.n_tokens - 1)) if self.n_tokens else None
        if token == self.cursor:
            return
        before, self.cursor = self.cursor, token
        for changed in (before, token):
            if changed is not None:
                self._redraw_token(changed)
        if token is not None:
            y = self._layout_lines.line_of[token]
            self._following = token == self.n_tokens - 1
            self.scroll_to_region(Region(0, y, 1, 1), animate=False, x_axis=False, force=True)
        self.post_message(self.CursorMoved(self, token))

    def action_right(self) -> None:
        self.move_to(self.n_tokens - 1 if self.cursor is None else self.cursor + 1)

    def action_left(self) -> None:
        self.move_to(self.n_tokens - 1 if self.cursor is None else self.cursor - 1)

    def action_down(self) -> None:
        self._move_lines(1)

    def action_up(self) -> None:
        self._move_lines(-1)

    def action_page_down(self) -> None:
        self._move_lines(max(1, self.size.height - 1))

    def action_page_up(self) -> None:
        self._move_lines(1 - max(2, self.size.height))

    def action_first(self) -> None:
        self.move_to(0)

    def action_last(self) -> None:
        self.move_to(self.n_tokens - 1)
        self._following = True
        self.scroll_end(animate=False, force=True, x_axis=False)

    def action_surprise(self) -> None:
        """On to the next token of high entropy, from the start again after the last one."""
        start = -1 if self.cursor is None else self.cursor
        order = [*range(start + 1, self.n_tokens), *range(start + 1)]
        found = next((token for token in order if self._levels[token] >= SURPRISE_LEVEL), None)
        if found is not None:
            self.move_to(found)

    def action_clear(self) -> None:
        self.move_to(None)
        self._following = True
        self.scroll_end(animate=False, force=True, x_axis=False)

    def _move_lines(self, lines: int) -> None:
        if not self.n_tokens:
            return
        layout = self._layout_lines
        token = self.n_tokens - 1 if self.cursor is None else self.cursor
        x, y = layout.column_of(token), layout.line_of[token]
        y = max(0, min(y + lines, layout.line_of[-1]))
        step = 1 if lines > 0 else -1
        while 0 < y < len(layout.lines) - 1 and not layout.lines[y].spans:
            y += step
        found = layout.token_at(x, y)
        self.move_to(token if found is None else found)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is not None:
            self.move_to(self._layout_lines.token_at(offset.x, offset.y + self.scroll_offset.y))

    # -- following -------------------------------------------------------------------------------------------

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value < old_value:
            self._following = False
        elif self.is_vertical_scroll_end and self.cursor is None:
            self._following = True

    # -- drawing ---------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        if self._layout_lines.width != self._text_width:
            self._lay_out()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles = ()
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
            Segment(span.text, self._style_of(span.first, span.last, span.text))
            for span in self._layout_lines.lines[y].spans
        )
        selection = self.text_selection
        if selection is not None and (chosen := selection.get_span(y)) is not None:
            segments = _highlight(
                segments, *chosen, self.screen.get_component_rich_style("screen--selection")
            )
        return Strip(segments).crop_extend(0, self._width, self.rich_style).apply_offsets(0, y)

    def _style_of(self, first: int, last: int, text: str) -> Style:
        if not self._styles:
            background = self.background_colors[1]
            self._styles = token_styles(background, dark=self.app.current_theme.dark)
            self._special = {
                name: self.get_component_rich_style(f"tape--{name}") for name in ("cursor", "branch", "break")
            }
            self._special["blank"] = self.rich_style
        if self.cursor is not None and first <= self.cursor <= last:
            return self._special["cursor"]
        if self.branch_token is not None and first <= self.branch_token <= last:
            return self._special["branch"]
        if text == NEWLINE_GLYPH:
            return self._special["break"]
        return self._special["blank"] if text.isspace() else self._styles[self._levels[last]]

    def _redraw(self, first_line: int) -> None:
        for y in range(first_line, len(self._layout_lines.lines)):
            self._strips.pop(y, None)
        self.refresh_lines(first_line, len(self._layout_lines.lines) - first_line)

    def _redraw_token(self, token: int) -> None:
        for y, _ in self._layout_lines.spans_of(token):
            self._strips.pop(y, None)
            self.refresh_lines(y)

    def _lay_out(self) -> None:
        layout = TapeLayout(self._text_width)
        for text in self._texts:
            layout.append(text)
        self._layout_lines = layout
        self._strips.clear()
        self._update_height()
        self.refresh()

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
