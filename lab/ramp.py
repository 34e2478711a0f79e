"""The color of an entropy: one ramp for the screens and the command line.

Viridis-like, so that it reads for color-blind eyes, in a version for dark and one for light backgrounds; high
levels are underlined and bold as well, so that it reads without color. Levels are of H_t in nats, on a fixed
scale: an instruction model's mean H_t lies about 0.6 to 1.2 nats (entropy.md), its open choices above 2.
"""

from __future__ import annotations

from bisect import bisect_right

LEVEL_BOUNDS_NATS = (0.1, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0)
LEVELS = len(LEVEL_BOUNDS_NATS) + 1

_DARK = ("#8288b5", "#7395c9", "#5fa9cf", "#52bcc0", "#5fcf9f", "#93dd6f", "#cfe45a", "#fde74c")
_LIGHT = ("#5b4b8a", "#3f5f9a", "#2f7394", "#1f7d78", "#2b8050", "#557a12", "#7a6a00", "#954e00")


def entropy_level(entropy_nats: float) -> int:
    """The level of an entropy, 0 (settled) to 7 (wide open)."""
    return bisect_right(LEVEL_BOUNDS_NATS, entropy_nats)


def level_color(level: int, *, dark: bool = True) -> str:
    """The color of a level, as #rrggbb."""
    return (_DARK if dark else _LIGHT)[level]


def is_underlined(level: int) -> bool:
    """Whether tokens of this level are underlined (above 1.5 nats)."""
    return level >= 5


def is_bold(level: int) -> bool:
    """Whether tokens of this level are bold (above 2 nats)."""
    return level >= 6
