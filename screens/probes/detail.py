"""The probe under the cursor: its text, history and answers, and where there is room one in full."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from lab.safetext import safe_line, safe_text
from screens.probes.history import answer_cells, answers_header, history_table, history_title, probe_facts
from screens.shell import lab_of
from screens.widgets.legend import RampLegend
from screens.widgets.token_tape import TokenTape
from screens.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from screens.probes.source import ProbeSource
    from store.queries import AnswerRow, ProbeRow

DETAIL_AFTER_S = 0.06


class ProbeDetail(Horizontal):
    """Draws one probe; of quick moves through the list only the first and the last are looked up."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._source: ProbeSource | None = None
        self._probe: ProbeRow | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="detail"):
            with Vertical(id="probe-pane", classes="pane"):
                with VerticalScroll(id="probe-text", can_focus=False):
                    yield Static(id="prompt-text")
                yield Static(id="facts")
            with Container(id="history-pane", classes="pane") as pane:
                pane.border_title = Content("History")
                pane.border_subtitle = Content("H_t, H_w: mean nats")
                yield Static(id="history")
            with Vertical(id="answers-pane", classes="pane") as pane:
                pane.border_title = Content("Answers, newest first")
                yield Static(id="answers-header")
                yield VirtualList(
                    answer_cells, lambda row: row.generation_id, empty="None yet.", id="answers"
                )
        with Vertical(id="reader-pane", classes="pane") as pane:
            pane.border_title = Content("The answer under the cursor")
            yield TokenTape(id="reader")
            yield RampLegend()

    @property
    def answer_rows(self) -> VirtualList[AnswerRow]:
        return self.query_one("#answers", VirtualList)

    def show(self, probe: ProbeRow | None, source: ProbeSource) -> None:
        """Draw a probe once the list shows the cursor on it, and its history when the store has told it."""
        self._source, self._probe = source, probe
        self.call_after_refresh(self._draw, probe)
        lab_of(self).latest("read a probe", self._look_up, probe, source)

    def _draw(self, probe: ProbeRow | None) -> None:
        if probe is not self._probe:
            return
        self.query_one("#probe-pane").border_title = Content(safe_line(probe.id) if probe else "No probe")
        self.query_one("#prompt-text", Static).update(Content(safe_text(probe.prompt) if probe else ""))
        self.query_one("#facts", Static).update(probe_facts(probe) if probe else Content(""))

    async def _look_up(self, probe: ProbeRow | None, source: ProbeSource) -> None:
        if probe is None:
            return
        await asyncio.sleep(DETAIL_AFTER_S)
        cells = await source.summary(probe)
        answers = await source.answers(probe)
        width = self.query_one("#history").size.width
        self.query_one("#history-pane").border_title = Content(history_title(cells))
        self.query_one("#history", Static).update(history_table(cells, width))
        self.query_one("#answers-header", Static).update(answers_header(width))
        self.answer_rows.show_rows(answers, keep_cursor=True)

    @on(VirtualList.Moved, "#answers")
    def _answer_moved(self, event: VirtualList.Moved) -> None:
        event.stop()
        if self.query_one("#reader-pane").display and self._source is not None:
            lab_of(self).latest("read an answer", self._read, event.row, self._source)

    async def _read(self, row: AnswerRow | None, source: ProbeSource) -> None:
        """Show an answer beside the list, with the entropy of its tokens."""
        from screens.live.stored import answer_of

        stored = await source.generation(row.generation_id) if row else None
        self.query_one("#reader", TokenTape).show(answer_of(stored).tokens if stored else ())
