"""Answers to pinned probes while the run trains, newest first, colored by the entropy of each token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style

from lab.ramp import entropy_level
from screens.actions import bindings
from screens.formats import nats
from screens.theme.ramp import token_styles
from screens.training.book import Sample
from screens.widgets.tape import Tape
from screens.widgets.tape_layout import NEWLINE_GLYPH


class SampleTape(Tape):
    """Samples one below the other; a head line tells step, probe and mean entropy."""

    BINDINGS = bindings("text")
    COMPONENT_CLASSES: ClassVar[set[str]] = {"sample--head", "sample--plain"}
    DEFAULT_CSS = """
    SampleTape {
        background: $background;
        .sample--head { color: $primary; text-style: bold; }
        .sample--plain { color: $foreground; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._levels: list[int | None] = []
        self._heads: set[int] = set()
        self._shown: tuple[object, ...] | None = None
        self._styles: tuple[Style, ...] = ()

    def show(self, samples: Sequence[Sample], awaited: bool) -> None:
        """Show these, in this order; what is shown already is not laid out again.

        `awaited` says whether the run answers probes on its way, or is not known not to.
        """
        shown = (awaited, *(sample.generation_id for sample in samples))
        if shown == self._shown:
            return
        self._shown = shown
        texts: list[str] = []
        self._levels, self._heads = [], set()
        for sample in samples:
            self._heads.add(len(texts))
            texts.append(_head(sample))
            self._levels.append(None)
            pieces, levels = pieces_of(sample)
            texts += [*pieces, "\n\n"]
            self._levels += [*levels, None]
        if not texts:
            nothing = (
                "No samples yet." if awaited else "No samples: this run has no probes to answer on its way."
            )
            texts, self._levels = [nothing], [None]
        self.set_pieces(texts)

    def piece_style(self, first: int, last: int, text: str) -> Style:
        if not self._styles:
            self._styles = token_styles(self.background_colors[1], dark=self.app.current_theme.dark)
        if last in self._heads and text != NEWLINE_GLYPH:
            return self.get_component_rich_style("sample--head")
        if text == NEWLINE_GLYPH and self._levels[last] is None:
            ground = self.background_colors[1].rich_color
            return Style(color=ground, bgcolor=ground)
        level = self._levels[last]
        return self.get_component_rich_style("sample--plain") if level is None else self._styles[level]

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles = ()

    # -- keys ------------------------------------------------------------------------------------------------

    def action_down(self) -> None:
        self.scroll_down(animate=False)

    def action_up(self) -> None:
        self.scroll_up(animate=False)

    def action_page_down(self) -> None:
        self.scroll_page_down(animate=False)

    def action_page_up(self) -> None:
        self.scroll_page_up(animate=False)

    def action_first(self) -> None:
        self.scroll_home(animate=False)

    def action_last(self) -> None:
        self.scroll_end(animate=False)


def _head(sample: Sample) -> str:
    entropy = f" · H_t {nats(sample.mean_entropy_nats)}" if sample.mean_entropy_nats is not None else ""
    title = " ".join(sample.title.split())
    who = "base" if sample.is_base else f"step {sample.step:,}"
    return f"{who} · {title[:48]}{entropy}\n"


def pieces_of(sample: Sample) -> tuple[list[str], list[int | None]]:
    """The text token by token with the level of its entropy; in one piece where no trace was kept."""
    if not sample.ends:
        return [sample.text], [None]
    starts = (0, *sample.ends[:-1])
    pieces = [sample.text[start:end] for start, end in zip(starts, sample.ends, strict=True)]
    levels: list[int | None] = [entropy_level(value) for value in sample.entropy_nats]
    kept = [(piece, level) for piece, level in zip(pieces, levels, strict=False) if piece]
    rest = sample.text[sample.ends[-1] :]
    return [piece for piece, _ in kept] + ([rest] if rest else []), [level for _, level in kept] + (
        [None] if rest else []
    )
