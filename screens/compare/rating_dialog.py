"""Rating a pair by keys: five scales, 1 to 5, for either side, under the texts themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from lab.compare.ratings import LEAST, MOST, SCALES
from screens.actions import bindings
from screens.formats import clip
from store.records import SideName

Given = Mapping[tuple[SideName, str], int]
"""What was given so far: by the side of the screen and the scale."""
NAME, CELL = 12, 17
SIDES: tuple[SideName, SideName] = ("left", "right")


class RatingPane(ModalScreen[None]):
    """A strip at the foot of the screen; both texts stay in sight and can be scrolled.

    `rate` is told of every key that gives or takes back a rating, `scroll` of lines to scroll, `step` of the
    wish for another pair; the caller hands the new pair's ratings to `show`.
    """

    BINDINGS = bindings("rating")
    DEFAULT_CSS = """
    RatingPane { align: center bottom; background: transparent; }
    RatingPane > Vertical {
        width: 100%; height: 9; background: $surface; border: round $primary 70%; padding: 0 1;
        border-title-color: $primary; border-title-style: bold; border-subtitle-color: $muted;
    }
    RatingPane Static { height: auto; }
    """

    def __init__(
        self,
        names: tuple[str, str],
        rate: Callable[[SideName, str, int | None], None],
        scroll: Callable[[int], None],
        step: Callable[[int], None],
    ) -> None:
        super().__init__()
        self.side: SideName = "left"
        self.scale = 0
        self._names = names
        self._given: dict[tuple[SideName, str], int] = {}
        self._undo: list[tuple[SideName, str, int | None]] = []
        self._rate, self._scroll, self._step = rate, scroll, step

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_subtitle = Content(
                f"{LEAST}–{MOST} rates · Tab other side · 0 takes back · u undoes · [ ] pair · Esc done"
            )
            yield Static()

    def on_mount(self) -> None:
        self._draw()

    def show(self, names: tuple[str, str], given: Given) -> None:
        """Another pair, with what was given to it before."""
        self._names, self._given = names, dict(given)
        self._undo.clear()
        self.side, self.scale = "left", 0
        if self.is_mounted:
            self._draw()

    @property
    def scales(self) -> Sequence[str]:
        return tuple(SCALES)

    def _draw(self) -> None:
        scale = self.scales[self.scale]
        self.query_one(Vertical).border_title = Content(f"Rate this pair · {scale}: {SCALES[scale]}")
        self.query_one(Static).update(Content("\n").join(self._rows(self.size.width - 4)))

    def _rows(self, width: int) -> list[Content]:
        left, right = (clip(name, CELL) for name in self._names)
        rows = [Content.styled(f"{'':<{NAME}}{left:<{CELL}}  {right:<{CELL}}", "$muted")]
        for index, scale in enumerate(self.scales):
            here = index == self.scale
            left_cell, right_cell = (self._cell(side, scale, here and side == self.side) for side in SIDES)
            label = (f"{scale:<{NAME}}", "bold" if here else "")
            rows.append(Content.assemble(label, left_cell, "  ", right_cell).truncate(width))
        return rows

    def _cell(self, side: SideName, scale: str, here: bool) -> Content:
        value = self._given.get((side, scale))
        marks = "".join("●" if value is not None and n <= value else "○" for n in range(LEAST, MOST + 1))
        text = f" {' '.join(marks)}  {value or '–'} "
        return Content.styled(f"{text:<{CELL}}", "reverse" if here else "$primary" if value else "$muted")

    def _give(self, side: SideName, scale: str, value: int | None) -> None:
        if value is None:
            self._given.pop((side, scale), None)
        else:
            self._given[side, scale] = value
        self._rate(side, scale, value)

    def _put(self, value: int | None) -> None:
        scale = self.scales[self.scale]
        self._undo.append((self.side, scale, self._given.get((self.side, scale))))
        self._give(self.side, scale, value)
        if value is not None:
            self._advance()
        self._draw()

    def _advance(self) -> None:
        """To the next scale of this side, then to the other side's first."""
        if self.scale + 1 < len(self.scales):
            self.scale += 1
        elif self.side == "left":
            self.side, self.scale = "right", 0

    def action_one(self) -> None:
        self._put(1)

    def action_two(self) -> None:
        self._put(2)

    def action_three(self) -> None:
        self._put(3)

    def action_four(self) -> None:
        self._put(4)

    def action_five(self) -> None:
        self._put(5)

    def action_take_back(self) -> None:
        self._put(None)

    def action_undo(self) -> None:
        """Put back what the last key changed, and go there."""
        if self._undo:
            self.side, scale, value = self._undo.pop()
            self.scale = self.scales.index(scale)
            self._give(self.side, scale, value)
            self._draw()

    def action_other_side(self) -> None:
        self.side = "right" if self.side == "left" else "left"
        self._draw()

    def action_next_scale(self) -> None:
        self.scale = (self.scale + 1) % len(self.scales)
        self._draw()

    def action_scale_before(self) -> None:
        self.scale = (self.scale - 1) % len(self.scales)
        self._draw()

    def action_scroll_down(self) -> None:
        self._scroll(1)

    def action_scroll_up(self) -> None:
        self._scroll(-1)

    def action_page_down(self) -> None:
        self._scroll(8)

    def action_page_up(self) -> None:
        self._scroll(-8)

    def action_next_pair(self) -> None:
        self._step(1)

    def action_pair_before(self) -> None:
        self._step(-1)

    def action_close(self) -> None:
        self.dismiss(None)
