"""`lantern report`: what was found, as files to keep and to show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.compare import LAST, InstrumentOption
from lab.cli.output import HomeOption, JsonOption, emit, say
from lab.cli.stored import open_store
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.report.data import CompareReport
    from store.service import StoreService

HTML, MARKDOWN = ".html", ".md"
_NAME_CHARACTERS = 60

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
    out: Annotated[
        Path | None,
        typer.Option(
            help="A .html or .md file, or a folder for both; by default both go here.", show_default=False
        ),
    ] = None,
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
    if as_json:
        emit({"id": report.id, "instrument": report.instrument, "version": report.version, "files": files})
        return
    for file in files:
        say(f"written: {file}")


def _collected(
    store: StoreService, wanted: str, instrument: str | None, left: str | None, right: str | None
) -> CompareReport:
    """The report on the comparison or the import that is wanted."""
    from lab.cli.interchange import collected
    from lab.scoring import instrument as find

    by = find(instrument, store.home.config / "rubrics") if instrument else None
    return collected(store, wanted, by, left, right)


def _written(report: CompareReport, out: Path, pairs: int) -> list[Path]:
    from lab.outfiles import write_file
    from lab.report.html import to_html
    from lab.report.markdown import to_markdown

    files = (
        [out]
        if out.suffix in (HTML, MARKDOWN)
        else [out / f"{file_name(report)}{end}" for end in (HTML, MARKDOWN)]
    )
    if out.suffix not in (HTML, MARKDOWN) and out.is_file():
        raise LabError(f"{out}: expected a name that ends in .html or .md, or a folder")
    contents = {
        file: to_html(report, pairs) if file.suffix == HTML else to_markdown(report) for file in files
    }
    return [write_file(file, content) for file, content in contents.items()]


def file_name(report: CompareReport) -> str:
    """A name for files about a comparison, without an ending: its sides and the end of its id."""
    said = f"compare-{report.left.words}-{report.right.words}".lower()
    return f"{re.sub(r'[^a-z0-9]+', '-', said).strip('-')[:_NAME_CHARACTERS].strip('-')}-{report.id[-6:]}"
