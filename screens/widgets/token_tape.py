"""The heat map: an answer's tokens, each colored by the entropy with which it was chosen.

A line-API view: a token costs the redrawing of the line it lands on, however long the answer is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message

from lab.decode.types import TokenStat
from lab.ramp import entropy_level
from screens.actions import bindings
from screens.theme.ramp import token_styles
from screens.widgets.tape import Tape
from screens.widgets.tape_layout import NEWLINE_GLYPH

SURPRISE_LEVEL = 5


class TokenTape(Tape):
    """Tokens as they come, and a cursor to walk over them. Follows the tail only while it is at the end."""

    BINDINGS = bindings("tape")
    COMPONENT_CLASSES: ClassVar[set[str]] = {"tape--cursor", "tape--branch", "tape--break"}
    DEFAULT_CSS = """
    TokenTape {
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
        self._levels: list[int] = []
        self._styles: tuple[Style, ...] = ()
        self._special: dict[str, Style] = {}
        self._following = True

    # -- content ---------------------------------------------------------------------------------------------

    @property
    def n_tokens(self) -> int:
        return len(self._texts)

    def clear(self) -> None:
        """Empty the tape and take the cursor away."""
        self._levels.clear()
        self.cursor = None
        self.branch_token = None
        self._following = True
        self.set_pieces(())

    def show(self, tokens: Sequence[TokenStat], branch_token: int | None = None) -> None:
        """Replace what is shown; marks the token at which the answer left its parent."""
        self.clear()
        self.branch_token = branch_token
        self.extend(tokens)

    def extend(self, tokens: Iterable[TokenStat]) -> None:
        """Add tokens at the end. Only the lines they touch are drawn again."""
        new = tuple(tokens)
        self._levels.extend(entropy_level(token.entropy_nats) for token in new)
        self.add_pieces(token.text for token in new)
        if new and self._following:
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
                self._redraw_piece(changed)
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

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles = ()

    def piece_style(self, first: int, last: int, text: str) -> Style:
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
