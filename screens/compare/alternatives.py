"""What either side might have said at one place: both lists of alternatives under one another's eyes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.widget import Widget

from lab.decode.types import Alternative
from lab.protocol import OverlayToken
from screens.formats import clip, nats, probability
from screens.live.token_panel import visible
from screens.widgets.bars import bar_content

NUMBER = 2
P_WIDTH = 6
LEAST_BAR = 5
TEXT = 13
GAP = 2


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a pair: what was said there, and what each side thought (nothing: not known).

    `note` says in words what is missing or how to get it. `overlay` is the token as both sides see it.
    """

    title: str
    left_said: str | None = None
    right_said: str | None = None
    left: Sequence[Alternative] = ()
    right: Sequence[Alternative] = ()
    overlay: OverlayToken | None = None
    note: str = ""


class AlternativesPanel(Widget):
    """The left side's top-k beside the right side's, the token that was said marked in each."""

    DEFAULT_CSS = """
    AlternativesPanel { height: 1fr; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.place: Place | None = None

    def show(self, place: Place | None) -> None:
        if place != self.place:
            self.place = place
            self.refresh()

    def render(self) -> Content:
        if self.place is None:
            return Content("")
        return Content("\n").join(place_rows(self.place, self.size.width, self.size.height))


def place_rows(place: Place, width: int, height: int) -> list[Content]:
    """At most `height` lines: what was said, the alternatives side by side, the overlay's figures."""
    half = (width - GAP) // 2
    rows = [_beside(_said("left", place.left_said), _said("right", place.right_said), half)]
    figures = _figures(place.overlay, width)
    room = max(0, height - 1 - len(figures) - (1 if place.note else 0))
    for n in range(min(room, max(len(place.left), len(place.right)))):
        rows.append(
            _beside(
                _alternative(place.left, n, place.left_said, half),
                _alternative(place.right, n, place.right_said, half),
                half,
            )
        )
    rows += figures
    if place.note:
        rows.append(Content.styled(clip(place.note, width), "$muted"))
    return rows[:height]


def _said(side: str, text: str | None) -> Content:
    if text is None:
        return Content.styled(f"{side} ", "$muted")
    words = "ended" if not text else visible(text, TEXT)
    return Content.assemble((f"{side} said ", "$muted"), (words, "bold $secondary"))


def _alternative(options: Sequence[Alternative], n: int, said: str | None, width: int) -> Content:
    if n >= len(options):
        return Content("")
    option = options[n]
    is_said = said is not None and option.text == said
    style = "bold $secondary" if is_said else "$foreground 85%"
    bar_width = width - NUMBER - P_WIDTH - TEXT - 1
    parts: list[Content | str | tuple[str, str]] = [
        (f"{n + 1} ", "$muted"),
        (f"{probability(option.p):<{P_WIDTH}}", "bold" if is_said else ""),
    ]
    if bar_width >= LEAST_BAR:
        parts += [bar_content(option.p, 1.0, bar_width, "$secondary" if is_said else "$foreground 60%"), " "]
    return Content.assemble(*parts, (visible(option.text, TEXT), style))


def _figures(token: OverlayToken | None, width: int) -> list[Content]:
    if token is None:
        return []
    shown = Content("")
    for label, value in (
        ("H_t", f"{nats(token.left_entropy_nats)} → {nats(token.right_entropy_nats)}"),
        ("KL", nats(token.kl_nats)),
        ("Δ log p", f"{token.delta_logp_nats:+.2f}"),
        ("rank", f"{token.left_rank} → {token.right_rank}"),
    ):
        gap = "  " if shown.cell_length else ""
        part = Content.assemble((f"{gap}{label} ", "$muted"), (value, "bold"))
        if shown.cell_length + part.cell_length <= width:
            shown += part
    return [shown]


def _beside(left: Content, right: Content, half: int) -> Content:
    left, right = left.truncate(half, ellipsis=True), right.truncate(half, ellipsis=True)
    return left + Content(" " * (half - left.cell_length + GAP)) + right
