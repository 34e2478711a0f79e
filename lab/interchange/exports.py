"""Stored answers as A/B results again: an import as the file it came from, a comparison in its form."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lab.compare.summary import FREE_PROMPT
from lab.errors import LabError
from lab.interchange.ab import BASELINE, AbAnswer, AbFile, AbProbe
from lab.interchange.ab_values import score_all
from lab.interchange.ab_writing import lines
from lab.interchange.imports import AB
from lab.measure.instrument import Instrument

if TYPE_CHECKING:
    from lab.report.data import CompareReport, ReportAnswer
    from store.queries.imports import ImportedAnswer
    from store.service import StoreService


def stored_ab(service: StoreService, import_id: str) -> AbFile:
    """A stored import as the file that it came from. Raises LabError for one that was no A/B file."""
    from store.queries.imports import imported_answers, imported_file

    record = service.query(imported_file, import_id)
    if record is None or record.form != AB:
        raise LabError(f"{import_id}: no import of A/B results")
    by_probe: dict[str, list[ImportedAnswer]] = {}
    for answer in service.query(imported_answers, import_id):
        by_probe.setdefault(answer.record.probe_id, []).append(answer)
    return AbFile(
        probes=tuple(_stored_probe(answers) for answers in by_probe.values()),
        summary=record.said or None,
        summary_line=0,
        bad=(),
    )


def _stored_probe(answers: Sequence[ImportedAnswer]) -> AbProbe:
    first = answers[0].record
    return AbProbe(
        line=first.line,
        id=first.probe_id,
        category=first.domain,
        prompt=first.prompt,
        answers=tuple(
            AbAnswer(
                condition=answer.record.condition, text=answer.record.text or "", said=answer.record.said
            )
            for answer in answers
        ),
        ts=first.said_of_probe.get("ts"),
    )


def report_as_ab(report: CompareReport) -> AbFile:
    """A comparison in the form of A/B results: left is the baseline, right has its own name.

    Raises LabError when a probe was answered several times, for which the form has no place.
    """
    name = report.right.words if report.right.words != BASELINE else f"{BASELINE} (right)"
    probes: dict[str, AbProbe] = {}
    for pair_ in report.pairs:
        probe_id = pair_.probe_id or f"PROMPT_{pair_.place + 1:03}"
        if probe_id in probes:
            raise LabError(
                f"{probe_id} has several answers a side, and A/B results have one: compare without --samples"
            )
        probes[probe_id] = AbProbe(
            line=pair_.place + 1,
            id=probe_id,
            category=pair_.domain or FREE_PROMPT,
            prompt=pair_.prompt,
            answers=tuple(
                AbAnswer(condition=condition, text=answer.text or "", said=_times(answer))
                for condition, answer in ((BASELINE, pair_.left), (name, pair_.right))
            ),
            ts=pair_.left.started_at,
        )
    summary: dict[str, object] = {"type": "summary", "model": report.left.words, **_whole(report)}
    summary["ts"] = report.at
    return AbFile(probes=tuple(probes.values()), summary=summary, summary_line=0, bad=())


def _whole(report: CompareReport) -> dict[str, object]:
    """How long all of it took, from the first start to the last end, and the limit of tokens; if known."""
    spans = [
        (begun := datetime.fromisoformat(answer.started_at), begun + timedelta(milliseconds=answer.wall_ms))
        for pair_ in report.pairs
        for answer in (pair_.left, pair_.right)
        if answer.started_at is not None and answer.wall_ms is not None
    ]
    known: dict[str, object] = {}
    if spans:
        took = max(end for _, end in spans) - min(begun for begun, _ in spans)
        known["duration"] = f"{round(took.total_seconds())}s"
    if report.max_tokens is not None:
        known["max_tokens"] = report.max_tokens
    return known


def _times(answer: ReportAnswer) -> dict[str, float]:
    return {} if answer.wall_ms is None else {"time_s": round(answer.wall_ms / 1e3, 2)}


def ab_text(file: AbFile, by: Instrument) -> str:
    """The file as text, every value worked out by this instrument now."""
    return "".join(lines(file, score_all(file, by.score)))
