"""What an answer was made under and what it cost, as a small table."""

from __future__ import annotations

import math

from textual.content import Content
from textual.widget import Widget

from lab.safetext import safe_line
from screens.formats import MISSING, clip, count, nats, plural, rate, short_id, size
from screens.live.setup import sampling_parts
from screens.widgets.gauge import heading
from screens.widgets.virtual_list import Cell
from screens.workbench import Answer

LABEL = 11
ENDINGS = {"stop": "ended by itself", "length": "cut at the limit", "cancelled": "stopped"}


class AnswerFacts(Widget):
    """The condition, the lengths, the speed and the memory of the answer that is shown."""

    DEFAULT_CSS = """
    AnswerFacts { height: 10; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._answer: Answer | None = None

    def show(self, answer: Answer | None) -> None:
        self._answer = answer
        self.refresh()

    def render(self) -> Content:
        width = self.size.width
        rows = [heading("This answer", "", width)]
        rows += [self._row(label, value, width) for label, value in facts_of(self._answer)]
        return Content("\n").join(rows)

    def _row(self, label: str, value: str, width: int) -> Content:
        return Content.assemble((f"{label:<{LABEL}}", "$muted"), clip(safe_line(value), width - LABEL))


def facts_of(answer: Answer | None) -> list[tuple[str, str]]:
    """Labels and values, those that are not known yet as a dash."""
    if answer is None:
        return []
    ask, record = answer.ask, answer.record or {}
    kernel = f"{ask.kernel_name} ({answer.kernel_placement})" if ask.kernel_name else "none"
    prefill = record.get("prefill_ms")
    return [
        ("model", answer.model_name or MISSING),
        ("kernel", kernel),
        ("sampling", " · ".join(sampling_parts(ask.sampling))),
        ("seed", str(ask.seed)),
        ("prompt", f"{count(answer.prompt_tokens)} tokens"),
        ("answer", f"{count(len(answer.tokens))} of at most {count(ask.sampling.max_tokens)} tokens"),
        ("speed", rate(answer.tokens_per_second)),
        ("prefill", MISSING if prefill is None else f"{prefill:,.0f} ms"),
        ("peak mem", size(record.get("peak_memory_bytes"))),
    ]


def state_words(answer: Answer) -> list[str]:
    """How far an answer is or how it ended, the most important first."""
    speed = rate(answer.tokens_per_second)
    counted = plural(len(answer.tokens), "token")
    if answer.state == "waiting":
        return ["waiting for its turn"]
    if answer.state == "failed":
        return [counted, answer.fault]
    if answer.record is None:
        return [f"{len(answer.tokens)}/{answer.ask.sampling.max_tokens} tokens", speed]
    reason = str(answer.record["finish_reason"])
    stored = f"stored {short_id(answer.generation_id or '')}"
    return [counted, ENDINGS.get(reason, reason), stored, speed]


def answer_cells(answer: Answer, width: int) -> list[Cell]:
    """A row of the session's answers: what was asked, under what, how long, mean H_t."""
    tokens = answer.tokens
    mean = math.fsum(token.entropy_nats for token in tokens) / len(tokens) if tokens else None
    state = {"waiting": "·", "running": "▸", "failed": "!"}.get(answer.state, " ")
    name = answer.ask.probe_id or safe_line(answer.ask.prompt)
    return [
        Cell(state, 2, style="good"),
        Cell(name, width - 25, style="" if tokens else "muted"),
        Cell(" "),
        Cell(answer.ask.kernel_name or "baseline", 12, style="accent"),
        Cell(str(len(tokens)) if tokens else "", 5, right=True, style="muted"),
        Cell(nats(mean) if tokens else "", 5, right=True, style="strong"),
    ]
