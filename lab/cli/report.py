"""`lantern report`: what was found, as files to keep and to show."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.compare import InstrumentOption
from lab.cli.output import HomeOption, JsonOption, emit, say
from lab.cli.stored import LAST, open_store
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.report.data import CompareReport
    from store.service import StoreService

HTML, MARKDOWN = ".html", ".md"
_NAME_CHARACTERS = 60

OutOption = Annotated[
    Path | None,
    typer.Option(
        help="A .html or .md file, or a folder for both; by default both go here.", show_default=False
    ),
]

app = typer.Typer(
    help="Write reports: files that say what was found, how, and how sure that is.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("compare")
def report_compare(
    comparison_id: Annotated[
        str, typer.Argument(metavar="ID", help=f"A comparison or an import: its id, a beginning, or {LAST}.")
    ] = LAST,
    out: OutOption = None,
    instrument: InstrumentOption = None,
    left: Annotated[
        str | None, typer.Option(help="An import: the condition held as the base.", show_default=False)
    ] = None,
    right: Annotated[
        str | None, typer.Option(help="An import: the condition held against it.", show_default=False)
    ] = None,
    pairs: Annotated[
        int, typer.Option(min=0, help="Show the texts of at most so many pairs; numbers are over all.")
    ] = 500,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Write a comparison as one HTML page that opens without a network, and as Markdown.

    Every number is computed from the store when the report is written.

    Examples:

      lantern report compare

      lantern report compare last --instrument lek-v2 --out ./reports
    """
    with open_store(home) as store:
        report = _collected(store, comparison_id, instrument, left, right)
    files = _written(report, out or Path(), pairs)
    _tell(files, as_json, id=report.id, instrument=report.instrument, version=report.version)


def _tell(files: list[Path], as_json: bool, **about: str) -> None:
    """Say what was written."""
    if as_json:
        emit({**about, "files": files})
        return
    for file in files:
        say(f"written: {file}")


@app.command("run")
def report_run(
    run: Annotated[str, typer.Argument(help="A run: its id, the end of it, its name, or last.")] = LAST,
    out: OutOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Write a training run as one HTML page that opens without a network, and as Markdown.

    Example: lantern report run last --out ./reports
    """
    from lab.adapters.folders import facts_of_run
    from lab.report.run_data import collect_run
    from lab.report.run_html import run_html, run_markdown
    from lab.train.folder import find_run
    from store.home import Home

    where = Home.resolve(home)
    report = collect_run(*facts_of_run(where, find_run(where, run)))
    plan = report.facts.run
    makers = {HTML: lambda: run_html(report), MARKDOWN: lambda: run_markdown(report)}
    files = _write(makers, out or Path(), _slug(f"run-{plan.name}", plan.id))
    _tell(files, as_json, id=plan.id)


@app.command("curriculum")
def report_curriculum(
    curriculum: Annotated[
        str, typer.Argument(help="A curriculum: its id, an end of it, its name, or last.")
    ] = LAST,
    out: OutOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Write a curriculum as one HTML page that opens without a network, and as Markdown.

    Example: lantern report curriculum last --out ./reports
    """
    from lab.cli.curriculum import stored_curriculum
    from lab.report.curriculum_data import collect_curriculum
    from lab.report.curriculum_pages import curriculum_html, curriculum_markdown

    with open_store(home) as store:
        report = collect_curriculum(store, stored_curriculum(store, curriculum).id)
    makers = {HTML: lambda: curriculum_html(report), MARKDOWN: lambda: curriculum_markdown(report)}
    files = _write(makers, out or Path(), _slug(f"curriculum-{report.plan.name}", report.plan.id))
    _tell(files, as_json, id=report.plan.id)


def _collected(
    store: StoreService, wanted: str, instrument: str | None, left: str | None, right: str | None
) -> CompareReport:
    """The report on the comparison or the import that is wanted."""
    from lab.cli.interchange import collected
    from lab.scoring import instrument as find

    by = find(instrument, store.home.config / "rubrics") if instrument else None
    return collected(store, wanted, by, left, right)


def _written(report: CompareReport, out: Path, pairs: int) -> list[Path]:
    from lab.report.html import to_html
    from lab.report.markdown import to_markdown

    makers = {HTML: lambda: to_html(report, pairs), MARKDOWN: lambda: to_markdown(report)}
    return _write(makers, out, file_name(report))


def _write(makers: Mapping[str, Callable[[], str]], out: Path, name: str) -> list[Path]:
    """The file that `out` names, or one of each kind in the folder that it names."""
    from lab.outfiles import write_file

    if out.suffix not in makers and out.is_file():
        raise LabError(f"{out}: expected a name that ends in .html or .md, or a folder")
    files = [out] if out.suffix in makers else [out / f"{name}{end}" for end in makers]
    contents = [(file, makers[file.suffix]()) for file in files]
    return [write_file(file, content) for file, content in contents]


def file_name(report: CompareReport) -> str:
    """A name for files about a comparison, without an ending: its sides and the end of its id."""
    return _slug(f"compare-{report.left.words}-{report.right.words}", report.id)


def _slug(said: str, identity: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", said.lower()).strip("-")
    return f"{words[:_NAME_CHARACTERS].strip('-')}-{identity[-6:]}"
