"""`lantern entropy`: the thermometer for texts and training sets."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.output import JsonOption, emit, notice, number, progress_bar, say, show, table
from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.measure.glyphs import GlyphLexicon
    from lab.measure.zones import ZoneTable
    from lab.textfiles import Row
    from lab.thermometer import DataSetReading, RowReading, Spread, TextReading
    from store.records import ProbeRecord

EXAMPLE = """Examples:

  lantern entropy answer.txt

  lantern entropy train.jsonl --json

  cat answer.txt | lantern entropy -
"""

CAVEAT = (
    "Word entropy cannot exceed ln n and follows the length of a text; below {min_words} words no zone is "
    "named. Compare texts by the 100-word windows."
)
MAX_FILE_BYTES = 1024 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024 * 1024
REPLAY_BATTERIES = frozenset({"general"})
LISTED = 20

_ROW_HEADERS = ("line", "words", "H_w", "windows", "H_w/ln n", "MATTR-50", "dist-2", "rep-4", "zone")


class Form(Enum):
    """What a file is taken for."""

    auto = "auto"
    text = "text"
    data = "data"


@dataclass(frozen=True, slots=True)
class _Tools:
    zones: ZoneTable
    lexicon: GlyphLexicon
    probes: tuple[ProbeRecord, ...]


def command(
    files: Annotated[list[str], typer.Argument(help="Texts or JSONL training sets; - reads stdin.")],
    form: Annotated[Form, typer.Option("--as", help="Take the file for a text or a data set.")] = Form.auto,
    zones: Annotated[Path | None, typer.Option("--zones", help="A zone table of your own (YAML).")] = None,
    glyphs: Annotated[
        Path | None, typer.Option("--glyphs", help="A glyph lexicon of your own (YAML).")
    ] = None,
    probes: Annotated[
        list[Path] | None, typer.Option("--probes", help="Look for these probes too (repeatable).")
    ] = None,
    rows: Annotated[bool, typer.Option("--rows", help="Show every row of a data set.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the word entropy of texts and training sets, with its length-adjusted companions."""
    tools = _tools(zones, glyphs, probes or [])
    readings = [_read(file, form, tools) for file in files]
    if as_json:
        emit(readings[0] if len(readings) == 1 else readings)
        return
    for reading in readings:
        _show(reading, every_row=rows)
    say(CAVEAT.format(min_words=tools.zones.min_words))


command.__doc__ = f"{command.__doc__}\n\n{EXAMPLE}"


def _tools(zones: Path | None, glyphs: Path | None, probe_files: Sequence[Path]) -> _Tools:
    from lab.measure.glyphs import load_lexicon
    from lab.measure.zones import load_table
    from lab.probes import load, shipped

    probes = [probe for probe in shipped() if probe.battery not in REPLAY_BATTERIES]
    for path in probe_files:
        loaded = load(path)
        for bad in loaded.bad:
            notice(f"{path}: {bad}")
        probes += loaded.probes
    return _Tools(load_table(zones), load_lexicon(glyphs), tuple(probes))


def _read(file: str, form: Form, tools: _Tools) -> TextReading | DataSetReading:
    from lab.textfiles import decode, read_bytes
    from lab.thermometer import read_data_set, read_text_entropy

    source = "stdin" if file == "-" else file
    data = sys.stdin.buffer.read() if file == "-" else read_bytes(Path(file), MAX_FILE_BYTES)
    if form is Form.text or (form is Form.auto and not _is_data_set(file, data)):
        return read_text_entropy(decode(data, source), source, tools.zones, tools.lexicon)
    with _progress(source, total=data.count(b"\n") + 1) as on_row:
        return read_data_set(
            _rows(data, source),
            source,
            table=tools.zones,
            lexicon=tools.lexicon,
            probes=tools.probes,
            on_row=on_row,
        )


def _is_data_set(file: str, data: bytes) -> bool:
    """By the name's ending (a .json file only if it is an array), else by whether the first line is a row."""
    from lab.textfiles import parse_json
    from lab.thermometer.rows import is_row

    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")
    if file.lower().endswith(".jsonl"):
        return True
    if file.lower().endswith(".json"):
        return start.startswith(b"[")
    if not start.startswith(b"{"):
        return False
    try:
        return is_row(parse_json(start.split(b"\n", 1)[0].decode("utf-8")))
    except (LabError, UnicodeDecodeError):
        return False


def _rows(data: bytes, source: str) -> Iterator[Row]:
    from lab.textfiles import decode, json_array, json_lines

    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        return json_array(decode(data, source), source)
    return json_lines(BytesIO(data), MAX_LINE_BYTES)


@contextmanager
def _progress(source: str, total: int) -> Iterator[Callable[[int], None]]:
    with progress_bar("lines") as bar:
        task = bar.add_task(Path(source).name, total=total, note="")
        yield lambda line: bar.update(task, completed=line)


def _show(reading: Any, every_row: bool) -> None:
    from lab.thermometer import TextReading

    if isinstance(reading, TextReading):
        _show_text(reading)
    else:
        _show_data_set(reading, every_row)


def _show_text(reading: TextReading) -> None:
    from lab.measure.zones import TOO_SHORT

    figures = reading.entropy
    rows = [
        ("words (n), types", f"{figures.words:,}, {figures.types:,}"),
        ("word entropy H_w", f"{number(figures.word_entropy_nats, 3)} nats"),
        (f"zone ({reading.zone_table})", reading.zone or TOO_SHORT),
        ("mean of 100-word windows", _nats(figures.window_mean_nats, "under 100 words")),
        ("H_w / ln n", number(figures.per_ln_n, 3)),
        ("Miller–Madow", f"{number(figures.miller_madow_nats, 3)} nats"),
        ("MATTR-50", number(figures.mattr50, 3)),
        ("distinct-1, distinct-2", f"{number(figures.distinct1, 3)}, {number(figures.distinct2, 3)}"),
        ("repeated 4-grams", _percent(figures.repeated_4gram_share)),
        ("glyphs per 100 words", f"{number(reading.glyphs.per_100_words)} {_names(reading.glyphs.domains)}"),
    ]
    say(reading.source)
    show(table(("figure", "value"), rows))


def _show_data_set(reading: DataSetReading, every_row: bool) -> None:
    say(f"{reading.source}: {len(reading.rows)} rows")
    figures = [(_LABELS[name], spread) for name, spread in reading.figures.items()]
    show(
        table(
            ("figure", "mean", "sd", "min", "max", "rows"),
            [(label, *_spread_cells(spread)) for label, spread in figures],
            right=(1, 2, 3, 4, 5),
        )
    )
    shares = ", ".join(f"{name} {share:.0%}" for name, share in reading.zone_shares.items() if share)
    say(f"Zones ({reading.zone_table}): {shares}")
    if reading.length_correlation is not None:
        say(f"Correlation of H_w with ln n over the rows: {reading.length_correlation:.3f}")
    _say_structure(reading)
    _say_overlaps(reading)
    _say_duplicates(reading)
    if every_row:
        show(table(_ROW_HEADERS, map(_row_cells, reading.rows), right=range(8)))
    for bad in reading.bad[:LISTED]:
        notice(f"{reading.source}: {bad}")
    if len(reading.bad) > LISTED:
        notice(f"{reading.source}: {len(reading.bad) - LISTED} more bad rows; --json lists all")


def _say_structure(reading: DataSetReading) -> None:
    parts = reading.structured
    if parts["rows"]:
        say(
            f"Structure of {parts['rows']} rows: prompt of 8–15 words {parts['invoke']}, middle of 200–300 "
            f"words {parts['witness']}, closing synthesis {parts['articulate']}, all {parts['complete']}"
        )


def _say_overlaps(reading: DataSetReading) -> None:
    for battery, (found, total) in reading.batteries.items():
        if found:
            say(f"Overlap: {found} of {total} {battery} probes are also in the training rows")
    if reading.batteries and not reading.overlaps:
        say(f"Overlap with {sum(total for _, total in reading.batteries.values())} probes: none")
    for hit in reading.overlaps[:LISTED]:
        say(f"  line {hit.line}: {hit.probe_id} ({hit.battery}), {hit.where}")
    _say_more(len(reading.overlaps))


def _say_duplicates(reading: DataSetReading) -> None:
    exact = sum(duplicate.exact for duplicate in reading.duplicates)
    say(f"Duplicate rows: {exact} exact, {len(reading.duplicates) - exact} near")
    for duplicate in reading.duplicates[:LISTED]:
        kind = "exact" if duplicate.exact else f"{duplicate.similarity:.0%} of 5-grams shared"
        say(f"  line {duplicate.line} repeats line {duplicate.of_line}: {kind}")
    _say_more(len(reading.duplicates))


def _say_more(n: int) -> None:
    if n > LISTED:
        say(f"  and {n - LISTED} more; --json lists all")


_LABELS = {
    "word_entropy_nats": "word entropy H_w, nats",
    "words": "words",
    "window_mean_nats": "mean of 100-word windows, nats",
    "per_ln_n": "H_w / ln n",
    "miller_madow_nats": "Miller–Madow, nats",
    "mattr50": "MATTR-50",
    "distinct1": "distinct-1",
    "distinct2": "distinct-2",
    "repeated_4gram_share": "repeated 4-gram share",
    "glyphs_per_100_words": "glyphs per 100 words",
}


def _spread_cells(spread: Spread | None) -> tuple[str, ...]:
    if spread is None:
        return ("–", "–", "–", "–", "0")
    values = (spread.mean, spread.sd, spread.lowest, spread.highest)
    return (*(number(value, 3) for value in values), str(spread.n))


def _row_cells(row: RowReading) -> tuple[str, ...]:
    from lab.measure.zones import TOO_SHORT

    figures = row.entropy
    return (
        str(row.line),
        str(figures.words),
        number(figures.word_entropy_nats),
        number(figures.window_mean_nats),
        number(figures.per_ln_n),
        number(figures.mattr50),
        number(figures.distinct2),
        _percent(figures.repeated_4gram_share),
        row.zone or TOO_SHORT,
    )


def _nats(value: float | None, otherwise: str) -> str:
    return f"{number(value, 3)} nats" if value is not None else f"– ({otherwise})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _names(domains: Sequence[str]) -> str:
    return f"({', '.join(domains)})" if domains else ""
