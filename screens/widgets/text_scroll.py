"""A pane that is scrolled by the keys of texts."""

from __future__ import annotations

from textual.containers import VerticalScroll

from screens.actions import bindings


class TextScroll(VerticalScroll):
    """Anything longer than its pane."""

    BINDINGS = bindings("text")

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
