"""Where the shipped data lives: the `seeds` folder beside the `lab` package, in a checkout and installed."""

from __future__ import annotations

from pathlib import Path

SEEDS = Path(__file__).resolve().parent.parent / "seeds"
