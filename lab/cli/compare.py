"""`lantern compare`: two sides asked the same, scored, and what the difference is worth."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.asked import questions_of, refuse_unscorable
from lab.cli.interchange import export_comparison, import_files, list_imports
from lab.cli.judge import judge
from lab.cli.output import HomeOption, JsonOption, emit, notice, say
from lab.cli.stored import LAST, one_stored, open_store
from lab.cli.workbench import ModelOption
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.compare.run import Models
    from lab.compare.sides import Side
    from lab.measure.instrument import Instrument
    from store.records import ComparisonRecord
    from store.service import StoreService

STOPPED = 130
LISTED = 50
EXAMPLE = """Examples:

  lantern compare --right adapter=./adapters

  lantern compare --left adapter=./old --right adapter=./new --battery capability --preset greedy

  lantern compare --right kernel=lantern --samples 3 --out ./kernel-comparison

  lantern compare --resume last
"""

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
app.command("judge")(judge)
app.command("import")(import_files)
app.command("imports")(list_imports)
app.command("export")(export_comparison)

SideOption = Annotated[
    list[str] | None,
    typer.Option(
        help="base, or its changes: adapter=FOLDER or CHECKPOINT, kernel=NAME, preset=NAME, model=PATH.",
        show_default=False,
    ),
]
InstrumentOption = Annotated[
    str | None,
    typer.Option(
        "--instrument", "-i", help="An instrument by name, or a rubric of yours (.yaml).", show_default=False
    ),
]
OutOption = Annotated[
    Path | None, typer.Option(help="Write summary.json and pairs.jsonl into this folder.", show_default=False)
]


@app.callback()
def compare(
    context: typer.Context,
    left: SideOption = None,
    right: SideOption = None,
    model: ModelOption = "wick",
    battery: Annotated[list[str] | None, typer.Option(help="Probes of this battery (repeatable).")] = None,
    domain: Annotated[list[str] | None, typer.Option(help="Only of this domain (repeatable).")] = None,
    probe: Annotated[list[str] | None, typer.Option(help="This probe, by id (repeatable).")] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="A prompt of your own (repeatable).")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many of them.")] = None,
    instrument: InstrumentOption = None,
    preset: Annotated[str, typer.Option(help="A sampling preset, for both sides.")] = "default",
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Cut answers here.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers.")] = 0,
    samples: Annotated[int, typer.Option(min=1, help="Answers to each probe on each side.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Answers made at a time.")] = 8,
    name: Annotated[str | None, typer.Option(help="A name for the list.")] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="ID", help=f"Go on with a stopped comparison; {LAST} is the newest."),
    ] = None,
    out: OutOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Compare two sides, the base (left) and what is held against it (right), on probes."""
    if context.invoked_subcommand is not None:
        return
    if resume is None and right is None:
        raise LabError(
            "compare needs a side to hold against the base: --right adapter=FOLDER, kernel=lantern, …"
        )
    if resume is not None and (left or right or battery or domain or probe or prompt):
        raise LabError("a comparison that goes on keeps its sides and probes: give --resume ID without them")
    from lab.compare.plan import new_comparison
    from lab.compare.run import Models
    from lab.scoring import DEFAULT_INSTRUMENT
    from lab.scoring import instrument as find
    from store.home import Home
    from store.journal import Journal

    where = Home.resolve(home)
    rubrics = where.config / "rubrics"
    with open_store(where.path) as store, Journal.open(where, "cli") as journal:
        models = Models(where, journal)
        if resume is not None:
            comparison = stored_comparison(store, resume)
            by = _same(comparison, find(instrument or comparison.instrument, rubrics))
            sides = _sides_to_go_on(store, comparison)
        else:
            by = find(instrument or DEFAULT_INSTRUMENT, rubrics)
            sides = _sides(left or [], right or [], model, preset, max_tokens)
            questions, asked = questions_of(store, battery, domain, probe, prompt, limit)
            refuse_unscorable(questions, by)
            comparison = new_comparison(
                *models.identify(*sides),
                questions,
                battery=asked,
                instrument=by.name,
                version=by.version,
                seed=seed,
                samples=samples,
                name=name,
            )
            journal.append(comparison, durable=True)
            store.ingest()
        if sides is not None and not _run(comparison, sides, by, models, store, batch_size):
            say_how_to_go_on(store, comparison, home)
            raise typer.Exit(STOPPED)
        report(store, comparison, out, as_json=as_json)


compare.__doc__ = f"{compare.__doc__}\n\n{EXAMPLE}"


@app.command("list")
def list_comparisons(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List comparisons, the newest first.

    Example:

      lantern compare list --json
    """
    from lab.cli.compare_tables import show_list
    from store.queries import count_comparisons, page_comparisons

    with open_store(home) as store:
        n = store.query(count_comparisons)
        rows = store.query(page_comparisons, 0, n if as_json else LISTED)
    if as_json:
        emit(rows)
        return
    show_list(rows)
    notice(f"comparisons: {n}" if n <= LISTED else f"comparisons: {LISTED} of {n}; --json lists all")


@app.command("show")
def show_comparison(
    comparison_id: Annotated[
        str, typer.Argument(metavar="ID", help=f"Its id, the beginning of it, or {LAST}.")
    ] = LAST,
    instrument: InstrumentOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show what a comparison came to, as far as it is finished; also by another instrument.

    Scores by another instrument are those that `lantern score --store` has given.

    Example:

      lantern compare show last --instrument lek-v2
    """
    from lab.scoring import instrument as find
    from store.home import Home

    where = Home.resolve(home)
    by = find(instrument, where.config / "rubrics") if instrument else None
    with open_store(where.path) as store:
        report(store, stored_comparison(store, comparison_id), out, as_json=as_json, by=by)


def stored_comparison(store: StoreService, wanted: str) -> ComparisonRecord:
    """The comparison so named, or the newest. Raises LabError where there is none or several."""
    from store.queries import comparison, find_comparisons

    return one_stored(
        store, wanted, ("comparison", "comparisons"), find_comparisons, comparison, "lantern compare list"
    )


def report(
    store: StoreService,
    comparison: ComparisonRecord,
    out: Path | None = None,
    *,
    as_json: bool = False,
    by: Instrument | None = None,
) -> None:
    """Print what a comparison came to, and write it into a folder if asked to."""
    from lab.cli.compare_files import document, write
    from lab.cli.compare_tables import show_summary
    from lab.compare.summary import summarize
    from store.queries import compared_answers

    store.ingest()
    name, version = (by.name, by.version) if by else (comparison.instrument, comparison.version)
    answers = store.query(compared_answers, comparison.id, name, version)
    summary = summarize(answers, name, version, planned=len(comparison.pairs))
    written = write(out, store, comparison, summary) if out else ()
    if as_json:
        emit(document(comparison, summary))
        return
    show_summary(comparison, summary)
    for path in written:
        notice(f"written: {path}")
    say(f"kept as comparison {comparison.id}")


def _run(
    comparison: ComparisonRecord,
    sides: tuple[Side, Side],
    by: Instrument,
    models: Models,
    store: StoreService,
    batch_size: int,
) -> bool:
    """Ask and score what is left; False when it was stopped by Ctrl-C."""
    from lab.cli.compare_live import watching
    from lab.compare.run import ScoredPair, run
    from store.queries import answered

    before = store.query(answered, comparison.id)
    finished = sum({(place, "left"), (place, "right")} <= before for place in range(len(comparison.pairs)))
    notice(
        f"{comparison.left.words} | {comparison.right.words}: {len(comparison.pairs)} pairs, {comparison.id}"
    )
    with stopping_politely() as stopped, watching(comparison, finished) as watcher:
        events = run(comparison, *sides, by, models, store, batch_size=batch_size, should_stop=stopped)
        for event in events:
            if isinstance(event, ScoredPair):
                watcher.pair(event)
            else:
                watcher.progress(event)
        return not stopped()


@contextmanager
def stopping_politely() -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C only makes the yielded function true; the second one interrupts."""
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


def say_how_to_go_on(store: StoreService, comparison: ComparisonRecord, home: Path | None) -> None:
    """What is kept of a comparison that was stopped, and the command that asks the rest."""
    from store.queries import answered

    store.ingest()
    n = len(store.query(answered, comparison.id))
    at_home = f" --home {shlex.quote(str(home))}" if home else ""
    notice(f"stopped: {n} of {2 * len(comparison.pairs)} answers are finished and kept; to go on:")
    notice(f"  lantern compare --resume {comparison.id}{at_home}")


def _sides(
    left: Sequence[str], right: Sequence[str], model: str, preset: str, max_tokens: int | None
) -> tuple[Side, Side]:
    from lab.compare.sides import Side, parse
    from lab.sampling import load_preset

    sampling = load_preset(preset)
    base = Side(model, replace(sampling, max_tokens=max_tokens or sampling.max_tokens))
    return parse(left, base), parse(right, base)


def _sides_to_go_on(store: StoreService, comparison: ComparisonRecord) -> tuple[Side, Side] | None:
    """The sides to ask further; None when everything is there already."""
    from lab.compare.run import restore
    from store.queries import answered, unscored_pairs

    n_answered = len(store.query(answered, comparison.id))
    if n_answered == 2 * len(comparison.pairs) and not store.query(unscored_pairs, comparison.id):
        return None
    return restore(store, comparison)


def _same(comparison: ComparisonRecord, by: Instrument) -> Instrument:
    if (by.name, by.version) != (comparison.instrument, comparison.version):
        raise LabError(
            f"the comparison is scored by {comparison.instrument} {comparison.version}, not by {by.name} "
            f"{by.version}: finish it with --instrument {comparison.instrument}, or begin a new one"
        )
    return by
