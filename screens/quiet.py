"""A screen that, when it comes to the front or the focus moves, styles and paints what changed and no more.

Textual restyles every widget of a screen that is brought to the front, lays it out anew, repaints all of it
whenever the focus moves, and styles all that stands beside what has the focus. Screens and windows that are
kept built need none of that, and it is most of what a key would wait for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Generic, TypeVar

from textual import events
from textual.geometry import Size
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget

PATIENCE_S = 2.0

Result = TypeVar("Result")


class QuietScreen(Screen[Result], Generic[Result]):
    """Base of every screen and window of the lab."""

    # The two widgets repaint themselves when the focus goes from one to the other.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    _styled_for = ""

    async def prepare(self, size: Size) -> None:
        """Style, lay out and draw once out of sight, for the first time that it is brought to the front."""
        self._styled_for = self.app.theme
        self.stack_updates += 1  # Textual lays out no screen that has never been in front.
        self._screen_resized(size)
        # The widgets are told their sizes, and tell the screen what that changes.
        await _have_read_all(self.walk_children(Widget))
        await _have_read_all([self])
        if self._layout_required:
            self._refresh_layout(size)
            self._layout_required = False
        self._compositor.render_strips()
        self._update_timer.resume()  # Its first turn waits for a whole period, and does nothing out of sight.

    def wear_theme(self, event: events.ScreenResume) -> None:
        """Take the styles of now, if they are not worn already."""
        event.refresh_styles = False
        if self._styled_for != self.app.theme:
            self._styled_for = self.app.theme
            self.update_node_styles(animate=False)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self.wear_theme(event)

    def _screen_resized(self, size: Size) -> None:
        """Lay out anew where the size did change: Textual asks for it at every switch of screens."""
        if size != self._size:
            super()._screen_resized(size)

    def _update_focus_styles(self, focused: Widget | None = None, blurred: Widget | None = None) -> None:
        """Style the panes around the focus, not all that is in them: only their own frames tell it."""
        panes = {
            pane
            for widget in (focused, blurred)
            if widget is not None
            for pane in widget.ancestors
            if pane._has_focus_within
        }
        if panes:
            self.app.stylesheet.update_nodes(panes, animate=True)


async def _have_read_all(nodes: Iterable[Widget]) -> None:
    """Wait until each has handled what was sent to it up to now."""
    events_of = [(node, asyncio.Event()) for node in nodes]
    read = [event for node, event in events_of if node.call_later(event.set)]
    with contextlib.suppress(TimeoutError):  # One that is taken away meanwhile reads nothing any more.
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(event.wait() for event in read))
