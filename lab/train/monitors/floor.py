"""The floor under the entropy of a run's answers (seed 000): when it counts, when the run is under it. Pure.

H_w cannot exceed ln n, so a floor on it says nothing of short answers, nor of a model whose own answers lie
under it before any training.
"""

from __future__ import annotations

from lab.train.monitors.figures import Figures
from lab.train.monitors.settings import MonitorSettings

NAMES = {"word_entropy": "H_w", "entropy": "H_t"}


def floor_nats(settings: MonitorSettings, base: Figures) -> float | None:
    """The floor in nats; None where there is none."""
    least = settings.least
    if settings.floor_of == "entropy":
        return None if least is None or base.entropy_nats is None else least * base.entropy_nats
    return least if settings.floor_of == "word_entropy" else None


def watched_nats(settings: MonitorSettings, now: Figures) -> float | None:
    """What is held against the floor; None where too few answers are long enough to say."""
    if settings.floor_of == "entropy":
        return now.entropy_nats
    return now.long_word_entropy_nats if 2 * now.long >= now.answers else None


def why_not(settings: MonitorSettings, base: Figures) -> str | None:
    """Why the floor cannot be applied to this model, in words; None where it can, or where there is none."""
    floor = floor_nats(settings, base)
    if settings.floor_of != "word_entropy" or floor is None:
        return None
    if 2 * base.long < base.answers:
        return (
            f"the base's own answers are too short ({base.words:.0f} words on the mean) for a floor of "
            f"{floor:.2f} nats on H_w, which cannot exceed ln n: it is not applied"
        )
    if base.long_word_entropy_nats is not None and base.long_word_entropy_nats < floor:
        return (
            f"the base itself is under the floor of {floor:.2f} nats on H_w "
            f"({base.long_word_entropy_nats:.2f}): it is not applied"
        )
    return None


def under_words(settings: MonitorSettings, now: Figures, floor: float, looks: int) -> str:
    """That the run is under its floor, in words."""
    value = watched_nats(settings, now)
    words = f", {now.words:.0f} words on the mean" if settings.floor_of == "word_entropy" else ""
    return (
        f"{NAMES[settings.floor_of]} of the answers to pinned probes is {value:.2f} nats{words}: under its "
        f"floor of {floor:.2f} for {looks} looks"
    )
