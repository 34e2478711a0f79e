"""Keys one after the other: each goes to what has the focus once all keys before it have done their work.

Textual hands a key to the focused widget as soon as it comes, while the binding of the key before it is acted
on only after that key has bubbled up to the app. Keys that come faster than the screen works (a fast typist,
a busy moment after the start) then reach the old focus: of "/", "H", "0" the letters miss the search box.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from textual import events
from textual.dom import DOMNode
from textual.message_pump import MessagePump

if TYPE_CHECKING:
    from textual.app import App

WAITS_AT_MOST_S = 0.5


class KeysInTurn:
    """Holds keys back while one is under way; `forward` is what hands a key to the focused widget."""

    def __init__(self, app: App[None], forward: Callable[[events.Key], Awaitable[None]]) -> None:
        self._app, self._forward = app, forward
        self._held: deque[events.Key] = deque()
        self._number = 0
        self._waits: asyncio.TimerHandle | None = None

    async def take(self, key: events.Key) -> None:
        """Hand a key on, now or when it is its turn."""
        self._held.append(key)
        if self._waits is None:
            await self._next()

    async def _next(self) -> None:
        if not self._held:
            return
        key = self._held.popleft()
        self._number += 1
        number, target = self._number, self._app.focused or self._app.screen
        # A widget that goes away with the key in its queue tells nobody: the next waits no longer than this.
        self._waits = asyncio.get_running_loop().call_later(WAITS_AT_MOST_S, self._over, number)
        await self._forward(key)
        self._follow(target, number)

    def _follow(self, node: MessagePump | None, number: int) -> None:
        """Go the key's way, one behind it in every queue, up to the app."""
        while isinstance(node, DOMNode) and node is not self._app:
            if node.call_later(self._follow, node._parent, number):
                return
            node = node._parent
        self._over(number)

    def _over(self, number: int) -> None:
        """The key has come to the app's queue: the next one's turn is when the app has acted on it."""
        if number == self._number and self._waits is not None:
            self._waits.cancel()
            self._number += 1
            self._app.call_later(self._turn, self._number)

    async def _turn(self, number: int) -> None:
        if number == self._number:
            self._waits = None
            await self._next()
