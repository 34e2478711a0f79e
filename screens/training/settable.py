"""What a run lets be changed while it goes on, each with its value now. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.train.monitors import settings as monitors
from lab.train.scu import settings as scu
from screens.training.book import RunBook
from screens.training.losses import loss_choices

GAINS = {
    "pi": ("target", "kc", "ti_steps", "deadband", "lambda_min", "lambda_max"),
    "legacy": ("target", "kp", "ki", "deadband", "lambda_min", "lambda_max"),
}


def settable(book: RunBook) -> list[tuple[str, str, str]]:
    """(key, its value now, what the line is filled with), the loss of a preference run last.

    Raises LabError for settings that this version does not know.
    """
    settings = book.settings
    given: dict[str, object] = {"learning_rate": settings.get("learning_rate")}
    given |= _of_control(settings.get("scu")) | _of_monitors(settings) | book.changed
    keys = [(key, value) for key, value in given.items() if not key.startswith("objective.")]
    return [(key, _words(value), f"{key}=") for key, value in keys] + loss_choices(book)


def _of_control(given: object) -> dict[str, object]:
    """The gains and bounds of the control unit."""
    if not isinstance(given, Mapping):
        return {}
    found = scu.of_run(given)
    return {f"scu.{gain}": getattr(found.control, gain) for gain in GAINS[found.law]}


def _of_monitors(settings: Mapping[str, Any]) -> dict[str, object]:
    """How often probes are asked, the floor under their entropy, the bounds on perplexity."""
    found = monitors.of_run(settings.get("monitors"))
    if found is None:
        return {}
    of_perplexity: dict[str, object] = {
        "perplexity.warn_percent": found.warn_percent,
        "perplexity.rollback_percent": found.rollback_percent,
    }
    if not found.asks:
        return of_perplexity
    return {
        "probes.every": found.steps_between(int(settings.get("steps_per_eval", monitors.MOST_EVERY))),
        "probes.floor": found.least,
        "probes.patience": found.patience,
        "probes.stop": found.stop,
        **of_perplexity,
    }


def _words(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
