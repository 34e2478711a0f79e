"""What every command prints, and how: answers to stdout, notices and progress to stderr, JSON when asked.

With `--json` stdout carries one JSON document (JSON lines for streams) and nothing else.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.safetext import safe_line, safe_text

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="The lab's home directory.", envvar="LANTERN_HOME", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]


def plain(value: Any) -> Any:
    """`value` as what JSON knows: dataclasses and mappings to dicts, sequences to lists, paths to strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    return value


def emit(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(plain(value), ensure_ascii=True, indent=2, allow_nan=False))


def emit_line(value: Any) -> None:
    """Print one line of JSON lines, at once."""
    print(json.dumps(plain(value), ensure_ascii=True, separators=(",", ":"), allow_nan=False), flush=True)


def say(text: str = "", end: str = "\n") -> None:
    """Print text for people on stdout; foreign characters that a terminal would obey are made visible."""
    _write(sys.stdout, safe_text(text) + end)


def notice(text: str) -> None:
    """Print one line for people on stderr."""
    _write(sys.stderr, safe_text(text) + "\n")


def _write(stream: Any, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, errors="replace").decode(encoding))
    stream.flush()


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[int] = (),
    title: str | None = None,
) -> Table:
    """A Rich table of foreign strings: cells are data, never markup. `right` lists right-aligned columns."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    heading = Text(safe_line(title)) if title else None
    grid = Table(box=box.SIMPLE_HEAD, title=heading, title_justify="left", pad_edge=False)
    for index, header in enumerate(headers):
        grid.add_column(Text(header), justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(safe_line(cell)) for cell in row))
    return grid


def show(renderable: Any) -> None:
    """Print a Rich renderable on stdout, as wide as the terminal (120 columns where there is none)."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    console.print(renderable)


@contextmanager
def progress_bar(unit: str) -> Iterator[Progress]:
    """A progress bar with ETA on stderr; silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress


def number(value: float | None, digits: int = 2) -> str:
    """A number for people, "–" where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"
