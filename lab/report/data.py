"""Everything that a report on a comparison shows, gathered from the store at once. No number is made here.

`CompareReport` does not say where its answers came from: those of the lab and those made elsewhere
(`lab.report.imported`) are reported alike, with what is not known left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.compare.summary import ComparisonSummary, summarize
from lab.errors import LabError
from lab.judging import StoredJudgement, judgements, pair_verdicts
from lab.report.ratings import RatedScale, rated_scales
from store.ids import utc_now

if TYPE_CHECKING:
    from lab.measure.instrument import Instrument
    from store.queries import ComparedAnswer, StoredSide
    from store.queries.reports import AnswerText, CurvePoint
    from store.records import AdapterRecord, ComparisonRecord, ModelRecord, SideName, SideRecord
    from store.service import StoreService

CURVE_STEPS = 40
LEAST_ANSWERS_ON_CURVE = 5
TOTAL = "total"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAnswer:
    """One answer; None where something is not known."""

    text: str | None
    total: float | None
    modes: tuple[str, ...] = ()
    generation_id: str | None = None
    n_tokens: int | None = None
    finish_reason: str | None = None
    mean_entropy_nats: float | None = None
    word_entropy_nats: float | None = None
    words: int | None = None
    started_at: str | None = None
    wall_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPair:
    """Both answers to one question. `cluster` is the probe that the statistics count it under."""

    place: int
    cluster: str
    probe_id: str | None
    domain: str | None
    prompt: str
    seed: int | None
    left: ReportAnswer
    right: ReportAnswer

    @property
    def delta(self) -> float | None:
        """Right less left; None where either has no score."""
        if self.left.total is None or self.right.total is None:
            return None
        return self.right.total - self.left.total

    @property
    def shared_characters(self) -> int:
        """How long both texts are the same from the start."""
        left, right = self.left.text or "", self.right.text or ""
        for position, (a, b) in enumerate(zip(left, right, strict=False)):
            if a != b:
                return position
        return min(len(left), len(right))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSide:
    """What one side is: a name for headings, and its facts in the order in which they are shown."""

    words: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareReport:
    """A comparison as it is in the store at `written_at`.

    `curve` has the mean H_t along the answers, both sides, only where enough of them reach. `max_tokens` is
    the limit of the side that had the higher one. `origin` says where the answers come from when it was not
    the lab.
    """

    id: str
    name: str
    battery: str
    at: str
    written_at: str
    instrument: str
    version: str
    description: str
    known_faults: tuple[str, ...]
    left: ReportSide
    right: ReportSide
    summary: ComparisonSummary
    pairs: tuple[ReportPair, ...]
    curve: tuple[CurvePoint, ...] = ()
    scales: tuple[RatedScale, ...] = ()
    judgements: tuple[StoredJudgement, ...] = ()
    max_tokens: int | None = None
    origin: str | None = None


def collect(service: StoreService, comparison_id: str, by: Instrument | None = None) -> CompareReport:
    """The report of a stored comparison, by its own instrument or by another that has scored its answers.

    Raises LabError when there is none of this id, or nothing to compare in it.
    """
    from store.queries import compared_answers, comparison, ratings, stored_side
    from store.queries.reports import answer_texts, entropy_curve

    record = service.query(comparison, comparison_id)
    if record is None:
        raise LabError(f"no comparison {comparison_id!r}: `lantern compare list` shows the ids")
    name, version = (record.instrument, record.version) if by is None else (by.name, by.version)
    answers = service.query(compared_answers, record.id, name, version)
    summary = summarize(answers, name, version, planned=len(record.pairs))
    texts = {(row.place, row.side): row for row in service.query(answer_texts, record.id)}
    longest = max((answer.n_tokens or 0 for answer in answers), default=0)
    curve = service.query(entropy_curve, record.id, max(1, -(-longest // CURVE_STEPS)))
    description, faults = instrument_facts(name, version, by)
    pairs = _pairs(record, answers, texts)
    verdicts = pair_verdicts((pair.place, pair.delta) for pair in pairs)
    stored = [(side, service.query(stored_side, side)) for side in (record.left, record.right)]
    sides = [_side(service, side, known) for side, known in stored]
    limits = [known.condition.max_tokens for _, known in stored if known.condition is not None]
    return CompareReport(
        id=record.id,
        name=record.name,
        battery=record.battery,
        at=record.at,
        written_at=utc_now(),
        instrument=name,
        version=version,
        description=description,
        known_faults=faults,
        left=_with_backends(sides[0], "left", texts),
        right=_with_backends(sides[1], "right", texts),
        summary=summary,
        pairs=pairs,
        curve=_enough(curve),
        scales=rated_scales(service.query(ratings, record.id), {pair.place: pair.cluster for pair in pairs}),
        judgements=tuple(judgements(service, record.id, verdicts)),
        max_tokens=max(limits, default=None),
    )


def instrument_facts(name: str, version: str, by: Instrument | None) -> tuple[str, tuple[str, ...]]:
    """What an instrument says of itself and its known faults, where the lab still has that version of it."""
    from lab.scoring import instrument

    try:
        found = by or instrument(name)
    except LabError:
        return "an instrument that this lab does not have", ()
    if found.version != version:
        return f"the lab has version {found.version} now; these scores are by version {version}", ()
    return found.description, found.known_faults


def _pairs(
    record: ComparisonRecord,
    answers: Sequence[ComparedAnswer],
    texts: Mapping[tuple[int, SideName], AnswerText],
) -> tuple[ReportPair, ...]:
    by_place: dict[int, dict[str, ComparedAnswer]] = {}
    for answer in answers:
        by_place.setdefault(answer.place, {})[answer.side] = answer
    return tuple(
        ReportPair(
            place=place,
            cluster=sides["left"].cluster,
            probe_id=sides["left"].probe_id,
            domain=sides["left"].domain,
            prompt=record.pairs[place].prompt,
            seed=record.pairs[place].seed,
            left=_answer(sides["left"], texts[place, "left"]),
            right=_answer(sides["right"], texts[place, "right"]),
        )
        for place, sides in sorted(by_place.items())
        if len(sides) == len(("left", "right"))
    )


def _answer(answer: ComparedAnswer, text: AnswerText) -> ReportAnswer:
    return ReportAnswer(
        text=text.text,
        total=answer.scores.get(TOTAL),
        modes=answer.modes,
        generation_id=answer.generation_id,
        n_tokens=answer.n_tokens,
        finish_reason=answer.finish_reason,
        mean_entropy_nats=answer.mean_entropy_nats,
        word_entropy_nats=text.word_entropy_nats,
        words=text.words,
        started_at=text.started_at,
        wall_ms=text.wall_ms,
    )


def _enough(curve: Sequence[CurvePoint]) -> tuple[CurvePoint, ...]:
    """Where too few answers are as long as that, the mean says more of them than of the side."""
    return tuple(point for point in curve if point.answers >= LEAST_ANSWERS_ON_CURVE)


def _side(service: StoreService, side: SideRecord, stored: StoredSide) -> ReportSide:
    from store.queries.reports import adapter_record, model_record

    facts = _model_facts(service.query(model_record, side.model_id), side.model_id)
    if side.adapter_sha256 is not None:
        facts += _adapter_facts(service.query(adapter_record, side.adapter_sha256), side.adapter_sha256)
    under = stored.condition
    if under is not None:
        kernel = (
            "none" if under.kernel_name is None else f"{under.kernel_name}, SHA-256 {under.kernel_sha256}"
        )
        facts += [
            ("kernel", kernel),
            (
                "sampling",
                f"temperature {under.temperature:g}, top-p {under.top_p:g}, top-k {under.top_k}, "
                f"min-p {under.min_p:g}, at most {under.max_tokens} tokens",
            ),
        ]
    return ReportSide(words=side.words, facts=tuple(facts))


def _model_facts(model: ModelRecord | None, model_id: str) -> list[tuple[str, str]]:
    if model is None:
        return [("model", f"not known any more, id {model_id}")]
    size = f"{model.parameters / 1e6:,.1f}M parameters"
    return [
        ("model", f"{model.name} ({model.architecture}, {size}, {model.quantization or 'not quantized'})"),
        ("weights", f"SHA-256 {model.weights_sha256}"),
        ("chat template", f"SHA-256 {model.template_sha256}"),
    ]


def _adapter_facts(adapter: AdapterRecord | None, adapter_id: str) -> list[tuple[str, str]]:
    if adapter is None:
        return [("adapter", f"not known any more, SHA-256 {adapter_id}")]
    settings: list[str] = [adapter.fine_tune_type]
    if adapter.rank is not None:
        settings.append(f"rank {adapter.rank}")
    if adapter.scale is not None:
        settings.append(f"scale {adapter.scale:g}")
    if adapter.num_layers is not None:
        settings.append(f"{adapter.num_layers} layers")
    return [("adapter", f"{adapter.name} ({', '.join(settings)})"), ("", f"SHA-256 {adapter.id}")]


def _with_backends(
    side: ReportSide, name: SideName, texts: Mapping[tuple[int, SideName], AnswerText]
) -> ReportSide:
    rows = [row for (_, of), row in texts.items() if of == name]
    if not rows:
        return side
    began, ended = min(row.started_at for row in rows), max(row.started_at for row in rows)
    made = (
        ("answers", f"{len(rows)}, on {', '.join(sorted({row.backend for row in rows}))}"),
        ("made", f"{began[:19].replace('T', ' ')} to {ended[:19].replace('T', ' ')} UTC"),
    )
    return ReportSide(words=side.words, facts=side.facts + made)
