"""Everything that is known of one run, as it comes: series, words, events, samples. No widgets, no files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from screens.training.series import Series

if TYPE_CHECKING:
    from store.records import CheckpointRecord, EventRecord, GenerationRecord, MetricRecord, Record, RunRecord

SAMPLES_KEPT = 200
EVENTS_KEPT = 2000
PACE_OVER_STEPS = 100
NOT_DRAWN = frozenset(("tokens", "step_ms", "epoch", "examples", "padded_share", "replay_share"))
BREAKS = frozenset(("started", "resumed", "unpaused"))


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, in words."""

    step: int
    name: str
    level: str
    words: str
    at: str


@dataclass(frozen=True, slots=True)
class Sample:
    """An answer to a pinned probe; `ends` and `entropy_nats` have an entry a token, or none.

    `is_base` tells those of the model without any adapter.
    """

    step: int
    generation_id: str
    title: str
    text: str
    mean_entropy_nats: float | None
    ends: tuple[int, ...] = ()
    entropy_nats: tuple[float, ...] = ()
    is_base: bool = False


class RunBook:
    """A run as far as it was told. `revision` grows with every change."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.revision = 0
        self.name = ""
        self.objective = ""
        self.settings: Mapping[str, Any] = {}
        self.planned_steps = 0
        self.step = 0
        self.series: dict[tuple[str, str], Series] = {}
        self.words: dict[str, Mapping[str, str]] = {}
        self.events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self.samples: deque[Sample] = deque(maxlen=SAMPLES_KEPT)
        self.answers: dict[str, Event] = {}
        self.changed: dict[str, object] = {}
        self.best: tuple[int, float] | None = None
        self.n_checkpoints = 0
        self._generations: dict[str, GenerationRecord] = {}
        self._waiting: dict[str, int] = {}
        self._pace: deque[tuple[int, float]] = deque(maxlen=PACE_OVER_STEPS)

    # -- taking in -------------------------------------------------------------------------------------------

    def take(self, records: Iterable[Record]) -> None:
        """The next records of the run, in the order in which they were written."""
        for record in records:
            self.revision += 1
            match record.kind:
                case "run":
                    self._run(record)  # type: ignore[arg-type]
                case "metric":
                    self._metric(record)  # type: ignore[arg-type]
                case "event":
                    self._event(record)  # type: ignore[arg-type]
                case "generation":
                    self._generation(record)  # type: ignore[arg-type]
                case "sample":
                    self._sample(record.generation_id, record.step)  # type: ignore[union-attr, arg-type]
                case "checkpoint":
                    self._checkpoint(record)  # type: ignore[arg-type]

    def _run(self, record: RunRecord) -> None:
        self.name, self.objective = record.name, record.objective
        self.settings, self.planned_steps = record.settings, record.planned_steps

    def _metric(self, record: MetricRecord) -> None:
        for name, value in record.values.items():
            if name in NOT_DRAWN:
                continue
            self.series_of(record.source, name).add(record.step, value)
        if record.words:
            self.words[record.source] = record.words
        self.step = max(self.step, record.step)
        if record.source == "train" and (at_s := seconds_of(record.at)) is not None:
            self._pace.append((record.step, at_s))
        if record.source == "valid":
            self.held_out(record.step, record.values.get("loss_nats"), record.values.get("best"))

    def held_out(self, step: int, loss_nats: float | None, best: float | None = None) -> None:
        """A held-out loss, and whether the run took it for the best, which begins anew with another loss."""
        if loss_nats is None:
            return
        if bool(best) if best is not None else self.best is None or loss_nats < self.best[1]:
            self.best = (step, loss_nats)

    def _event(self, record: EventRecord) -> None:
        event = Event(record.step, record.name, record.level, record.words, record.at)
        self.events.append(event)
        if record.name in BREAKS:
            self._pace.clear()
        if command := record.detail.get("command"):
            self.answers[str(command)] = event
        if record.name == "set" and "key" in record.detail:
            self.changed[str(record.detail["key"])] = record.detail.get("value")

    def _generation(self, record: GenerationRecord) -> None:
        self._generations[record.id] = record
        if record.id in self._waiting:
            self._sample(record.id, self._waiting.pop(record.id))

    def _sample(self, generation_id: str, step: int) -> None:
        record = self._generations.pop(generation_id, None)
        if record is None:
            self._waiting[generation_id] = step
            return
        trace = record.trace
        self.samples.append(
            Sample(
                step,
                generation_id,
                record.probe_id or record.prompt,
                record.text,
                record.mean_entropy_nats,
                trace.ends if trace else (),
                trace.entropy_nats if trace else (),
                record.adapter_sha256 is None,
            )
        )

    def _checkpoint(self, _: CheckpointRecord) -> None:
        self.n_checkpoints += 1

    # -- asking ----------------------------------------------------------------------------------------------

    def series_of(self, source: str, name: str) -> Series:
        """The series of that name, made where there is none yet."""
        return self.series.setdefault((source, name), Series())

    def has(self, source: str, name: str) -> bool:
        """Whether there is anything to draw."""
        series = self.series.get((source, name))
        return series is not None and len(series) > 0

    def last(self, source: str, name: str) -> float | None:
        """The newest value."""
        series = self.series.get((source, name))
        return None if series is None else series.last

    @property
    def may_answer(self) -> bool:
        """Whether it answers probes on its way, as far as its settings are known."""
        from lab.train.monitors.settings import of_run

        try:
            monitors = of_run(self.settings.get("monitors") if self.settings else True)
        except LabError:
            # Of another version, whose settings this one does not know.
            return True
        return monitors is not None and monitors.asks

    @property
    def eta_s(self) -> float | None:
        """Seconds to the last planned step at the pace of the newest steps, evaluations included."""
        if len(self._pace) < 2 or not self.planned_steps:
            return None
        (first, began), (last, ended) = self._pace[0], self._pace[-1]
        if last <= first:
            return None
        return max(0.0, (self.planned_steps - self.step) * (ended - began) / (last - first))


def seconds_of(utc_iso: str) -> float | None:
    """A stored naive-UTC time as seconds since 1970; None where it is none."""
    try:
        return datetime.fromisoformat(utc_iso.removesuffix("Z")).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
