"""`lantern score`: texts, rows of a file, or everything in the store, by a named and versioned instrument."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from lab.cli.output import (
    HomeOption,
    JsonOption,
    emit,
    emit_line,
    notice,
    number,
    progress_bar,
    say,
    show,
    table,
)
from lab.errors import LabError

if TYPE_CHECKING:
    from rich.text import Text

    from lab.measure.instrument import Instrument, Reading, Score
    from lab.scoring import ScoredRow
    from lab.textfiles import Row
    from store.home import Home

EXAMPLE = """Examples:

  lantern score answers.jsonl --instrument lek-v2 --json

  lantern score answer.txt --explain

  lantern score --store --instrument lantern-v1

  lantern score --list
"""

MAX_LINE_BYTES = 64 * 1024 * 1024
_BLANK = b"\xef\xbb\xbf \t\r\n"
_STYLES = ("bold green", "bold cyan", "bold magenta", "bold yellow", "bold blue", "bold red")


def command(
    file: Annotated[
        str | None, typer.Argument(help="Rows (.jsonl, a JSON array) or one text; - reads stdin.")
    ] = None,
    instrument: Annotated[
        str, typer.Option("--instrument", "-i", help="An instrument by name, or a rubric of yours (.yaml).")
    ] = "lantern-v1",
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what each dimension found, and where.")
    ] = False,
    store: Annotated[
        bool, typer.Option("--store", help="Score what the store holds and has no score yet.")
    ] = False,
    list_all: Annotated[
        bool, typer.Option("--list", help="List the instruments and their known faults.")
    ] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Score answers: a total and its dimensions, by an instrument that can explain itself."""
    from lab.scoring import RUBRIC_SUFFIXES, names
    from lab.scoring import instrument as find
    from store.home import Home

    if sum((file is not None, store, list_all)) != 1:
        raise LabError("score needs one of FILE (- for stdin), --store or --list")
    # A shipped instrument over a file needs no home directory, so that none is made.
    is_known = instrument in names() or instrument.endswith(RUBRIC_SUFFIXES)
    where = Home.resolve(home) if store or list_all or not is_known else None
    rubrics = where.config / "rubrics" if where else None
    if list_all:
        _list(rubrics, as_json)
        return
    by = find(instrument, rubrics)
    if where is not None and store:
        _score_store(where, by, as_json)
    elif file is not None and _score_file(file, by, explain=explain, as_json=as_json):
        raise typer.Exit(1)


command.__doc__ = f"{command.__doc__}\n\n{EXAMPLE}"


def _list(rubrics: Path | None, as_json: bool) -> None:
    from lab.scoring import instrument, names

    found = [instrument(name, rubrics) for name in names(rubrics)]
    if as_json:
        emit(
            [
                {
                    "instrument": by.name,
                    "version": by.version,
                    "description": by.description,
                    "known_faults": by.known_faults,
                    "definition_sha256": by.sha256,
                }
                for by in found
            ]
        )
        return
    for by in found:
        say(f"{by.name} {by.version}: {by.description}")
        for fault in by.known_faults:
            say(f"  known fault: {fault}")


def _score_store(home: Home, by: Instrument, as_json: bool) -> None:
    from lab.scoring import score_store
    from store.service import StoreService

    service = StoreService(home)
    try:
        with progress_bar("answers") as bar:
            task = bar.add_task(by.name, total=None, note="")
            scored = score_store(
                service, by, lambda done, total: bar.update(task, completed=done, total=total)
            )
        for message in service.take_notices():
            notice(message)
    finally:
        service.close()
    if as_json:
        emit({"instrument": by.name, "version": by.version, "scored": scored})
    else:
        say(f"{scored:,} answers scored by {by.name} {by.version}; earlier scores are kept")


def _score_file(file: str, by: Instrument, *, explain: bool, as_json: bool) -> int:
    """Score every row and return how many could not be read."""
    from lab.scoring import score_rows
    from lab.textfiles import BadRow

    bad = 0
    totals: list[float] = []
    with _rows(file) as rows, _progress(file) as on_line:
        for result in score_rows(rows, by):
            on_line(result.line)
            if isinstance(result, BadRow):
                bad += 1
                notice(f"{_name(file)}: {result}")
                continue
            if result.score.total is not None:
                totals.append(result.score.total)
            if as_json:
                emit_line(_as_json(result, explain))
            elif explain:
                _explain(result)
            else:
                say(f"{result.id}\t{number(result.score.total)}")
    if not as_json and totals:
        mean = sum(totals) / len(totals)
        notice(
            f"{by.name} {by.version}: n = {len(totals)}, mean {mean:.2f}, {min(totals):g} to {max(totals):g}"
        )
        for fault in by.known_faults:
            notice(f"known fault: {fault}")
    if bad:
        notice(f"{_name(file)}: {bad} bad rows were left out")
    return bad


@contextmanager
def _progress(file: str) -> Iterator[Callable[[int], None]]:
    """A bar on stderr for a file whose results do not go to the same terminal."""
    if file == "-" or sys.stdout.isatty() or not sys.stderr.isatty():
        yield lambda line: None
        return
    with Path(file).open("rb") as stream:
        total = sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
    with progress_bar("lines") as bar:
        task = bar.add_task(Path(file).name, total=total + 1, note="")
        yield lambda line: bar.update(task, completed=line)


def _name(file: str) -> str:
    return "stdin" if file == "-" else file


@contextmanager
def _rows(file: str) -> Iterator[Iterator[Row]]:
    """The rows of a file: JSON lines, a JSON array, or one text (with the file's name as its id)."""
    from lab.textfiles import decode, json_array, json_lines

    stream = _opened(file)
    try:
        start = stream.peek(4096).lstrip(_BLANK)[:1]
        suffix = Path(file).suffix.lower()
        if suffix == ".jsonl" or (suffix != ".txt" and start == b"{"):
            yield json_lines(stream, MAX_LINE_BYTES)
        elif suffix == ".json" or (suffix != ".txt" and start == b"["):
            yield json_array(decode(stream.read(), _name(file)), _name(file))
        else:
            yield iter([(1, {"id": Path(file).name, "text": decode(stream.read(), _name(file))})])
    finally:
        if file == "-":
            stream.detach()  # stdin is not ours to close
        else:
            stream.close()


def _opened(file: str) -> BufferedReader:
    if file == "-":
        return BufferedReader(cast(RawIOBase, sys.stdin.buffer))
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise LabError(f"{file}: cannot be read: {error.strerror or error}") from error


def _as_json(row: ScoredRow, explain: bool) -> dict[str, Any]:
    score = row.score
    result: dict[str, Any] = {
        "id": row.id,
        "instrument": score.instrument,
        "version": score.version,
        "total": score.total,
        "dimensions": {name: found.value for name, found in score.dimensions.items()},
        "text_sha256": score.text_sha256,
    }
    if score.detail:
        result["detail"] = score.detail
    if explain:
        result["explain"] = score.dimensions
    return result


def _explain(row: ScoredRow) -> None:
    score = row.score
    say(f"{row.id}: {score.instrument} {score.version}, total {number(score.total)}")
    show(
        table(
            ("dimension", "value", "matches", "adds"),
            [
                (name, number(found.value), str(found.hits or ""), f"{found.contribution:+.2f}")
                for name, found in score.dimensions.items()
            ],
            right=(1, 2, 3),
        )
    )
    show(_marked(row.reading, score))


def _marked(reading: Reading, score: Score) -> Text:
    """The raw text with every match in its dimension's style, a legend above."""
    from rich.text import Text

    from lab.safetext import safe_text

    marked = [(name, found) for name, found in score.dimensions.items() if found.spans]
    styles = {name: _STYLES[index % len(_STYLES)] for index, (name, _) in enumerate(marked)}
    legend = Text(" ").join(Text(name, style=styles[name]) for name, _ in marked)
    ends = sorted((start, end, name) for name, found in marked for start, end in found.spans)
    text = Text()
    position = 0
    for start, end, name in ends:
        text.append(safe_text(reading.text[position:start]))
        text.append(safe_text(reading.text[max(start, position) : end]), style=styles[name])
        position = max(position, end)
    text.append(safe_text(reading.text[position:]))
    return legend + Text("\n") + text if marked else text
