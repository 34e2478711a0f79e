"""What a run writes down: the records of one process, and what its earlier processes have said already.

A run that is gone on with repeats the steps after its last checkpoint. What was said of them before its
process died is in the older journals; it is not said again, so that lines have no gaps and no doubles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.train.control import Command
from lab.train.folder import RunFolder
from store.home import Home
from store.ids import derived_id, new_id, utc_now
from store.journal import Journal, parse_line, read
from store.records import (
    CheckpointRecord,
    EventLevel,
    EventRecord,
    GenerationRecord,
    MetricRecord,
    Record,
    RunRecord,
    SampleRecord,
    ScoreRecord,
)


@dataclass(slots=True)
class Said:
    """What the journals of a run hold already."""

    run: bool = False
    metrics: set[tuple[str, int]] = field(default_factory=set)
    checkpoints: set[tuple[int, str]] = field(default_factory=set)
    once: set[str] = field(default_factory=set)
    events: set[tuple[int, str, str]] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)


def what_was_said(home: Home, folder: RunFolder) -> Said:
    """Read the journals of a run's earlier processes."""
    said = Said()
    for name in folder.journals():
        path = home.journals / name
        if not path.exists():
            continue
        for line in read(path):
            try:
                envelope = parse_line(line.raw)
            except ValueError:
                continue
            _take_in(said, envelope.kind, envelope.data)
    return said


def _take_in(said: Said, kind: str, data: Mapping[str, Any]) -> None:
    match kind:
        case "run":
            said.run = True
        case "metric":
            said.metrics.add((data["source"], data["step"]))
        case "checkpoint":
            said.checkpoints.add((data["step"], data["reason"]))
        case "generation" | "score" | "sample":
            said.once.add(data["id"])
        case "event":
            said.events.add((data["step"], data["name"], data["words"]))
            said.answered.add(str(data["detail"].get("command", "")))


class RunLog:
    """Writes the records of a run; on other ranks than the first it writes nothing.

    Raises StoreError when the disk is full; everything before is kept.
    """

    def __init__(self, run_id: str, journal: Journal | None, said: Said) -> None:
        self.run_id, self.said = run_id, said
        self._journal = journal

    def run(self, record: RunRecord) -> None:
        """The plan, once for all processes."""
        if not self.said.run:
            self.write(record, durable=True)
            self.said.run = True

    def metric(
        self,
        step: int,
        source: str,
        values: Mapping[str, float | None],
        words: Mapping[str, str] | None = None,
        *,
        durable: bool = False,
    ) -> None:
        """What was measured after a step. `durable` where a checkpoint of that step follows."""
        if (source, step) in self.said.metrics:
            return
        record = MetricRecord(
            run_id=self.run_id, step=step, source=source, values=values, at=utc_now(), words=words or {}
        )
        self.write(record, durable=durable)

    def event(
        self,
        step: int,
        name: str,
        words: str,
        level: EventLevel = "info",
        *,
        command: Command | None = None,
        always: bool = False,
    ) -> None:
        """What happened; `command` is what it answers. `always`: also when it was said before."""
        answer = command is not None and bool(command.id)
        if not always and not answer and (step, name, words) in self.said.events:
            return
        record = EventRecord(
            id=new_id(),
            run_id=self.run_id,
            step=step,
            name=name,
            level=level,
            words=words,
            at=utc_now(),
            detail=_answered(command) if command is not None and answer else {},
        )
        self.write(record, durable=True)

    def checkpoint(
        self, step: int, folder: str, adapter_id: str, reason: str, valid_loss_nats: float | None
    ) -> None:
        """A checkpoint that is whole and on the disk."""
        if (step, reason) in self.said.checkpoints:
            return
        record = CheckpointRecord(
            id=new_id(),
            run_id=self.run_id,
            step=step,
            folder=folder,
            adapter_id=adapter_id,
            reason=reason,
            at=utc_now(),
            valid_loss_nats=valid_loss_nats,
        )
        self.write(record, durable=True)

    def sample(self, step: int, monitor: str, generation_id: str) -> None:
        """That a generation belongs to a step."""
        record = SampleRecord(
            id=derived_id(generation_id, "sample"),
            run_id=self.run_id,
            step=step,
            monitor=monitor,
            generation_id=generation_id,
            at=utc_now(),
        )
        self.once(record)

    def once(self, record: GenerationRecord | ScoreRecord | SampleRecord) -> None:
        """A record whose id follows from what it is about, unless it is in an older journal."""
        if record.id not in self.said.once:
            self.write(record)

    def write(self, record: Record, *, durable: bool = False) -> None:
        """Any record, as it is."""
        if self._journal is not None:
            self._journal.append(record, durable=durable)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()


def _answered(command: Command) -> dict[str, object]:
    """The id of a command; of one that sets something also what, and to which value."""
    given: dict[str, object] = {"command": command.id}
    if command.name == "set":
        given |= {"key": command.key, "value": command.value}
    return given
