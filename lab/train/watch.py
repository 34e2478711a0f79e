"""Follow a run from outside: its journals as records, as they are written. For commands and screens alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from lab.train.folder import RunFolder
from store.home import Home
from store.journal import Envelope, tail
from store.records import (
    RECORD_TYPES,
    CheckpointRecord,
    EventRecord,
    GenerationRecord,
    MetricRecord,
    Record,
    RunRecord,
    SampleRecord,
    Trace,
)

WATCHED = frozenset(
    record.kind
    for record in (RunRecord, MetricRecord, CheckpointRecord, SampleRecord, EventRecord, GenerationRecord)
)


class RunTail:
    """The records of one run, of all its processes, from the first one on."""

    def __init__(self, home: Home, folder: RunFolder) -> None:
        self._home, self._folder = home, folder
        self._offsets: dict[str, int] = {}

    def poll(self) -> list[Record]:
        """What was written since the last call; never blocks, and leaves out what is no record."""
        found: list[Record] = []
        for name in self._folder.journals():
            path = self._home.journals / name
            if not path.exists():
                continue
            envelopes, self._offsets[name] = tail(path, self._offsets.get(name, 0))
            found += [record for record in map(_record, envelopes) if record is not None]
        return found


def _record(envelope: Envelope) -> Record | None:
    if envelope.kind not in WATCHED:
        return None
    try:
        record: Record = RECORD_TYPES[envelope.kind](**_fields(envelope))
    except TypeError:
        # Written by another version of the lab; the store will say so.
        return None
    return record


def _fields(envelope: Envelope) -> Mapping[str, Any]:
    trace = envelope.data.get("trace")
    if envelope.kind != GenerationRecord.kind or trace is None:
        return envelope.data
    series: dict[str, Any] = {
        field.name: tuple(trace[field.name]) if isinstance(trace[field.name], list) else trace[field.name]
        for field in fields(Trace)
        if field.name in trace
    }
    return {**envelope.data, "trace": Trace(**series)}
