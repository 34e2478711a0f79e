"""The overlay's colors: how much two sides think differently of each token of one text. Pure but for styles.

Blue and underlined where a difference is negative, amber and bold where it is positive; KL has one direction.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rich.style import Style
from textual.color import Color

from lab.protocol import OverlayToken

HeatKind = Literal["off", "entropy", "logp", "kl"]
KINDS: tuple[HeatKind, ...] = ("off", "entropy", "logp", "kl")

LEVELS = 3
_BLUE = {True: "#6FB7E9", False: "#1F5F9E"}
_AMBER = {True: "#F2B05E", False: "#9A5200"}
_TINTS = {True: (0.0, 0.08, 0.17, 0.27), False: (0.0, 0.05, 0.09, 0.13)}


@dataclass(frozen=True, slots=True)
class Heat:
    """A quantity of the overlay: its short name, what it means, and where its three levels begin, in nats."""

    symbol: str
    meaning: str
    bounds_nats: tuple[float, float, float]
    signed: bool


HEATS: Mapping[HeatKind, Heat] = {
    "entropy": Heat("ΔH", "right less left entropy: amber, right is less decided", (0.1, 0.5, 1.5), True),
    "logp": Heat("Δ log p", "right less left: amber, right expects this token more", (0.1, 0.5, 2.0), True),
    "kl": Heat("KL(left ‖ right)", "how differently they go on there", (0.02, 0.1, 0.5), False),
}


def value_of(kind: HeatKind, token: OverlayToken) -> float:
    """The quantity at a token, in nats."""
    if kind == "entropy":
        return token.delta_entropy_nats
    return token.delta_logp_nats if kind == "logp" else token.kl_nats


def level_of(kind: HeatKind, value: float) -> int:
    """−3 to 3: how far from nothing, with its sign."""
    level = bisect_left(HEATS[kind].bounds_nats, abs(value))
    return -level if value < 0 else level


def heat_styles(background: Color, foreground: Color, *, dark: bool) -> Mapping[int, Style]:
    """A style for each level."""
    return {level: _style(level, background, foreground, dark) for level in range(-LEVELS, LEVELS + 1)}


def _style(level: int, background: Color, foreground: Color, dark: bool) -> Style:
    if not level:
        return Style(color=background.blend(foreground, 0.68).hex6, bgcolor=background.hex6)
    hue = Color.parse((_AMBER if level > 0 else _BLUE)[dark])
    strength = abs(level)
    return Style(
        color=hue.hex6,
        bgcolor=background.blend(hue, _TINTS[dark][strength]).hex6,
        bold=level > 1,
        underline=level < -1,
    )
