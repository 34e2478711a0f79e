"""`lantern curriculum review`: answers that were drawn or flagged, one after the other, one key each."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from getpass import getuser
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.output import HomeOption, JsonOption, emit, notice, say
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.curriculum.candidates import Candidate
    from lab.curriculum.desk import ReviewDesk
    from lab.curriculum.workshop import Workshop
    from store.service import StoreService

KEYS = "[a]ccept  [r]eject  [e]dit  [u]ndo  [s]kip  [q]uit"
RULE = "─" * 78
INTERRUPT, END = "\x03", "\x04"


def review(
    curriculum_id: Annotated[
        str, typer.Argument(metavar="ID", help="Its id, the beginning or end of it, its name, or last.")
    ] = "last",
    phase: Annotated[str | None, typer.Option(help="Of which phase; else the newest with answers.")] = None,
    reviewer: Annotated[str | None, typer.Option(help="Who reviews; your login name if not given.")] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Review the drawn and the flagged answers of a phase: accept, reject, edit; every key is kept at once.

    The error rate of the drawn answers, with its interval, decides whether the data is used.

    Example:

      lantern curriculum review last --phase kernel
    """
    from lab.cli.curriculum import stored_curriculum
    from lab.cli.stored import open_store
    from lab.curriculum.workshop import Workshop
    from store.home import Home
    from store.journal import Journal

    where = Home.resolve(home)
    with open_store(where.path) as store, Journal.open(where, "cli") as journal:
        shop = Workshop(where, store, journal, stored_curriculum(store, curriculum_id))
        desk = _desk(shop, phase, reviewer or _login())
        if not as_json:
            _sit(desk, store)
        found = desk.outcome
    if as_json:
        emit({"review_id": desk.review_id, "drawn": desk.drawn, "flagged": desk.flags, "outcome": found})
        return
    say(found.words)
    notice(
        "lantern curriculum resume takes the reviews up; what was trained on already takes a rollback first"
    )


def _desk(shop: Workshop, phase: str | None, reviewer: str) -> ReviewDesk:
    """The answers of the phase that was distilled last, or of the one named."""
    from lab.curriculum.desk import ReviewDesk
    from lab.curriculum.review import ReviewPlan
    from lab.curriculum.stages import prepare_data
    from store.queries.distilled import reviews

    ready = [one for one in shop.progress().phases if one.done("distill") and phase in (None, one.name)]
    if not ready:
        raise LabError(
            f"{phase or 'no phase'} has no answers yet: `lantern curriculum status` shows how far it is"
        )
    settings = shop.curriculum.phases[shop.record.phases.index(ready[-1].name)]
    distilled = ready[-1].done("distill")
    assert distilled is not None
    assert distilled.distillation_id is not None
    prepared = prepare_data(shop, settings, distilled.distillation_id)
    plan = ReviewPlan(settings.data.review.share, settings.data.review.max_error_rate, shop.curriculum.seed)
    return ReviewDesk.of(
        prepared,
        distilled.distillation_id,
        reviewer,
        plan,
        shop.store.query(reviews, distilled.distillation_id),
    )


def _sit(desk: ReviewDesk, store: StoreService) -> None:
    with _keys() as keys:
        while (answer := desk.current) is not None:
            _show(desk, answer)
            shown = time.monotonic()
            for key in keys:
                if key in ("q", INTERRUPT, END):
                    return
                if _pressed(desk, store, key, answer, 1e3 * (time.monotonic() - shown)):
                    break
            else:
                return


def _pressed(desk: ReviewDesk, store: StoreService, key: str, answer: Candidate, reading_ms: float) -> bool:
    """Do what a key says and keep it; False for a key that says nothing."""
    match key:
        case "a":
            entry = desk.accept(reading_ms)
        case "r":
            entry = desk.reject(reading_ms=reading_ms)
        case "e":
            entry = desk.edit(_edited(answer.answer), reading_ms)
            if entry is None:
                notice("the same text: nothing was said")
        case "u":
            entry = desk.undo()
            if entry is None:
                notice("nothing to undo")
                return False
        case "s":
            desk.pass_over()
            return True
        case _:
            return False
    if entry is not None:
        store.append(entry)
    return True


def _show(desk: ReviewDesk, answer: Candidate) -> None:
    signs = desk.flags.get(answer.id, ())
    why = f"flagged: {', '.join(signs)}" if signs else "drawn at random"
    score = "no score" if answer.score is None else f"score {answer.score:g}"
    name, place = answer.probe_id or answer.cluster, f"{desk.done + 1} of {len(desk.answers)}"
    say(f"{RULE}\n{place} · {name} · {score} · {why}")
    say(f"{answer.prompt}\n\n{answer.answer}\n")
    say(f"{desk.outcome.words}\n{KEYS}")


def _edited(text: str) -> str:
    from lab.editor import edit_text

    try:
        return edit_text(text)
    except LabError as error:
        notice(str(error))
        return text


@contextmanager
def _keys() -> Iterator[Iterator[str]]:
    """Keys as they are pressed; where stdin is no terminal, its characters."""
    if not sys.stdin.isatty():
        yield (sign for line in sys.stdin for sign in line.strip().lower())
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)

    def pressed() -> Iterator[str]:
        while True:
            tty.setcbreak(sys.stdin)
            try:
                sign = sys.stdin.read(1)
            finally:
                # The editor, and whoever comes after us, finds the terminal as it was.
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
            if not sign:
                return
            yield sign.lower()

    yield pressed()


def _login() -> str:
    with suppress(OSError, KeyError):
        return getuser()
    return "somebody"
