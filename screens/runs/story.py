"""A curriculum as a story: its phases in order, each stage with its state, verdict and words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from lab.curriculum.settings import AFTER, BEFORE
from lab.safetext import safe_line
from screens.formats import local_time, short_id
from screens.runs.detail import VERDICT_STYLES, _heading, _joined, _muted, _wrapped

if TYPE_CHECKING:
    from screens.runs.source import CurriculumStory
    from store.records import PhaseRecord

MARKS = {"begun": "◐", "done": "●", "failed": "✗", "undone": "↶"}
STYLES = {"begun": "bold $warning", "done": "$success", "failed": "bold $error", "undone": "bold $error"}
STAGE_WIDTH = 12


def story_detail(story: CurriculumStory, width: int) -> Content:
    """The whole curriculum."""
    plan, events = story.plan, story.events
    last = events[-1] if events else None
    word = last.state if last else "planned"
    lines = [
        _heading(plan.name, word, STYLES.get(word, "$muted")),
        _muted(f"{plan.model} · {len(plan.phases)} phases · {short_id(plan.id)} · {local_time(plan.at)}"),
    ]
    for name in (BEFORE, *plan.phases, AFTER):
        told = [event for event in events if event.phase == name]
        if told or name in plan.phases:
            lines += [Content(""), *_phase(name, told, width)]
    return _joined(lines)


def _phase(name: str, events: Sequence[PhaseRecord], width: int) -> Iterator[Content]:
    verdicts = [event.verdict for event in events if event.verdict]
    title = Content.styled(safe_line(name), "bold $primary")
    if verdicts:
        title += Content.styled(f"  {verdicts[-1].upper()}", VERDICT_STYLES[verdicts[-1]])
    attempts = max((event.attempt for event in events), default=1)
    if attempts > 1:
        title += Content.styled(f"  attempt {attempts}", "$warning")
    yield title
    if not events:
        yield _muted("   not begun")
    for event in newest_by_stage(events):
        style = STYLES.get(event.state, "")
        yield Content.assemble(
            "   ",
            (f"{MARKS.get(event.state, '·')} ", style),
            f"{safe_line(event.stage):<{STAGE_WIDTH}} ",
            (local_time(event.at), "$muted"),
        )
        yield from _wrapped(event.words, width, "$foreground 85%", indent=5)


def newest_by_stage(events: Sequence[PhaseRecord]) -> list[PhaseRecord]:
    """The last event of each stage of each attempt, in the order in which they happened."""
    newest = {(event.attempt, event.stage): event for event in events}
    return sorted(newest.values(), key=lambda event: event.id)
