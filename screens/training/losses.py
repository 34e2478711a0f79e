"""The loss of a preference run as it stands, and the ones it can be switched to. Pure."""

from __future__ import annotations

from lab.preference.settings import DEFAULTS, NEEDS_REFERENCE, OBJECTIVES, in_words, read_words
from lab.safetext import safe_line
from screens.training.book import RunBook

REMEDY = "dpop"


def loss_in_words(book: RunBook) -> str:
    """ "dpop (beta 0.3, lambda 50, placement inside)": as the run last told it, or as it was started."""
    return safe_line(book.words.get("train", {}).get("loss") or book.objective)


def loss_name(book: RunBook) -> str:
    """Its name alone."""
    return loss_in_words(book).partition(" ")[0]


def reward_kind(book: RunBook) -> str:
    """What its rewards are called: those against a reference alike, every other loss has its own."""
    name = loss_name(book)
    return "rewards" if name in NEEDS_REFERENCE or name not in OBJECTIVES else name


def loss_choices(book: RunBook) -> list[tuple[str, str, str]]:
    """What can be set of the loss: (key, words, the line that sets it), the remedy first while it is needed.

    KTO has a reference of its own and cannot be switched to.
    """
    now = loss_name(book)
    if now not in OBJECTIVES:
        return []
    alarmed = bool(book.words.get("train", {}).get("alarm"))
    others = [name for name in OBJECTIVES if name not in (now, "kto")]
    others.sort(key=lambda name: not (alarmed and name == REMEDY))
    choices = [
        (
            "objective.loss",
            f"{in_words(DEFAULTS[name])}{'  ▲ against the alarm' if alarmed and name == REMEDY else ''}",
            f"objective.loss={name}",
        )
        for name in others
    ]
    constants = [
        (f"objective.{key}", value, f"objective.{key}=")
        for key, value in read_words(loss_in_words(book)).items()
    ]
    return choices + constants if alarmed else constants + choices
