"""The report on answers made elsewhere: two conditions of one import, scored by one instrument.

Only what the files hold is reported. Nothing is known of weights, seeds, tokens or entropies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lab.compare.plan import SIDE_NAMES
from lab.compare.summary import summarize
from lab.errors import LabError
from lab.report.data import CompareReport, ReportAnswer, ReportPair, ReportSide, instrument_facts
from store.ids import utc_now

if TYPE_CHECKING:
    from lab.measure.instrument import Instrument
    from store.queries import ComparedAnswer
    from store.queries.imports import ImportedAnswer
    from store.records import ImportedFileRecord, SideName
    from store.service import StoreService

BASELINE = "baseline"
TOTAL = "total"
Measured = tuple[str, str]


def collect_import(
    service: StoreService,
    import_id: str,
    *,
    left: str | None = None,
    right: str | None = None,
    by: Instrument | None = None,
) -> CompareReport:
    """The report on two conditions of an import: by default the baseline, and the first other one.

    Raises LabError when there is no such import or condition, or no scores by the instrument.
    """
    from store.queries.imports import imported_answers, imported_file

    record = service.query(imported_file, import_id)
    if record is None:
        raise LabError(f"no import {import_id!r}: `lantern compare imports` shows the ids")
    answers = service.query(imported_answers, import_id)
    sides = _conditions(answers, left, right)
    measured = (by.name, by.version) if by else _only_measure(answers)
    pairs = [
        (by_side[sides[0]], by_side[sides[1]])
        for by_side in _by_probe(answers).values()
        if by_side.keys() >= set(sides)
    ]
    compared = [
        _compared(place, side, answer, measured)
        for place, both in enumerate(pairs)
        for side, answer in zip(SIDE_NAMES, both, strict=True)
    ]
    description, faults = instrument_facts(*measured, by)
    return CompareReport(
        id=record.id,
        name=f"{sides[0]} | {sides[1]}",
        battery=", ".join(record.sources),
        at=record.at,
        written_at=utc_now(),
        instrument=measured[0],
        version=measured[1],
        description=description,
        known_faults=faults,
        left=_side(record, sides[0], answers),
        right=_side(record, sides[1], answers),
        summary=summarize(compared, *measured, planned=len(pairs)),
        pairs=tuple(_pair(place, before, after, measured) for place, (before, after) in enumerate(pairs)),
        origin="The answers were made elsewhere and imported: seeds, tokens and entropies are not known.",
    )


def _conditions(answers: Sequence[ImportedAnswer], left: str | None, right: str | None) -> tuple[str, str]:
    """The names of both sides. Raises LabError naming the conditions that there are."""
    names = list(dict.fromkeys(answer.record.condition for answer in answers))
    for wanted in (left, right):
        if wanted is not None and wanted not in names:
            raise LabError(f"no condition {wanted!r}: there is {', '.join(names)}")
    base = left or (BASELINE if BASELINE in names else names[0])
    others = [name for name in names if name != base]
    if right is None and not others:
        raise LabError(f"there is only one condition, {base}: nothing to hold against it")
    return base, right or others[0]


def _only_measure(answers: Sequence[ImportedAnswer]) -> Measured:
    """The one instrument that scored the answers. Raises LabError when there is none, or several."""
    found = sorted({measured for answer in answers for measured in answer.scores})
    if not found:
        raise LabError("no scores: import the file again with --instrument")
    if len(found) > 1:
        names = ", ".join(f"{name} {version}" for name, version in found)
        raise LabError(f"scored by {names}: say which with --instrument")
    return found[0]


def _by_probe(answers: Sequence[ImportedAnswer]) -> Mapping[str, Mapping[str, ImportedAnswer]]:
    found: dict[str, dict[str, ImportedAnswer]] = {}
    for answer in answers:
        found.setdefault(answer.record.probe_id, {})[answer.record.condition] = answer
    return found


def _compared(place: int, side: SideName, answer: ImportedAnswer, measured: Measured) -> ComparedAnswer:
    from store.queries import ComparedAnswer

    return ComparedAnswer(
        place=place,
        side=side,
        cluster=answer.record.probe_id,
        scores=answer.scores.get(measured, {}),
        probe_id=answer.record.probe_id,
        domain=answer.record.domain,
    )


def _pair(place: int, left: ImportedAnswer, right: ImportedAnswer, measured: Measured) -> ReportPair:
    return ReportPair(
        place=place,
        cluster=left.record.probe_id,
        probe_id=left.record.probe_id,
        domain=left.record.domain,
        prompt=left.record.prompt,
        seed=None,
        left=_answer(left, measured),
        right=_answer(right, measured),
    )


def _answer(answer: ImportedAnswer, measured: Measured) -> ReportAnswer:
    return ReportAnswer(text=answer.record.text, total=answer.scores.get(measured, {}).get(TOTAL))


def _side(record: ImportedFileRecord, condition: str, answers: Sequence[ImportedAnswer]) -> ReportSide:
    n = sum(answer.record.condition == condition for answer in answers)
    facts = [
        ("condition", condition),
        ("model", f"{record.model_name}, as the file says" if record.model_name else "not said"),
        ("file", ", ".join(record.sources)),
        ("contents", f"SHA-256 {record.sha256}"),
        ("answers", str(n)),
    ]
    facts += [
        (name.replace("_", " "), f"{record.said[name]}, as the file says")
        for name in ("max_tokens", "duration")
        if name in record.said
    ]
    return ReportSide(words=condition, facts=tuple(facts))
