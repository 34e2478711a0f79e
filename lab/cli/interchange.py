"""`lantern compare import|imports|export`: comparisons in the forms of other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.output import HomeOption, JsonOption, emit, notice, say, show, table
from lab.cli.stored import open_store
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.interchange.imports import Imported
    from lab.measure.instrument import Instrument
    from lab.report.data import CompareReport
    from store.service import StoreService

SOURCE_INSTRUMENT = "lek-v2"
LISTED = 20
ENDINGS = {".jsonl": "A/B results", ".json": "LLM Comparator", ".csv": "a table", ".parquet": "a table"}

InstrumentOption = Annotated[str, typer.Option("--instrument", "-i", help="What the answers are scored by.")]


def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(help="One file of A/B results (.jsonl), or two of lm-eval samples: base, tuned."),
    ],
    instrument: InstrumentOption = SOURCE_INSTRUMENT,
    metric: Annotated[
        str | None, typer.Option(help="lm-eval: the metric to compare by.", show_default=False)
    ] = None,
    by_filter: Annotated[
        str | None, typer.Option("--filter", help="lm-eval: the answer filter.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Bring in answers made elsewhere, score them again, and list every value that differs.

    Exit code 1 when rows could not be read; the good ones are kept.

    Examples:

      lantern compare import ab-gemma.jsonl

      lantern compare import samples_gsm8k_base.jsonl samples_gsm8k_tuned.jsonl --metric exact_match
    """
    from lab.interchange.imports import import_ab, import_lm_eval

    with open_store(home) as store:
        if len(files) == 1:
            done = import_ab(store, files[0], _instrument(store, instrument))
        elif len(files) == 2:
            done = import_lm_eval(store, files[0], files[1], metric=metric, by_filter=by_filter)
        else:
            raise LabError("import needs one file of A/B results, or two of lm-eval samples")
    if as_json:
        emit(done)
    else:
        _tell(done, ", ".join(path.name for path in files), instrument)
    if done.bad:
        raise typer.Exit(1)


def list_imports(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the files of answers that were brought in, the newest first.

    Example:

      lantern compare imports
    """
    from store.queries.imports import imports

    with open_store(home) as store:
        store.ingest()
        rows = store.query(imports)
    if as_json:
        emit(rows)
        return
    cells = [
        (
            row.id,
            row.form,
            ", ".join(row.sources),
            row.model_name or "–",
            str(row.probes),
            ", ".join(row.conditions),
        )
        for row in rows
    ]
    show(table(("id", "form", "files", "model", "probes", "conditions"), cells, right=(4,)))
    notice(f"imports: {len(rows)}")


def export_comparison(
    comparison_id: Annotated[
        str, typer.Argument(metavar="ID", help="A comparison or an import: its id, a beginning, or last.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="The file; .jsonl writes A/B results, .json LLM Comparator, .csv and .parquet a table."
        ),
    ],
    instrument: Annotated[
        str | None,
        typer.Option(
            "--instrument",
            "-i",
            help=f"What scores them: {SOURCE_INSTRUMENT} for A/B results, else the comparison's own.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Write a comparison for another tool; the ending of the file says which.

    In CSV a text that a spreadsheet would run as a formula gets an apostrophe before it; Parquet is exact.

    Examples:

      lantern compare export last --out ab-wick.jsonl

      lantern compare export last --out comparator.json

      lantern compare export last --out answers.parquet
    """
    if out.suffix not in ENDINGS:
        known = ", ".join(f"{ending} ({what})" for ending, what in ENDINGS.items())
        raise LabError(f"{out}: end the name in one of {known}")
    with open_store(home) as store:
        n = _export(store, comparison_id, out, instrument)
    if as_json:
        emit({"file": out, "written": n})
    else:
        say(f"{n} {'answers' if out.suffix in ('.csv', '.parquet') else 'pairs'} written to {out}")


def found_import(store: StoreService, wanted: str) -> str | None:
    """The id of the only import that begins like this; None where none does. Raises LabError for several."""
    from store.queries.imports import find_imports

    found = store.query(find_imports, wanted)
    if len(found) > 1:
        raise LabError(f"{len(found)} imports begin with {wanted!r}: give more of the id")
    return found[0] if found else None


def collected(
    store: StoreService,
    wanted: str,
    by: Instrument | None,
    left: str | None = None,
    right: str | None = None,
) -> CompareReport:
    """The report on the comparison or the import that is wanted, there of the conditions `left` and `right`.

    Raises LabError where there is none.
    """
    from lab.cli.compare import stored_comparison
    from lab.report.data import collect
    from lab.report.imported import collect_import

    store.ingest()
    import_id = found_import(store, wanted)
    if import_id is not None:
        return collect_import(store, import_id, left=left, right=right, by=by)
    if left or right:
        raise LabError("a comparison has its sides: --left and --right name conditions of an import")
    return collect(store, stored_comparison(store, wanted).id, by)


def _export(store: StoreService, wanted: str, out: Path, instrument: str | None) -> int:
    from lab.outfiles import write_file

    store.ingest()
    if out.suffix in (".csv", ".parquet"):
        from lab.cli.compare import stored_comparison
        from store.tables import export_answers

        return export_answers(store, found_import(store, wanted) or stored_comparison(store, wanted).id, out)
    if out.suffix == ".jsonl":
        text, n = _ab(store, wanted, _instrument(store, instrument or SOURCE_INSTRUMENT))
        write_file(out, text)
        return n
    from lab.interchange.llm_comparator import to_llm_comparator

    report = collected(store, wanted, _instrument(store, instrument) if instrument else None)
    write_file(
        out, json.dumps(to_llm_comparator(report), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    )
    return len(report.pairs)


def _ab(store: StoreService, wanted: str, by: Instrument) -> tuple[str, int]:
    """A/B results as text, scored by this instrument now, and the number of probes."""
    from lab.interchange.exports import ab_text, report_as_ab, stored_ab

    import_id = found_import(store, wanted)
    file = stored_ab(store, import_id) if import_id else report_as_ab(collected(store, wanted, None))
    return ab_text(file, by), len(file.probes)


def _instrument(store: StoreService, name: str) -> Instrument:
    from lab.scoring import instrument

    return instrument(name, store.home.config / "rubrics")


def _tell(done: Imported, files: str, instrument: str) -> None:
    for bad in done.bad[:LISTED]:
        notice(f"{files}: {bad}")
    for differs in done.differs[:LISTED]:
        notice(f"{files}: {differs}")
    for what, found in (("bad rows", done.bad), ("values that differ", done.differs)):
        if len(found) > LISTED:
            notice(f"{files}: {len(found) - LISTED} more {what}; --json lists all")
    for note in done.notes:
        say(note)
    if done.form == "ab":
        say(f"{len(done.differs)} values differ from {instrument}, {len(done.bad)} bad rows")
    conditions = ", ".join(done.conditions)
    kept = "was here already" if done.known else "kept"
    say(f"{done.probes} probes, {done.answers} answers ({conditions}), {kept} as import {done.id}")
    say(f"lantern report compare {done.id}")
