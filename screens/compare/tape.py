"""One side of a pair: its text, the shared start folded, the parting marked, differences brought out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.message import Message

from lab.ramp import entropy_level
from screens.actions import bindings
from screens.compare.heat import HeatKind, heat_styles, level_of
from screens.compare.texts import EMPTY, SideText
from screens.theme.ramp import token_styles
from screens.widgets.tape import Tape
from screens.widgets.tape_layout import NEWLINE_GLYPH


@dataclass(frozen=True, slots=True)
class Look:
    """How a side is shown.

    Attributes:
        folded: how many pieces at the start are one line.
        parting: the first piece that the other side does not share.
        changed: with a diff, the pieces that the other side has not.
        heat: with an overlay, a value in nats for every piece, of the kind that is shown.
        plain: without the colors of entropy, which tell who wrote it.
    """

    folded: int = 0
    parting: int | None = None
    changed: frozenset[int] | None = None
    kind: HeatKind = "off"
    heat: tuple[float, ...] = ()
    plain: bool = False


class PairTape(Tape):
    """A side's text. Scrolling is the business of both sides together: `on_scroll` is told of every move."""

    BINDINGS = bindings("pair")
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"pair--{name}" for name in ("parting", "cursor", "fold", "break", "same", "changed")
    }
    DEFAULT_CSS = """
    PairTape {
        background: $background;
        .pair--parting { background: $secondary 45%; color: $text; text-style: bold; }
        .pair--cursor {
            background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
        }
        .pair--fold { color: $muted; text-style: italic; }
        .pair--break { color: $faint; }
        .pair--same { color: $foreground 55%; }
        .pair--changed { background: $primary 22%; color: $foreground; text-style: bold; }
    }
    """

    class CursorMoved(Message):
        """The token cursor of a side moved to `token`, or away (None)."""

        def __init__(self, tape: PairTape, token: int | None) -> None:
            super().__init__()
            self.tape = tape
            self.token = token

        @property
        def control(self) -> PairTape:
            return self.tape

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor: int | None = None
        self.side = EMPTY
        self.look = Look()
        self.on_scroll: Callable[[PairTape, float], None] | None = None
        self._styles: dict[str, Style] = {}
        self._ramp: tuple[Style, ...] = ()
        self._heats: dict[int, Style] = {}

    # -- content ---------------------------------------------------------------------------------------------

    def show(self, side: SideText, look: Look) -> None:
        """Show a side. What only grew is drawn from its last line on; another look colors it anew."""
        before, self.side = self.side, side
        old, self.look = self.look, look
        known = len(before.pieces)
        if old.folded != look.folded or side.pieces[:known] != before.pieces:
            self.cursor = None
            self.set_pieces(self._texts_of(side, look.folded))
            return
        self.add_pieces(side.pieces[known:])
        if look != old:
            self._redraw_all()

    def _texts_of(self, side: SideText, folded: int) -> list[str]:
        if not folded:
            return list(side.pieces)
        return [f"⋯ {self.folded_words(folded)} ⋯\n", *side.pieces[folded:]]

    def folded_words(self, folded: int) -> str:
        """What stands in the place of so many pieces."""
        return f"{folded:,} shared tokens"

    def _token_of(self, piece: int) -> int | None:
        """The token that a piece is; None for the line of the fold."""
        if not self.look.folded:
            return piece
        return None if piece == 0 else piece - 1 + self.look.folded

    def _piece_of(self, token: int) -> int:
        return token if not self.look.folded else max(0, token - self.look.folded + 1)

    @property
    def text(self) -> str:
        return self.side.text

    # -- cursor ----------------------------------------------------------------------------------------------

    def move_to(self, token: int | None) -> None:
        """Put the cursor on a token (clamped to those in sight), or take it away."""
        if token is not None:
            last = len(self.side.pieces) - 1
            token = max(self.look.folded, min(token, last)) if last >= self.look.folded else None
        if token == self.cursor:
            return
        before, self.cursor = self.cursor, token
        for changed in (before, token):
            if changed is not None and self._piece_of(changed) < len(self._texts):
                self._redraw_piece(self._piece_of(changed))
        if token is not None:
            line = self.layout_lines.line_of[self._piece_of(token)]
            top = round(self.scroll_offset.y)
            if not top <= line < top + self.size.height:
                self.lead_to(max(0, line - self.size.height // 2))
        self.post_message(self.CursorMoved(self, token))

    def action_right(self) -> None:
        self.move_to(self._from(1))

    def action_left(self) -> None:
        self.move_to(self._from(-1))

    def _from(self, by: int) -> int:
        if self.cursor is not None:
            return self.cursor + by
        return self.look.parting if self.look.parting is not None else self.look.folded

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        piece = self.layout_lines.token_at(offset.x, offset.y + round(self.scroll_offset.y))
        if piece is not None:
            self.move_to(self._token_of(piece))

    # -- scrolling -------------------------------------------------------------------------------------------

    def lead_to(self, y: float) -> None:
        """Scroll, and take the other side along."""
        if self.on_scroll is not None:
            self.on_scroll(self, y)
        else:
            self.follow_to(y)

    def follow_to(self, y: float) -> None:
        """Scroll alone, as far as there is text."""
        self.scroll_to(y=min(max(0.0, y), self.max_scroll_y), animate=False, force=True, immediate=True)

    def action_down(self) -> None:
        self.lead_to(self.scroll_offset.y + 1)

    def action_up(self) -> None:
        self.lead_to(self.scroll_offset.y - 1)

    def action_page_down(self) -> None:
        self.lead_to(self.scroll_offset.y + max(1, self.size.height - 1))

    def action_page_up(self) -> None:
        self.lead_to(self.scroll_offset.y - max(1, self.size.height - 1))

    def action_first(self) -> None:
        self.lead_to(0)

    def action_last(self) -> None:
        self.lead_to(1_000_000)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        event.prevent_default()
        self.lead_to(self.scroll_offset.y + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        event.prevent_default()
        self.lead_to(self.scroll_offset.y - 3)

    # -- drawing ---------------------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.clear()

    def _find_styles(self) -> None:
        background, dark = self.background_colors[1], self.app.current_theme.dark
        names = ("parting", "cursor", "fold", "break", "same", "changed")
        self._styles = {name: self.get_component_rich_style(f"pair--{name}") for name in names}
        self._styles["plain"] = self.rich_style
        self._styles["hidden"] = Style(color=background.hex6, bgcolor=background.hex6)
        self._ramp = token_styles(background, dark=dark)
        self._heats = dict(heat_styles(background, self.styles.color, dark=dark))

    def piece_style(self, first: int, last: int, text: str) -> Style:
        if not self._styles:
            self._find_styles()
        token, styles = self._token_of(last), self._styles
        if token is None:
            return styles["hidden" if text == NEWLINE_GLYPH else "fold"]
        covered = range(token - (last - first), token + 1)
        if self.cursor is not None and self.cursor in covered:
            return styles["cursor"]
        if self.look.parting is not None and self.look.parting in covered:
            return styles["parting"]
        if text == NEWLINE_GLYPH:
            return styles["break"]
        return self._token_style(token, text.isspace())

    def _token_style(self, token: int, blank: bool) -> Style:
        look = self.look
        if look.changed is not None:
            return self._styles["changed" if token in look.changed and not blank else "same"]
        if look.kind != "off" and token < len(look.heat) and not blank:
            return self._heats[level_of(look.kind, look.heat[token])]
        if look.plain or blank or token >= len(self.side.entropies_nats):
            return self._styles["plain"]
        return self._ramp[entropy_level(self.side.entropies_nats[token])]
