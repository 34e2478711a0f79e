"""Answers of the model in training, and of its base, made by the lab's one decoding loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from lab.asks import ask_probe, ask_text
from lab.errors import LabError
from lab.models.gated import in_place_of
from lab.models.load import LoadedModel
from lab.probes import shipped
from lab.protocol import Ask
from lab.sampling import load_preset
from lab.session import Session
from lab.train.monitors.settings import MonitorSettings
from store.ids import derived_id
from store.records import AdapterRecord, GenerationRecord, Record, ScoreRecord


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers in the order in which they were asked, a score for each, and the facts they name."""

    generations: tuple[GenerationRecord, ...]
    scores: tuple[ScoreRecord, ...]
    records: tuple[Record, ...]


def asks_of(settings: MonitorSettings) -> tuple[Ask, ...]:
    """The pinned questions, each with a seed of its own. Raises LabError for a probe that is not shipped."""
    sampling = load_preset(settings.sampling)
    if settings.max_tokens is not None:
        sampling = replace(sampling, max_tokens=settings.max_tokens)
    known = {f"{probe.battery}/{probe.id}": probe for probe in shipped()} if settings.probes else {}
    asks: list[Ask] = []
    for name in settings.probes:
        if name not in known:
            raise LabError(
                f"monitors.probes: no shipped probe {name!r}; expected battery/id (prompts takes texts)"
            )
        asks.append(ask_probe(known[name], None, sampling, settings.seed + len(asks)))
    for prompt in settings.prompts:
        asks.append(ask_text(prompt, None, sampling, settings.seed + len(asks)))
    return tuple(replace(ask, alternatives=0) for ask in asks)


def answer(loaded: LoadedModel, asks: Sequence[Ask]) -> Answers:
    """Ask the model as it is, adapters attached. Raises LabError where it cannot be decoded."""
    kept = _Kept()
    try:
        for _ in Session(loaded, kept).generate("monitor", asks, batch_size=len(asks)):
            pass
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise LabError(f"{loaded.record.name} cannot be decoded while it trains: {error}") from error
    place = {(ask.seed, ask.adapter): index for index, ask in enumerate(asks)}
    made = sorted(kept.generations, key=lambda found: place[found.seed, found.adapter_sha256])
    scores = {score.generation_id: score for score in kept.scores}
    return Answers(tuple(made), tuple(scores[found.id] for found in made), tuple(kept.records))


def of_run(answers: Answers, run_id: str, source: str, adapter_id: str | None) -> Answers:
    """The answers as a run's, with ids that follow from the run and `source`.

    A run that is gone on with makes them once more, and they are the same facts.
    """
    ids = [derived_id(run_id, source, place) for place in range(len(answers.generations))]
    return replace(
        answers,
        generations=tuple(
            replace(made, id=new, run_id=run_id, adapter_sha256=adapter_id)
            for made, new in zip(answers.generations, ids, strict=True)
        ),
        scores=tuple(
            replace(score, id=derived_id(new, score.instrument), generation_id=new)
            for score, new in zip(answers.scores, ids, strict=True)
        ),
    )


@contextmanager
def trained_beside_base(loaded: LoadedModel, adapter: AdapterRecord) -> Iterator[str | None]:
    """Inside, rows on the yielded variant are the model in training, and those on None its base.

    A full fine-tune has no base in memory: both are the model in training.
    """
    if adapter.fine_tune_type == "full":
        yield None
        return
    with in_place_of(loaded, adapter.path):
        yield adapter.id


@dataclass
class _Kept:
    """Where a session's records go while the run's own journal waits for them."""

    generations: list[GenerationRecord] = field(default_factory=list)
    scores: list[ScoreRecord] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def append(self, record: Record, *, durable: bool = False) -> None:
        if isinstance(record, GenerationRecord):
            self.generations.append(record)
        elif isinstance(record, ScoreRecord):
            self.scores.append(record)
        else:
            self.records.append(record)
