"""Answers that may become training data, wherever they come from, in one shape. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.measure.answer import answer_of

if TYPE_CHECKING:
    from lab.interchange.distilled import DistilledRow
    from lab.measure.instrument import Instrument
    from store.queries.distilled import DistilledAnswer

SELF = "self"
"""The source of a model's own answers; any other name is of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An answer without template debris. `cluster` is the probe that this one or its rephrasing comes from.

    `id` is that of the generation, or source and line of a file; `score` the total by the instrument that
    decides. `extra` holds the probe's further fields, such as `kind`: "unsafe".
    """

    id: str
    source: str
    cluster: str
    variant: str
    prompt: str
    answer: str
    finish_reason: str
    score: float | None
    probe_battery: str | None = None
    probe_id: str | None = None
    domain: str | None = None
    seed: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def of_distillation(
    answers: Iterable[DistilledAnswer], fields: Mapping[tuple[str, str], Mapping[str, Any]]
) -> list[Candidate]:
    """A model's own answers; `fields` are the probes' further fields by battery and id."""
    return [
        Candidate(
            id=one.generation_id,
            source=SELF,
            cluster=one.cluster,
            variant=one.variant,
            prompt=one.prompt,
            answer=answer_of(one.text).text,
            finish_reason=one.finish_reason,
            score=one.score,
            probe_battery=one.probe_battery,
            probe_id=one.probe_id,
            domain=one.domain,
            seed=one.seed,
            extra=fields.get((one.probe_battery or "", one.probe_id or ""), {}),
        )
        for one in answers
    ]


def of_rows(rows: Iterable[DistilledRow], source: str, by: Instrument) -> list[Candidate]:
    """Answers that somebody else wrote, scored now. What their file says of the source probe is believed."""
    from lab.measure.instrument import Reading

    return [
        Candidate(
            id=f"{source}:{row.line}",
            source=source,
            cluster=str(row.said.get("source_probe") or row.probe_id),
            variant=str(row.said.get("rephrase_type") or "original"),
            prompt=row.prompt,
            answer=answer_of(row.answer).text,
            finish_reason="stop",
            score=by.score(Reading(text=row.answer, prompt=row.prompt)).total,
            probe_id=row.probe_id,
            domain=str(row.said.get("category") or "") or None,
        )
        for row in rows
    ]
