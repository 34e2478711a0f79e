"""`lantern store`: check, back up, restore, rebuild, export and query what the lab keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.output import HomeOption, JsonOption, emit, notice, say, show, table
from store.home import Home

if TYPE_CHECKING:
    from store.backup import ExportFormat
    from store.content import TableContent
    from store.service import StoreService

MEBIBYTE = 2**20

app = typer.Typer(
    help="Look after what the lab keeps: journals and the database made from them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ForceOption = Annotated[bool, typer.Option("--force", help="Do it although something would be replaced.")]


@app.command("check")
def check_store(as_json: JsonOption = False, home: HomeOption = None) -> int:
    """Compare every journal line with the database, read every block, list what could not be read.

    Exit code 1 when something is wrong with what is stored.

    Example: lantern store check --json
    """
    from store.check import check

    with _service(home) as service:
        report = check(service)
    if as_json:
        emit({"ok": report.ok, "report": report})
        return 0 if report.ok else 1
    for told in report.notices:
        notice(told)
    _show_contents(report.tables)
    say(f"{report.facts:,} records in {report.journals} journals ({report.journal_bytes / MEBIBYTE:.1f} MiB)")
    for error in report.ingest_error_examples:
        say(f"set aside: {error.journal} at byte {error.offset}: {error.reason}")
    if report.ingest_errors > len(report.ingest_error_examples):
        say(f"set aside: {report.ingest_errors} lines in all; they stay in their journals")
    for problem in report.problems:
        say(f"problem: {problem}")
    say(f"{report.home}: " + ("all is well" if report.ok else f"{len(report.problems)} problems"))
    return 0 if report.ok else 1


@app.command("backup")
def back_up(
    target: Annotated[
        Path | None, typer.Argument(help="A new folder; by default one in the home's backups.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Copy journals, database and settings to a new folder with checksums.

    Example: lantern store backup ~/lantern-backup
    """
    from store.backup import backup

    with _service(home) as service:
        report = backup(service, target)
    if as_json:
        emit(report)
    else:
        say(f"{report.files} files, {report.bytes / MEBIBYTE:.1f} MiB, in {report.path}")


@app.command("restore")
def restore_backup(
    source: Annotated[Path, typer.Argument(help="The folder that `lantern store backup` made.")],
    force: ForceOption = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Bring a backup back; with --force what is there is moved aside first, never deleted.

    Example: lantern store restore ~/lantern-backup --home ~/lab-again
    """
    from store.backup import restore

    report = restore(Home.resolve(home), source, force=force)
    if as_json:
        emit(report)
        return
    say(f"{report.files} files of the backup of {report.created_at} are in {report.path}")
    if report.aside:
        say(f"what was there before is in {report.aside}")


@app.command("rebuild")
def rebuild_database(force: ForceOption = False, as_json: JsonOption = False, home: HomeOption = None) -> int:
    """Make the database anew from the journals and say whether every table came out the same.

    Exit code 1 when one did not; the old database is then kept aside.

    Example: lantern store rebuild
    """
    from store.backup import rebuild

    with _service(home) as service:
        report = rebuild(service, force=force)
    if as_json:
        emit(report)
        return 0 if report.identical else 1
    _show_contents(report.after)
    changed = [new.table for new, old in zip(report.after, report.before, strict=True) if new != old]
    say(f"{report.records:,} records rebuilt; " + _difference(changed))
    if report.aside:
        say(f"the old database is in {report.aside}")
    return 0 if report.identical else 1


@app.command("export")
def export_tables(
    target: Annotated[Path, typer.Argument(help="A new folder.")],
    kind: Annotated[str, typer.Option("--format", help="parquet or csv.")] = "parquet",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Write every table to a file of its own, for other tools.

    Example: lantern store export ./lab-tables --format csv
    """
    from store.backup import export

    with _service(home) as service:
        report = export(service, target, _export_format(kind))
    if as_json:
        emit(report)
    else:
        say(f"{len(report.rows)} tables, {sum(report.rows.values()):,} rows, in {report.path}")


@app.command("sql")
def query(
    statement: Annotated[str, typer.Argument(help="One SELECT.")],
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 1000,
    timeout_s: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds it may take.")] = 4.0,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Answer one SELECT on the lab's tables. It can neither write nor read any other file.

    Example: lantern store sql "SELECT probe_id, avg(mean_entropy_nats) FROM generation GROUP BY probe_id"
    """
    from store.sql import select

    with _service(home) as service:
        service.ingest()
    result = select(Home.resolve(home), statement, row_limit=limit, time_limit_s=timeout_s)
    if as_json:
        emit(result)
        return
    show(table(result.columns, ([_cell(value) for value in row] for row in result.rows)))
    if result.truncated:
        notice(f"only the first {limit} rows: --limit shows more")


@contextmanager
def _service(home: Path | None) -> Iterator[StoreService]:
    """The store, and what it has to tell on stderr at the end."""
    from store.service import StoreService

    service = StoreService(Home.resolve(home), "cli")
    try:
        yield service
    finally:
        for told in service.take_notices():
            notice(told)
        service.close()


def _show_contents(contents: tuple[TableContent, ...]) -> None:
    rows = [(content.table, f"{content.rows:,}", content.digest) for content in contents]
    show(table(("table", "rows", "content hash"), rows, right=(1,)))


def _difference(changed: list[str]) -> str:
    return f"these tables changed: {', '.join(changed)}" if changed else "every table is as it was"


def _export_format(kind: str) -> ExportFormat:
    if kind == "parquet":
        return "parquet"
    if kind == "csv":
        return "csv"
    raise typer.BadParameter(f"expected parquet or csv, not {kind!r}", param_hint="--format")


def _cell(value: object) -> str:
    return "–" if value is None else str(value)
