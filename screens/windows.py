"""Windows that open at once: each is built while nobody waits, and filled when it is opened.

To build a window takes ten times as long as to paint it: its widgets are made, styled and laid out. A window
that is there already only takes what it shows this time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from screens.app import LanternApp
    from screens.dialogs import Dialog

Given = ParamSpec("Given")
Result = TypeVar("Result")
Then = Callable[[Result | None], None]


class Windows:
    """One window of each kind, kept from the first time it is built."""

    def __init__(self, lab: LanternApp) -> None:
        self._lab = lab
        self._kept: dict[Callable[..., Any], Dialog[Any]] = {}

    def open(
        self,
        kind: Callable[Given, Dialog[Result]],
        then: Then[Result] | None,
        *given: Given.args,
        **named: Given.kwargs,
    ) -> None:
        """Open a window of this kind on what its constructor takes; `then` gets its result."""
        window = self._kept.get(kind)
        if window is None:
            window = self._kept[kind] = kind(*given, **named)
            self._keep(window)
        elif window in self._lab.screen_stack:
            # The same kind twice at once, such as one error after another: the second is one of its own.
            window = kind(*given, **named)
        else:
            window.give(*given, **named)
            if window.is_mounted:
                window.fill()
        self._lab.push_screen(window, then)

    async def prepare(
        self, kind: Callable[Given, Dialog[Result]], *given: Given.args, **named: Given.kwargs
    ) -> None:
        """Build a window out of sight, for the first time that it is opened."""
        if kind in self._kept:
            return
        window = self._kept[kind] = kind(*given, **named)
        self._keep(window)
        await self._lab.mount_hidden(window)

    def _keep(self, window: Dialog[Any]) -> None:
        """Textual takes a screen apart when it is closed, unless it is an installed one."""
        self._lab.install_screen(window, f"window {type(window).__qualname__}")
