"""Everything that a report on a training run shows, from the run's own records. No number is made here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.measure.words import measure
from lab.report.card import CardFacts
from lab.report.series_plot import Series
from lab.report.words import number
from store.ids import utc_now
from store.records import RUN_ENDS, GenerationRecord, Record, SampleRecord

RUN_CHARTS: tuple[tuple[str, str, tuple[tuple[str, str, str], ...], bool], ...] = (
    ("Loss", "nats a token", (("train", "loss_nats", "training"), ("valid", "loss_nats", "held-out")), False),
    ("Learning rate", "rate", (("train", "learning_rate", "learning rate"),), False),
    ("S", "share", (("scu", "s", "S"), ("scu", "s_hat", "S filtered")), False),
    ("λ", "λ", (("scu", "lambda", "λ"),), True),
    (
        "Rewards",
        "β·ρ",
        (("train", "rewards/chosen", "chosen"), ("train", "rewards/rejected", "rejected")),
        False,
    ),
    ("Gradient norm", "norm", (("train", "grad_norm", "gradient norm"),), False),
    ("Speed", "counted tokens/s", (("train", "tokens_per_second", "tokens/s"),), False),
)
OWN_SOURCES = frozenset({"train", "valid", "scu"})


@dataclass(frozen=True, slots=True)
class Chart:
    """Series that share an axis, and values to be marked across."""

    title: str
    unit: str
    lines: tuple[Series, ...]
    rules: tuple[tuple[str, float], ...] = ()
    log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSample:
    """An answer that the run gave after a step."""

    step: int
    text: str
    n_tokens: int
    entropy_nats: float | None
    word_entropy_nats: float
    words: int
    finish_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledProbe:
    """What one probe was answered before the first step and at the last; `answers` counts all of them."""

    prompt: str
    name: str
    answers: int
    first: ShownSample
    last: ShownSample


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A run as its records are at `written_at`."""

    facts: CardFacts
    ended: str
    charts: tuple[Chart, ...]
    probes: tuple[SampledProbe, ...]
    tiles: tuple[tuple[str, str, str], ...]
    written_at: str


def collect_run(facts: CardFacts, records: Sequence[Record]) -> RunReport:
    """The report of a run from its records, sorted and as they are."""
    ends = [event for event in facts.events if event.name in RUN_ENDS]
    ended = f"{ends[-1].name} after step {ends[-1].step:,}: {ends[-1].words}" if ends else "it has not ended"
    return RunReport(
        facts=facts,
        ended=ended,
        charts=tuple(_charts(facts)),
        probes=tuple(_probes(records)),
        tiles=tuple(_tiles(facts)),
        written_at=utc_now(),
    )


def series(facts: CardFacts, source: str, name: str) -> list[tuple[int, float]]:
    """(step, value) of a series, without what was not measured."""
    found = ((metric.step, metric.values.get(name)) for metric in facts.metrics.get(source, ()))
    return [(step, value) for step, value in found if value is not None]


def _charts(facts: CardFacts) -> Iterable[Chart]:
    for title, unit, wanted, log in RUN_CHARTS:
        lines = tuple(
            Series(label, points) for source, name, label in wanted if (points := series(facts, source, name))
        )
        if lines:
            yield Chart(title, unit, lines, _rules(facts) if title == "S" else (), log)
    for source in sorted(set(facts.metrics) - OWN_SOURCES):
        names = sorted({name for metric in facts.metrics[source] for name in metric.values})
        for name in names:
            points = series(facts, source, name)
            if len(points) > 1 and len({value for _, value in points}) > 1:
                yield Chart(f"{source}: {name}", name.rpartition("_")[2], (Series(name, points),))


def _rules(facts: CardFacts) -> tuple[tuple[str, float], ...]:
    targets, floors = series(facts, "scu", "target"), series(facts, "scu", "floor")
    rules = [("target", targets[-1][1])] if targets else []
    return (*rules, *([("floor", floors[-1][1])] if floors else []))


def _tiles(facts: CardFacts) -> Iterable[tuple[str, str, str]]:
    """(what, figure, beside it): the four things that are asked first."""
    held = series(facts, "valid", "loss_nats")
    if held:
        best = min(held, key=lambda point: point[1])
        yield (
            "held-out loss, best",
            number(best[1], 3),
            f"nats a token, step {best[0]:,} of {held[-1][0]:,}",
        )
        yield (
            "held-out loss, first to last",
            f"{number(held[0][1], 3)} → {number(held[-1][1], 3)}",
            "nats a token",
        )
    train = series(facts, "train", "loss_nats")
    if train:
        yield "training loss, last", number(train[-1][1], 3), f"nats a token, step {train[-1][0]:,}"
    tokens = sum(value for _, value in series(facts, "train", "tokens"))
    if tokens:
        yield "learned from", f"{tokens:,.0f}", f"counted tokens in {len(train):,} updates"


def _probes(records: Sequence[Record]) -> Iterable[SampledProbe]:
    generations = {record.id: record for record in records if isinstance(record, GenerationRecord)}
    samples = [record for record in records if isinstance(record, SampleRecord)]
    by_prompt: dict[str, list[tuple[int, GenerationRecord]]] = {}
    for sample in sorted(samples, key=lambda sample: sample.step):
        generation = generations.get(sample.generation_id)
        if generation is not None:
            by_prompt.setdefault(generation.prompt, []).append((sample.step, generation))
    for prompt, answers in by_prompt.items():
        (first_step, first), (last_step, last) = answers[0], answers[-1]
        name = "/".join(part for part in (first.probe_battery, first.probe_id) if part)
        yield SampledProbe(
            prompt=prompt,
            name=name or "prompt",
            answers=len(answers),
            first=_shown(first_step, first),
            last=_shown(last_step, last),
        )


def _shown(step: int, generation: GenerationRecord) -> ShownSample:
    said = measure(generation.text)
    return ShownSample(
        step=step,
        text=generation.text,
        n_tokens=generation.n_tokens,
        entropy_nats=generation.mean_entropy_nats,
        word_entropy_nats=said.word_entropy_nats,
        words=said.words,
        finish_reason=generation.finish_reason,
    )
