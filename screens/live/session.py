"""The answers of this session, listed where the screen is wide enough."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.message import Message

from screens.live.facts import answer_cells
from screens.widgets.virtual_list import VirtualList
from screens.workbench import Answer


class SessionPane(Container):
    """A list with the cursor on the answer that is shown, unless somebody walks through it."""

    class Chosen(Message):
        """Somebody went to an answer or opened it."""

        def __init__(self, answer: Answer) -> None:
            super().__init__()
            self.answer = answer

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="pane")
        self.border_title = Content("This session")
        self._seen_changes = -1

    def compose(self) -> ComposeResult:
        yield VirtualList(answer_cells, id, empty="Answers are listed here.", id="session")

    @property
    def rows(self) -> VirtualList[Answer]:
        return self.query_one("#session", VirtualList)

    def show(self, answers: Sequence[Answer], shown: Answer | None, changes: int) -> None:
        """Draw the list if it is in sight and something has changed since."""
        if not self.display or self._seen_changes == changes:
            return
        self._seen_changes = changes
        self.rows.show_rows(tuple(answers), keep_cursor=True)
        if shown in answers and not self.rows.has_focus:
            self.rows.move_to(answers.index(shown))

    @on(VirtualList.Opened)
    def _opened(self, event: VirtualList.Opened) -> None:
        event.stop()
        self.post_message(self.Chosen(event.row))

    @on(VirtualList.Moved)
    def _moved(self, event: VirtualList.Moved) -> None:
        event.stop()
        if self.rows.has_focus and event.row is not None:
            self.post_message(self.Chosen(event.row))
