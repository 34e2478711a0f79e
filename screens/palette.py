"""The command palette: every action that the registry lists and that this screen can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from screens.actions import ACTIONS, SCOPE_TITLES, Action


class ActionProvider(Provider):
    """The registry's actions for the palette."""

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action in self._actions():
            title = _title(action)
            if (score := matcher.match(title)) > 0:
                yield Hit(score, matcher.highlight(title), self._do(action), text=title, help=action.help)

    async def discover(self) -> Hits:
        for action in self._actions():
            yield DiscoveryHit(_title(action), self._do(action), help=action.help)

    def _actions(self) -> Iterator[Action]:
        scope = getattr(self.screen, "ID", "")
        return (action for action in ACTIONS if action.palette and action.scope in ("app", scope))

    def _do(self, action: Action) -> Callable[[], object]:
        return partial(self.app.run_action, f"app.do('{action.id}')")


def _title(action: Action) -> str:
    return f"{SCOPE_TITLES[action.scope]}: {action.label}"
