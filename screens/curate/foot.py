"""The line under a card: what the rater said of it, and how it is shown."""

from __future__ import annotations

from textual.content import Content

from lab.safetext import safe_line
from screens.compare.diff import DiffMode
from screens.formats import clip
from screens.widgets.legend import RampLegend
from store.records import Verdict

VERDICT_WORDS: dict[Verdict, str] = {
    "left": "left is better",
    "right": "right is better",
    "tie": "a tie",
    "both_bad": "both bad",
    "skip": "skipped",
}


class CardFoot(RampLegend):
    """One line. With the heat on, its first half is the key to the colors."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._parts: list[tuple[str, str]] = []
        self._heat = False

    def show(
        self,
        *,
        verdict: Verdict | None,
        flagged: bool,
        note: str,
        diff: DiffMode,
        heat: bool,
        blind: bool,
        again: int,
        same: bool,
    ) -> None:
        parts = [(f"✓ {VERDICT_WORDS[verdict]}", "bold $success")] if verdict else [("no verdict", "$muted")]
        if flagged:
            parts.append(("⚑ flagged", "bold $warning"))
        if not blind:
            parts.append(("not blind", "bold $warning"))
        if same:
            parts.append(("both say the same", "$warning"))
        if again and verdict:
            parts.append((f"seen {again + 1} times", "$muted"))
        if diff != "off":
            parts.append((f"diff by {diff}", "$secondary"))
        if note:
            parts.append((f"✎ {safe_line(note)}", "$foreground 80%"))
        self._parts, self._heat = parts, heat
        self.refresh()

    def render(self) -> Content:
        room = self.size.width
        shown: list[Content] = []
        for text, style in self._parts:
            part = Content.styled(clip(text, room), style)
            room -= part.cell_length + 3
            shown.append(part)
            if room < 4:
                break
        line = Content("   ").join(shown)
        if not self._heat:
            return line
        legend = super().render()
        gap = self.size.width - line.cell_length - legend.cell_length
        return line + Content(" " * gap) + legend if gap > 2 else legend
