"""The reading of a training set: every row's answer measured, then what the rows are like together."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab.errors import LabError
from lab.measure.glyphs import GlyphLexicon, count_glyphs
from lab.measure.words import WordEntropy, measure
from lab.measure.zones import TOO_SHORT, ZoneTable, zone_of
from lab.textfiles import BadRow, Row
from lab.thermometer.overlap import Duplicate, DuplicateFinder, ProbeIndex, ProbeOverlap
from lab.thermometer.rows import Example, example
from lab.thermometer.structure import Structure, structure
from store.records import ProbeRecord

FIGURES = (
    "word_entropy_nats",
    "words",
    "window_mean_nats",
    "per_ln_n",
    "miller_madow_nats",
    "mattr50",
    "distinct1",
    "distinct2",
    "repeated_4gram_share",
)


@dataclass(frozen=True, slots=True)
class Spread:
    """How a figure varies over the n rows that have it. `sd` is the sample's (n − 1); None for one row."""

    n: int
    mean: float
    sd: float | None
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class RowReading:
    """One row: its answer's word entropy, zone (None: too short to zone), glyph rate, and structure.

    `structure` is None for rows that have no prompt.
    """

    line: int
    entropy: WordEntropy
    zone: str | None
    glyphs_per_100_words: float | None
    structure: Structure | None


@dataclass(frozen=True, slots=True)
class DataSetReading:
    """A whole training set.

    Attributes:
        figures: the spread of each figure of `WordEntropy` and of the glyph rate; None where no row has it.
        zone_shares: share of the rows in each zone, and "too short to zone"; they sum to 1.
        length_correlation: Pearson's r of H_w and ln n over the rows; None below 3 rows or without variation.
            Near 1, the zones say little that the lengths do not.
        structured: rows that have a prompt; of these, how many pass each part of the structure check.
        batteries: probes that occur in the rows, and probes in all, for each battery compared with.
    """

    source: str
    zone_table: str
    rows: tuple[RowReading, ...]
    bad: tuple[BadRow, ...]
    figures: Mapping[str, Spread | None]
    zone_shares: Mapping[str, float]
    length_correlation: float | None
    structured: Mapping[str, int]
    duplicates: tuple[Duplicate, ...]
    overlaps: tuple[ProbeOverlap, ...]
    batteries: Mapping[str, tuple[int, int]]


def read_data_set(
    rows: Iterable[Row],
    source: str,
    *,
    table: ZoneTable,
    lexicon: GlyphLexicon,
    probes: Iterable[ProbeRecord] = (),
    on_row: Callable[[int], None] | None = None,
) -> DataSetReading:
    """Measure the rows of a data set (line number and value each); bad rows are listed, good ones kept.

    `probes` are the benchmark probes that must not be in it; `on_row` hears of each line as it is done.
    Raises LabError when there is no usable row.
    """
    finder, index = DuplicateFinder(), ProbeIndex(probes)
    readings: list[RowReading] = []
    bad: list[BadRow] = []
    duplicates: list[Duplicate] = []
    overlaps: list[ProbeOverlap] = []
    for line, value in rows:
        if on_row:
            on_row(line)
        if isinstance(value, BadRow):
            bad.append(value)
            continue
        try:
            row = example(line, value)
        except LabError as error:
            bad.append(BadRow(line, str(error)))
            continue
        readings.append(_reading(row, table, lexicon))
        if duplicate := finder.add(row):
            duplicates.append(duplicate)
        overlaps += index.overlaps(row)
    if not readings:
        raise LabError(f"{source}: no usable row" + (f"; {bad[0]}" if bad else ""))
    return DataSetReading(
        source=source,
        zone_table=table.label,
        rows=tuple(readings),
        bad=tuple(bad),
        figures=_figures(readings),
        zone_shares=_zone_shares(readings, table),
        length_correlation=_length_correlation(readings),
        structured=_structured(readings),
        duplicates=tuple(duplicates),
        overlaps=tuple(overlaps),
        batteries=_batteries(index.probes, overlaps),
    )


def _reading(row: Example, table: ZoneTable, lexicon: GlyphLexicon) -> RowReading:
    entropy = measure(row.answer)
    zone = zone_of(entropy.word_entropy_nats, entropy.words, table)
    return RowReading(
        line=row.line,
        entropy=entropy,
        zone=zone.name if zone else None,
        glyphs_per_100_words=count_glyphs(row.answer, lexicon).per_100_words,
        structure=structure(row.prompt, row.answer) if row.prompt is not None else None,
    )


def _figures(readings: Sequence[RowReading]) -> dict[str, Spread | None]:
    figures = {name: _spread(getattr(row.entropy, name) for row in readings) for name in FIGURES}
    figures["glyphs_per_100_words"] = _spread(row.glyphs_per_100_words for row in readings)
    return figures


def _spread(values: Iterable[float | None]) -> Spread | None:
    known = [float(value) for value in values if value is not None]
    if not known:
        return None
    sd = statistics.stdev(known) if len(known) > 1 else None
    return Spread(len(known), statistics.fmean(known), sd, min(known), max(known))


def _zone_shares(readings: Sequence[RowReading], table: ZoneTable) -> dict[str, float]:
    counts = Counter(row.zone or TOO_SHORT for row in readings)
    return {name: counts[name] / len(readings) for name in (*(z.name for z in table.zones), TOO_SHORT)}


def _length_correlation(readings: Sequence[RowReading]) -> float | None:
    pairs = [(row.entropy.word_entropy_nats, math.log(row.entropy.words)) for row in readings]
    entropies, lengths = zip(*pairs, strict=True)
    if len(pairs) < 3 or len(set(entropies)) < 2 or len(set(lengths)) < 2:
        return None
    return statistics.correlation(entropies, lengths)


def _structured(readings: Sequence[RowReading]) -> dict[str, int]:
    parts = [row.structure for row in readings if row.structure is not None]
    return {
        "rows": len(parts),
        "invoke": sum(part.invoke for part in parts),
        "witness": sum(part.witness for part in parts),
        "articulate": sum(part.articulate for part in parts),
        "complete": sum(part.complete for part in parts),
    }


def _batteries(probes: Sequence[ProbeRecord], overlaps: Iterable[ProbeOverlap]) -> dict[str, tuple[int, int]]:
    sizes = Counter(probe.battery for probe in probes)
    found = Counter(battery for battery, _ in {(hit.battery, hit.probe_id) for hit in overlaps})
    return {battery: (found[battery], size) for battery, size in sizes.items()}
