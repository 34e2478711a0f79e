"""Horizontal bars and small trends in box characters. Numbers in, text out."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

_LEVELS = "▁▂▃▄▅▆▇█"


def bar(value: float, maximum: float, width: int) -> tuple[str, str]:
    """`value` as a share of `maximum` in `width` cells, to half a cell: the filled part and the rest.

    What is not zero shows at least half a cell.
    """
    if width <= 0:
        return "", ""
    share = min(1.0, max(0.0, value / maximum)) if maximum > 0 else 0.0
    halves = round(share * width * 2)
    if value > 0 and not halves:
        halves = 1
    full, half = divmod(halves, 2)
    return "━" * full + "╸" * half, "─" * (width - full - half)


def bar_content(value: float, maximum: float, width: int, style: str) -> Content:
    """The bar in `style`, its rest faint."""
    filled, rest = bar(value, maximum, width)
    return Content.assemble((filled, style), (rest, "$foreground 15%"))


def trend(series: Sequence[float], width: int, least_span: float = 0.0) -> str:
    """The last `width` values as levels between their least and greatest; equal ones are a middle level.

    Where they span less than `least_span`, the scale spans that much around them: noise stays flat.
    """
    shown = series[-width:] if width > 0 else ()
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    span = max(high - low, least_span)
    if span < 1e-9:
        return _LEVELS[3] * len(shown)
    floor = (low + high - span) / 2
    return "".join(_LEVELS[round((value - floor) / span * 7)] for value in shown)
