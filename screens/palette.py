"""The command palette: every action of the registry that this screen can do, found by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.fuzzy import FuzzySearch
from textual.widgets import Input

from screens.actions import ACTIONS, SCOPE_TITLES, Action
from screens.dialogs import Dialog
from screens.widgets.virtual_list import Cell, VirtualList

KEY_WIDTH = 11
PANES_LISTED = {"curate": "card"}


@dataclass(frozen=True, slots=True)
class Entry:
    """An action as the palette lists it: under its scope's name, with the keys that do it now."""

    action: Action
    keys: str

    @property
    def title(self) -> str:
        return f"{SCOPE_TITLES[self.action.scope]}: {self.action.label}"


def entries(scope: str, keys: dict[str, tuple[str, ...]]) -> list[Entry]:
    """What can be done on a screen; `keys` are the live ones by action id."""
    return [
        Entry(action, " ".join(keys.get(action.id, ())))
        for action in ACTIONS
        if action.palette and action.scope in ("app", scope, PANES_LISTED.get(scope))
    ]


def found(listed: Sequence[Entry], query: str) -> list[Entry]:
    """The entries that match, the best first; all of them for no query."""
    if not query.strip():
        return list(listed)
    search = FuzzySearch()
    scored = [(search.match(query, entry.title)[0], entry) for entry in listed]
    return [entry for score, entry in sorted(scored, key=lambda pair: -pair[0]) if score > 0]


class PaletteDialog(Dialog[str]):
    """Type to narrow, arrows to choose, Enter to do; the result is the action's id."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("down,ctrl+n", "rows('down')", show=False),
        Binding("up", "rows('up')", show=False),
        Binding("pagedown", "rows('page_down')", show=False),
        Binding("pageup", "rows('page_up')", show=False),
        Binding("ctrl+p", "close", show=False),
    ]
    DEFAULT_CSS = """
    PaletteDialog { align: center top; }
    PaletteDialog > Vertical { width: 90; margin-top: 3; }
    PaletteDialog VirtualList {
        height: 16; margin-top: 1; background: $surface;
        .list--blurred { background: $primary 25%; color: $foreground; text-style: bold; }
    }
    """

    def __init__(self, scope: str, keys: dict[str, tuple[str, ...]]) -> None:
        super().__init__()
        self.give(scope, keys)

    def give(self, scope: str, keys: dict[str, tuple[str, ...]]) -> None:
        self._entries = entries(scope, keys)

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content("Do what?")
            yield Input(placeholder="the name of an action")
            rows = VirtualList[Entry](_cells, lambda entry: entry.action.id, empty="No action of that name.")
            rows.can_focus = False
            yield rows

    @property
    def rows(self) -> VirtualList[Entry]:
        return self.query_one(VirtualList)

    def fill(self) -> None:
        self.query_one(Input).value = ""
        self.rows.show_rows(self._entries)

    def action_rows(self, move: str) -> None:
        getattr(self.rows, f"action_{move}")()

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        self.rows.show_rows(found(self._entries, event.value))

    @on(Input.Submitted)
    def _take(self) -> None:
        if self.rows.current is not None:
            self.dismiss(self.rows.current.action.id)

    @on(VirtualList.Opened)
    def _opened(self, event: VirtualList.Opened) -> None:
        self.dismiss(event.row.action.id)


def _cells(entry: Entry, width: int) -> list[Cell]:
    title = 30
    return [
        Cell(entry.title, title),
        Cell(entry.action.help, width - title - KEY_WIDTH - 1, style="muted"),
        Cell(" "),
        Cell(entry.keys, KEY_WIDTH, right=True, style="accent"),
    ]
