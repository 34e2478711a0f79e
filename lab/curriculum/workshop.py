"""What the stages of a curriculum work with: the store, the models, and the events they write."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lab.compare.run import Models
from lab.curriculum.settings import AFTER, BEFORE, Curriculum, Phase, from_mapping
from lab.curriculum.state import Progress, progress
from lab.decode.loop import never
from lab.errors import LabError
from store.home import Home
from store.ids import new_id, utc_now
from store.journal import Journal
from store.queries.curricula import phase_events
from store.records import CurriculumRecord, PhaseRecord, PhaseState
from store.service import StoreService

CURRICULA = "curricula"


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked: whether to go on though `what` is not settled. `lines` are the evidence."""

    what: Literal["review", "gate"]
    phase: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """How far a stage is; `done` of `total`, where it can be counted, and what else there is to say."""

    phase: str
    stage: str
    words: str = ""
    done: int | None = None
    total: int | None = None
    eta_s: float | None = None


class StoppedError(Exception):
    """The caller asked to stop; what is finished is kept."""


class WaitingError(Exception):
    """A person has to decide, and there is none."""


def nobody(_: Question) -> str | None:
    """Nobody is there to answer."""
    return None


@dataclass
class Workshop:
    """A curriculum at work. `ask` answers questions (None: wait for a person), `told` hears of every step."""

    home: Home
    store: StoreService
    journal: Journal
    record: CurriculumRecord
    ask: Callable[[Question], str | None] = nobody
    told: Callable[[Step], None] = lambda _: None
    should_stop: Callable[[], bool] = never
    batch_size: int = 8

    def __post_init__(self) -> None:
        self.models = Models(self.home, self.journal)
        self.curriculum: Curriculum = from_mapping(self.record.settings, self.record.name)

    @property
    def folder(self) -> Path:
        """Where its data and fused weights are."""
        return Path(self.record.folder)

    def progress(self) -> Progress:
        """Where it stands now."""
        self.store.ingest()
        return progress(self.record.phases, self.store.query(phase_events, self.record.id))

    def phase(self, place: int, changes: Mapping[str, Any]) -> Phase:
        """A phase with the settings that a rollback changed."""
        phase = self.curriculum.phases[place]
        return replace(phase, train={**phase.train, **changes})

    def event(
        self,
        phase: str,
        attempt: int,
        stage: str,
        state: PhaseState,
        words: str,
        detail: Mapping[str, Any] | None = None,
        **ids: Any,
    ) -> PhaseRecord:
        """Say what happened; it is on disk when this returns."""
        record = PhaseRecord(
            id=new_id(),
            curriculum_id=self.record.id,
            phase=phase,
            place=self._place(phase),
            attempt=attempt,
            stage=stage,
            state=state,
            words=words,
            at=utc_now(),
            detail=detail or {},
            **ids,
        )
        self.store.append(record)
        self.told(Step(phase, stage, words if state != "begun" else f"begun: {words}"))
        return record

    def refuse_stop(self) -> None:
        """Raise StoppedError where the caller has asked to stop."""
        if self.should_stop():
            raise StoppedError

    def _place(self, phase: str) -> int:
        if phase == BEFORE:
            return 0
        return len(self.record.phases) if phase == AFTER else self.record.phases.index(phase)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the curriculum's lock. Raises LabError while another process works on it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise LabError("another process works on this curriculum: `lantern curriculum status`") from error
    else:
        yield
    finally:
        os.close(descriptor)
