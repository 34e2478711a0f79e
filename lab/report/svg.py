"""Drawing in SVG with a handful of pure functions: elements, scales, axes. No scripts, no fonts of its own.

Colors are CSS classes, so that the page's light, dark and print styles reach into the drawings. Whatever is
put into a drawing is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from lab.safetext import safe_line

WIDTH, HEIGHT = 480.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 14.0, 40.0


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from values [low, high] to pixels [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        if self.high == self.low:
            return (self.start + self.end) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def text(value: str) -> Markup:
    """Foreign text on one line, controls made visible, escaped."""
    return escape(safe_line(value))


def element(name: str, *children: Markup | str, **attributes: object) -> Markup:
    """One element. `class_` is class, other underscores are hyphens; None leaves an attribute out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(child if isinstance(child, Markup) else text(child) for child in children)
    return Markup(f"<{name}{given}>{inside}</{name}>")  # noqa: S704 - names are ours, the rest is escaped


def _plain(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def drawing(
    title: str, description: str, *children: Markup, height: float = HEIGHT, width: float = WIDTH
) -> Markup:
    """A whole drawing; `title` and `description` are what a screen reader says of it."""
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        xmlns="http://www.w3.org/2000/svg",
    )


def line(x1: float, y1: float, x2: float, y2: float, class_: str, tip: str | None = None) -> Markup:
    """A straight line; `tip` is shown where a pointer rests on it."""
    children = () if tip is None else (element("title", tip),)
    return element("line", *children, x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def rectangle(x: float, y: float, width: float, height: float, class_: str, tip: str | None = None) -> Markup:
    """A rectangle with its upper left corner at x, y."""
    children = () if tip is None else (element("title", tip),)
    return element("rect", *children, x=x, y=y, width=max(width, 0.0), height=max(height, 0.0), class_=class_)


def circle(x: float, y: float, radius: float, class_: str, tip: str | None = None) -> Markup:
    """A disc."""
    children = () if tip is None else (element("title", tip),)
    return element("circle", *children, cx=x, cy=y, r=radius, class_=class_)


def label(x: float, y: float, value: str, class_: str = "label", anchor: str = "middle") -> Markup:
    """Text with its baseline at y; `anchor` is start, middle or end."""
    return element("text", value, x=x, y=y, class_=class_, text_anchor=anchor)


def path(points: Iterable[tuple[float, float]], class_: str, *, closed: bool = False) -> Markup:
    """A line through points, or the area that they enclose."""
    d = "L".join(f"{x:.2f} {y:.2f}" for x, y in points)
    return element("path", d=f"M{d}{'Z' if closed else ''}", class_=class_)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 × 10^k apart) from `low` to `high`, about so many."""
    if not high > low:
        return [low]
    raw = (high - low) / max(about, 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= raw * 0.8)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def padded(low: float, high: float, share: float = 0.05) -> tuple[float, float]:
    """A range a little wider than this one, and never empty."""
    room = (high - low) * share or max(abs(high), 1.0) * share
    return low - room, high + room


def tick_label(value: float) -> str:
    """A tick's number, with a true minus sign."""
    return f"{value:g}".replace("-", "−")


def x_axis(
    scale: Scale, y: float, title: str, *, about: int = 5, show: Callable[[float], str] = tick_label
) -> Markup:
    """The axis under a drawing, with its ticks and title."""
    marks = [
        line(scale(value), y, scale(value), y + 4, "axis") + label(scale(value), y + 17, show(value))
        for value in ticks(scale.low, scale.high, about)
    ]
    middle = (scale.start + scale.end) / 2
    return element(
        "g", line(scale.start, y, scale.end, y, "axis"), *marks, label(middle, y + 34, title, "axis-title")
    )


def y_axis(scale: Scale, x: float, to_x: float, title: str, *, about: int = 5) -> Markup:
    """The axis at the left, with lines across the drawing; `title` stands above it."""
    marks = [
        line(x, scale(value), to_x, scale(value), "grid")
        + label(x - 6, scale(value) + 4, tick_label(value), anchor="end")
        for value in ticks(scale.low, scale.high, about)
    ]
    return element("g", *marks, label(2, 10, title, "axis-title", anchor="start"))


def legend(entries: Sequence[tuple[str, str]], x: float, y: float) -> Markup:
    """Colored squares with their names, one under the other; entries are (class, name)."""
    rows = [
        rectangle(x, y + 16 * place - 9, 10, 10, class_)
        + label(x + 15, y + 16 * place, shortened(name), anchor="start")
        for place, (class_, name) in enumerate(entries)
    ]
    return element("g", *rows)


def shortened(name: str, characters: int = 34) -> str:
    """A name that fits a drawing."""
    line_ = safe_line(name)
    return line_ if len(line_) <= characters else f"{line_[: characters - 1]}…"
