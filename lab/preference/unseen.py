"""Which probes a run has not been trained on, whatever the form of its data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lab.thermometer.overlap import ProbeIndex
from lab.thermometer.rows import Example
from lab.train.data.rows import split_file
from store.records import ProbeRecord


def unseen_probes(probes: Iterable[ProbeRecord], data: Path) -> list[ProbeRecord]:
    """The probes whose prompt, or eight words in a row of it, stand in no training row.

    `data` is a data directory or a file, as a run names it. Without a training file nothing was seen.
    """
    index = ProbeIndex(probes)
    file = split_file(data, "train")
    seen: set[tuple[str, str]] = set()
    for row in _rows(file) if file is not None else ():
        for text in texts_of(row):
            seen.update((found.battery, found.probe_id) for found in index.overlaps(Example(0, text, "")))
    return [probe for probe in index.probes if (probe.battery, probe.id) not in seen]


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a JSON value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts_of(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from texts_of(inner)


def _rows(file: Path) -> Iterator[Any]:
    """Lines that are no JSON were no training rows either."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue
    except OSError:
        return
