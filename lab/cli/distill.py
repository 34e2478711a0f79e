"""`lantern distill`: answers under a kernel, many of each probe, scored; the best become training data."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.output import HomeOption, JsonOption, emit, notice, say, show, table
from lab.cli.stored import LAST, matching_probes, one_probe, one_stored, open_store
from lab.cli.workbench import ModelOption
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.compare.sides import Side
    from store.queries.distilled import DistilledAnswer
    from store.records import DistillationRecord, DistilledQuestion
    from store.service import StoreService

CORE, REPHRASED = "core", "rephrased"
NONE = "none"
STOPPED = 130
LISTED = 50
EXAMPLE = """Examples:

  lantern distill --battery core --samples 4 --threshold 12

  lantern distill --variants all --samples 10 -i lek-v2 --threshold 24 --ranks 2

  lantern distill --resume last

  lantern distill export last answers.jsonl
"""

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
DistillationArgument = Annotated[
    str, typer.Argument(metavar="ID", help=f"Its id, the beginning or end of it, its name, or {LAST}.")
]


@app.callback()
def distill(
    context: typer.Context,
    model: ModelOption = "wick",
    adapter: Annotated[Path | None, typer.Option(help="An adapter that the model answers with.")] = None,
    kernel: Annotated[str, typer.Option(help=f"The kernel by name or path; {NONE} for none.")] = "lantern",
    battery: Annotated[list[str] | None, typer.Option(help="Probes of this battery (repeatable).")] = None,
    domain: Annotated[list[str] | None, typer.Option(help="Only of this domain (repeatable).")] = None,
    probe: Annotated[list[str] | None, typer.Option(help="This probe, by id (repeatable).")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many probes.")] = None,
    variants: Annotated[
        list[str] | None,
        typer.Option(
            help="original, perspective, urgency, cultural, or all (repeatable).", show_default=False
        ),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Answers to each variant of each probe.")] = 1,
    preset: Annotated[str, typer.Option(help="A sampling preset.")] = "distill",
    temperature: Annotated[float | None, typer.Option(min=0, help="Another temperature than it has.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Cut answers here.")] = None,
    instrument: Annotated[
        str | None, typer.Option("--instrument", "-i", help="What scores the answers.", show_default=False)
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Keep answers that score no less.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="Answers made at a time.")] = 8,
    name: Annotated[str | None, typer.Option(help="A name for the list.")] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="ID", help=f"Go on with a stopped one; {LAST} is the newest.")
    ] = None,
    ranks: Annotated[int, typer.Option(min=1, help="Processes that share the work.")] = 1,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Make training data of a model's own answers under a kernel; every answer is kept, the good ones marked.

    Ctrl-C loses nothing finished, and --resume goes on to the very same answers.
    """
    if context.invoked_subcommand is not None:
        return
    if resume is not None and (battery or domain or probe or variants):
        raise LabError("a distillation that goes on keeps its probes: give --resume ID without them")
    from lab.cli.distill_work import Work
    from store.home import Home

    where = Home.resolve(home)
    with open_store(where.path) as store, Work(where, store, batch_size) as work:
        if resume is not None:
            planned = work.shared(lambda: stored_distillation(store, resume))
        else:
            side = _side(model, adapter, kernel, preset, temperature, max_tokens)
            questions, asked = _questions(store, battery, domain, probe, limit, variants)
            planned = work.shared(
                lambda: work.begin(
                    side,
                    questions,
                    instrument,
                    battery=asked,
                    samples=samples,
                    threshold=threshold,
                    seed=seed,
                    name=name,
                )
            )
        is_done = work.in_processes(planned, ranks) if ranks > 1 else work.here(planned)
        if not is_done:
            _say_how_to_go_on(store, planned, home)
            raise typer.Exit(STOPPED)
        if work.ranks.is_first:
            report(store, planned, as_json=as_json)


distill.__doc__ = f"{distill.__doc__}\n\n{EXAMPLE}"


@app.command("list")
def list_distillations(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List distillations, the newest first.

    Example:

      lantern distill list --json
    """
    from lab.cli.distill_live import gate_words
    from store.queries.distilled import count_distillations, page_distillations

    with open_store(home) as store:
        n = store.query(count_distillations)
        rows = store.query(page_distillations, 0, n if as_json else LISTED)
    if as_json:
        emit(rows)
        return
    cells = [
        (
            row.id[-8:],
            row.at[:16].replace("T", " "),
            row.words,
            row.battery,
            f"{row.finished} of {row.planned}",
            str(row.kept),
            gate_words(row),
        )
        for row in rows
    ]
    headers = ("id ends in", "begun, UTC", "by", "probes", "answers", "kept", "gate")
    show(table(headers, cells, right=(4, 5)))
    notice(f"distillations: {n}" if n <= LISTED else f"distillations: {LISTED} of {n}; --json lists all")


@app.command("show")
def show_distillation(
    distillation_id: DistillationArgument = LAST, as_json: JsonOption = False, home: HomeOption = None
) -> None:
    """Show what a distillation came to, as far as it is finished.

    Example:

      lantern distill show last
    """
    with open_store(home) as store:
        report(store, stored_distillation(store, distillation_id), as_json=as_json)


@app.command("export")
def export_distillation(
    distillation_id: DistillationArgument,
    file: Annotated[Path, typer.Argument(help="The JSONL file to write.")],
    everything: Annotated[bool, typer.Option("--all", help="Also the answers that were not kept.")] = False,
    home: HomeOption = None,
) -> None:
    """Write the kept answers in the source project's form: a training row a line, then a summary.

    Example:

      lantern distill export last answers.jsonl
    """
    from lab.interchange.distilled import exported
    from lab.outfiles import write_file
    from store.home import Home

    where = Home.resolve(home)
    with open_store(where.path) as store:
        rows, text = exported(store, stored_distillation(store, distillation_id), everything=everything)
    write_file(file, text)
    say(f"{rows} rows and a summary in {file}")


@app.command("import")
def import_distilled(
    file: Annotated[Path, typer.Argument(help="A JSONL file of the source project's form.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Bring in answers that were distilled elsewhere, scored again; tells every score that differs.

    Example:

      lantern distill import answers.jsonl
    """
    from lab.interchange.distilled import import_distilled as bring_in

    with open_store(home) as store:
        imported = bring_in(store, file)
    if as_json:
        emit(imported)
        return
    known = "known already: " if imported.known else ""
    say(f"{known}{imported.rows} answers to {imported.probes} probes, kept as import {imported.id}")
    for bad in imported.bad:
        notice(f"{file}: {bad}")
    for note in imported.notes:
        notice(note)


def stored_distillation(store: StoreService, wanted: str) -> DistillationRecord:
    """The distillation so named, or the newest. Raises LabError where there is none or several."""
    from store.queries.distilled import distillation, find_distillations

    nouns = ("distillation", "distillations")
    return one_stored(store, wanted, nouns, find_distillations, distillation, "lantern distill list")


def report(store: StoreService, planned: DistillationRecord, *, as_json: bool = False) -> None:
    """Print what a distillation came to."""
    from lab.cli.distill_live import summary_lines
    from store.queries.distilled import distillation_row, distilled_answers

    store.ingest()
    row = store.query(distillation_row, planned.id)
    assert row is not None
    answers = store.query(distilled_answers, planned.id)
    if as_json:
        emit({"distillation": row, "answers": [_without_text(answer) for answer in answers]})
        return
    for line in summary_lines(row, answers):
        say(line)
    say(f"kept as distillation {planned.id}")


def _without_text(answer: DistilledAnswer) -> dict[str, Any]:
    from lab.cli.output import plain

    return {key: value for key, value in plain(answer).items() if key not in ("text", "prompt")}


def _side(
    model: str,
    adapter: Path | None,
    kernel: str,
    preset: str,
    temperature: float | None,
    max_tokens: int | None,
) -> Side:
    from lab.compare.sides import Side
    from lab.kernels import load
    from lab.sampling import load_preset

    sampling = load_preset(preset)
    return Side(
        model,
        replace(
            sampling,
            temperature=sampling.temperature if temperature is None else temperature,
            max_tokens=max_tokens or sampling.max_tokens,
        ),
        adapter=str(adapter.expanduser()) if adapter else None,
        kernel=None if kernel == NONE else load(kernel),
    )


def _questions(
    store: StoreService,
    batteries: Sequence[str] | None,
    domains: Sequence[str] | None,
    probes: Sequence[str] | None,
    limit: int | None,
    variants: Sequence[str] | None,
) -> tuple[list[DistilledQuestion], str]:
    """What is asked, and that in words: the core probes unless something is named."""
    from lab.curriculum.plan import ORIGINAL, questions_of
    from lab.probes import from_row

    rows = [one_probe(store, name, None) for name in dict.fromkeys(probes or ())]
    words = [row.id for row in rows] if len(rows) <= 2 else [f"{len(rows)} probes"]
    if batteries or domains or not probes:
        of = [*dict.fromkeys(batteries or (CORE,))]
        rows += [row for row in matching_probes(store, "", of, domains) if row not in rows]
        words.append(", ".join(of) + (f" ({', '.join(domains)})" if domains else ""))
    if limit is not None and limit < len(rows):
        rows, words = rows[:limit], [*words, f"first {limit}"]
    wanted = list(dict.fromkeys(variants or (ORIGINAL,)))
    rephrasings = matching_probes(store, "", [REPHRASED], None) if wanted != [ORIGINAL] else []
    questions = questions_of([from_row(row) for row in rows], [from_row(row) for row in rephrasings], wanted)
    return questions, ", ".join(
        [*words, *([] if wanted == [ORIGINAL] else ["variants: " + " ".join(wanted)])]
    )


def _say_how_to_go_on(store: StoreService, planned: DistillationRecord, home: Path | None) -> None:
    from store.queries.distilled import distillation_row

    store.ingest()
    row = store.query(distillation_row, planned.id)
    assert row is not None
    at_home = f" --home {shlex.quote(str(home))}" if home else ""
    notice(f"stopped: {row.finished} of {row.planned} answers are finished and kept; to go on:")
    notice(f"  lantern distill --resume {planned.id[-8:]}{at_home}")
