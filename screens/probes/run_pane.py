"""The answers of a running battery as they are written, one line each, with progress above."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from lab.safetext import safe_line
from screens.formats import clip, clock, rate
from screens.widgets.bars import bar_content
from screens.workbench import Answer, Job

TAIL_CHARACTERS = 400


class RunPane(Widget):
    """Progress, and the newest words of every answer in the batch."""

    DEFAULT_CSS = """
    RunPane { height: auto; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._job: Job | None = None

    def show(self, job: Job | None) -> None:
        self._job = job
        self.refresh()

    def render(self) -> Content:
        job, width, height = self._job, self.size.width, self.size.height
        if job is None:
            return Content("")
        rows = [self._progress(job, width)]
        running = [answer for answer in job.answers if answer.state == "running"][: height - 1]
        rows += [self._line(answer, width) for answer in running]
        return Content("\n").join(rows)

    def _progress(self, job: Job, width: int) -> Content:
        words = f" {job.done}/{job.total} · {rate(job.tokens_per_second)} · ETA {clock(job.eta_s)} · X stops"
        return Content.assemble(
            bar_content(job.done, job.total, max(8, width - len(words)), "$primary"),
            (words, "$foreground 70%"),
        )

    def _line(self, answer: Answer, width: int) -> Content:
        name_width = min(28, width // 3)
        name = clip(safe_line(answer.ask.probe_id or "prompt"), name_width).ljust(name_width)
        condition = clip(safe_line(answer.ask.kernel_name or "baseline"), 12).ljust(12)
        room = max(0, width - name_width - 14 - 6)
        return Content.assemble(
            (name, "$foreground 80%"),
            " ",
            (condition, "$secondary"),
            (f"{len(answer.tokens):>5} ", "$muted"),
            (tail_of(answer, room), "$muted"),
        )


def tail_of(answer: Answer, width: int) -> str:
    """The end of what is written so far, in one line of `width` cells at most."""
    from rich.cells import cell_len

    text, n = "", len(answer.tokens)
    while n and len(text) < min(TAIL_CHARACTERS, width * 2):
        n -= 1
        text = answer.tokens[n].text + text
    line = safe_line(text)
    while cell_len(line) > width and line:
        line = line[1:]
    return line
