"""`lantern curriculum`: phases distilled, sifted, trained and judged, one by one, with a way back."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.curriculum_review import review
from lab.cli.output import HomeOption, JsonOption, emit, notice, say, show, table
from lab.cli.stored import LAST, one_stored, open_store

if TYPE_CHECKING:
    from lab.curriculum.run import Ending
    from lab.curriculum.workshop import Workshop
    from store.home import Home
    from store.records import CurriculumRecord
    from store.service import StoreService

LISTED = 50
EXIT_CODES: dict[str, int] = {"finished": 0, "waiting": 3, "failed": 4, "stopped": 130}

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.command("review")(review)
app.info.help = """Curricula: phases with data of their own, training and gates.

Exit codes: 0 finished, 3 a person has to decide, 4 a gate failed and the phase was rolled back; 1 is a fault
and 130 a stop by Ctrl-C."""

CurriculumArgument = Annotated[
    str, typer.Argument(metavar="ID", help=f"Its id, the beginning or end of it, its name, or {LAST}.")
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Nobody is there: go on where a gate is amber or a review open.")
]
BatchOption = Annotated[int, typer.Option(min=1, help="Answers made at a time.")]


@app.command("run")
def run_curriculum(
    curriculum: Annotated[str, typer.Argument(help="A YAML file, or a shipped curriculum by name.")],
    yes: YesOption = False,
    new: Annotated[
        bool, typer.Option("--new", help="Begin anew, though one like it is not finished.")
    ] = False,
    batch_size: BatchOption = 8,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> int:
    """Run a curriculum from its first answer to its last gate; the same command goes on with a stopped one.

    It asks where a gate is amber or a review open, unless --yes or the file's `unattended` says otherwise.

    Example:

      lantern curriculum run seeds/curricula/wick.yaml
    """
    from lab.curriculum.run import begin
    from lab.curriculum.settings import load_curriculum
    from store.home import Home

    planned = load_curriculum(curriculum)
    where = Home.resolve(home)
    with open_store(where.path) as store:
        record = None if new else _unfinished(store, planned.sha256)
        if record is not None:
            notice(
                f"goes on with {record.name} {record.id[-8:]}, which is not finished (--new begins another)"
            )
        else:
            record = begin(planned, where, store)
            notice(f"curriculum {record.name} {record.id}: {', '.join(record.phases)}")
        return _work(where, store, record, yes, batch_size, as_json)


@app.command("resume")
def resume_curriculum(
    curriculum_id: CurriculumArgument = LAST,
    yes: YesOption = False,
    batch_size: BatchOption = 8,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> int:
    """Go on with a curriculum where it was stopped, killed, or waited for a person.

    Example:

      lantern curriculum resume last
    """
    from store.home import Home

    where = Home.resolve(home)
    with open_store(where.path) as store:
        return _work(where, store, stored_curriculum(store, curriculum_id), yes, batch_size, as_json)


@app.command("status")
def curriculum_status(
    curriculum_id: CurriculumArgument = LAST, as_json: JsonOption = False, home: HomeOption = None
) -> None:
    """Show where a curriculum stands: its phases, what was made in each, and what the gates said.

    Example:

      lantern curriculum status last --json
    """
    with open_store(home) as store:
        _show_status(store, stored_curriculum(store, curriculum_id), as_json)


@app.command("list")
def list_curricula(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List curricula, the newest first.

    Example:

      lantern curriculum list
    """
    from store.queries.curricula import count_curricula, page_curricula

    with open_store(home) as store:
        n = store.query(count_curricula)
        rows = store.query(page_curricula, 0, n if as_json else LISTED)
    if as_json:
        emit(rows)
        return
    cells = [
        (
            row.id[-8:],
            row.at[:16].replace("T", " "),
            row.name,
            row.model,
            str(len(row.phases)),
            row.last_words or "–",
        )
        for row in rows
    ]
    show(table(("id ends in", "begun, UTC", "name", "model", "phases", "last"), cells, right=(4,)))
    notice(f"curricula: {n}" if n <= LISTED else f"curricula: {LISTED} of {n}; --json lists all")


@app.command("rollback")
def roll_back(
    phase: Annotated[str, typer.Argument(help="The phase that is to be as if it had not been.")],
    curriculum_id: Annotated[
        str, typer.Option("--of", metavar="ID", help=f"Of which curriculum; {LAST} is the newest.")
    ] = LAST,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="A training setting for its next attempt, as KEY=VALUE (repeatable)."),
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Set aside what a phase and those behind it made; `resume` then does them again, nothing is deleted.

    Example:

      lantern curriculum rollback kernel --set learning_rate=5e-4
    """
    from lab.curriculum.run import roll_back_to
    from lab.train.recipe import with_changes
    from store.home import Home

    where = Home.resolve(home)
    with open_store(where.path) as store:
        record = stored_curriculum(store, curriculum_id)
        with shop_of(where, store, record) as shop:
            names = roll_back_to(shop, phase, with_changes({}, changes or []))
    if as_json:
        emit({"curriculum_id": record.id, "rolled_back": names})
        return
    say(f"rolled back: {', '.join(reversed(names))}; `lantern curriculum resume {record.id[-8:]}` goes on")


@app.command("check")
def check_curriculum(
    curriculum: Annotated[str, typer.Argument(help="A YAML file, or a shipped curriculum by name.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Read a curriculum and say what it would do, without doing it; faults are named by line.

    Example:

      lantern curriculum check lem-27b
    """
    from lab.cli.curriculum_tables import plan_table
    from lab.curriculum.probes import gate_probes, refuse_shared
    from lab.curriculum.settings import as_mapping, load_curriculum

    planned = load_curriculum(curriculum)
    with open_store(home) as store:
        refuse_shared(planned, store)
        judged = len(gate_probes(planned, store))
        if as_json:
            emit(as_mapping(planned))
            return
        show(plan_table(planned, store))
    say(f"{judged} probes are kept out of all training data, for gates and the measuring before and after")


def stored_curriculum(store: StoreService, wanted: str) -> CurriculumRecord:
    """The curriculum so named, or the newest. Raises LabError where there is none or several."""
    from store.queries.curricula import curriculum, find_curricula

    return one_stored(
        store, wanted, ("curriculum", "curricula"), find_curricula, curriculum, "lantern curriculum list"
    )


def _unfinished(store: StoreService, sha256: str) -> CurriculumRecord | None:
    """The newest curriculum of this plan that is not at its end."""
    from lab.curriculum.state import progress
    from store.queries.curricula import curriculum, find_curricula, phase_events

    store.ingest()
    for identity in store.query(find_curricula, ""):
        record = store.query(curriculum, identity)
        if record is not None and record.sha256 == sha256:
            at = progress(record.phases, store.query(phase_events, identity))
            return None if at.is_finished else record
    return None


def _work(
    where: Home, store: StoreService, record: CurriculumRecord, yes: bool, batch_size: int, as_json: bool
) -> int:
    from lab.cli.compare import stopping_politely
    from lab.cli.curriculum_live import asking, telling
    from lab.curriculum.run import carry_on

    with stopping_politely() as stopped, telling() as told, shop_of(where, store, record) as shop:
        shop.ask, shop.told, shop.should_stop = asking(yes or shop.curriculum.unattended), told, stopped
        shop.batch_size = batch_size
        ending = carry_on(shop)
    store.ingest()
    _show_status(store, record, as_json)
    _say_how_to_go_on(record, where, ending)
    return EXIT_CODES[ending]


@contextmanager
def shop_of(where: Home, store: StoreService, record: CurriculumRecord) -> Iterator[Workshop]:
    """A curriculum to be worked on, by nobody else meanwhile."""
    from lab.curriculum.workshop import Workshop, alone
    from store.journal import Journal

    with alone(Path(record.folder)), Journal.open(where, "curriculum") as journal:
        yield Workshop(where, store, journal, record)


def _show_status(store: StoreService, record: CurriculumRecord, as_json: bool) -> None:
    from lab.cli.curriculum_tables import status_document, status_table
    from lab.curriculum.state import progress
    from store.queries.curricula import phase_events

    events = store.query(phase_events, record.id)
    at = progress(record.phases, events)
    if as_json:
        emit(status_document(record, at, events))
        return
    show(status_table(record, at))
    for one in (at.before, *at.phases, at.after):
        for event in one.events.values():
            if event.stage in ("evaluate", "rollback") and event.state == "done":
                for line in event.words.split("; "):
                    say(f"  {one.name}: {line}")
    say(f"curriculum {record.name} {record.id}")


def _say_how_to_go_on(record: CurriculumRecord, where: Home, ending: Ending) -> None:
    short = f"{record.id[-8:]} --home {shlex.quote(str(where.path))}"
    match ending:
        case "stopped":
            notice(f"stopped; what is finished is kept. To go on: lantern curriculum resume {short}")
        case "waiting":
            notice(f"waits for a person. To decide: lantern curriculum resume {short}")
        case "failed":
            notice("a gate failed, and the phase was rolled back. Its next attempt, with another setting:")
            notice(f"  lantern curriculum rollback PHASE --of {short} --set learning_rate=…")
        case _:
            pass
