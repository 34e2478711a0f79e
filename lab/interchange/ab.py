"""A/B results of the source project (`ab-*.jsonl`), read: a line a probe, a last line with the summary.

`{type: "probe", id, category, prompt, conditions: {NAME: {response, lek_score, heuristic: {DIM: value, …,
lek_score}, chars, time_s}}, ts}`. What the file says of an answer is kept as it stands; whether it is so is
for `lab.interchange.ab_values` to find out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.errors import LabError
from lab.textfiles import BadRow, Row

BASELINE = "baseline"
_PROBE_FIELDS = {"type", "id", "category", "domain", "prompt", "conditions", "ts"}
_SUMMARY_FIELDS = {
    "type",
    "model",
    "total_probes",
    "conditions",
    "categories",
    "duration",
    "max_tokens",
    "ts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AbAnswer:
    """One answer; `said` is what the file says of it: lek_score, heuristic, chars, time_s, other values.

    Numbers that JSON does not know (NaN, infinity) are kept as their names.
    """

    condition: str
    text: str
    said: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AbProbe:
    """One line: a probe with its answers by condition. `ts` is the file's own, as it stands."""

    line: int
    id: str
    category: str
    prompt: str
    answers: tuple[AbAnswer, ...]
    ts: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AbFile:
    """What a file holds. `summary` is its summary line as it stands (None: there is none) with its number."""

    probes: tuple[AbProbe, ...]
    summary: Mapping[str, Any] | None
    summary_line: int
    bad: tuple[BadRow, ...]

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions' names, the baseline first, the others as they first appear."""
        names = dict.fromkeys(answer.condition for probe in self.probes for answer in probe.answers)
        return tuple(sorted(names, key=lambda name: name != BASELINE))

    @property
    def model(self) -> str | None:
        """The model's name, where the file names one."""
        name = (self.summary or {}).get("model")
        return name if isinstance(name, str) and name else None


def read(rows: Iterable[Row]) -> AbFile:
    """The probes and the summary of the rows; what cannot be used is listed, an answer at a time."""
    probes: dict[str, AbProbe] = {}
    bad: list[BadRow] = []
    summary: Mapping[str, Any] | None = None
    summary_line = 0
    for line, value in rows:
        if isinstance(value, BadRow):
            bad.append(value)
            continue
        try:
            kind = _kind(value)
            if kind == "summary" and summary is not None:
                raise LabError(f"a second summary; line {summary_line} has the first")
            if kind == "summary":
                summary, summary_line = finite(value), line
                bad += _unknown(value, _SUMMARY_FIELDS, line)
                continue
            probe, faults = _probe(value, line)
            bad += faults
            if probe.id in probes:
                raise LabError(f"id: {probe.id!r} was given in line {probes[probe.id].line} already")
            probes[probe.id] = probe
        except LabError as error:
            bad.append(BadRow(line, str(error)))
    return AbFile(probes=tuple(probes.values()), summary=summary, summary_line=summary_line, bad=tuple(bad))


def _kind(value: Any) -> str:
    if not isinstance(value, Mapping):
        raise LabError('expected an object with type "probe" or "summary"')
    kind = value.get("type")
    if kind not in ("probe", "summary"):
        raise LabError(f'type: expected "probe" or "summary", not {kind!r}')
    return str(kind)


def _probe(row: Mapping[str, Any], line: int) -> tuple[AbProbe, list[BadRow]]:
    """The probe of a row, and what of its answers could not be used. Raises LabError when it is no probe."""
    faults = _unknown(row, _PROBE_FIELDS, line)
    conditions = row.get("conditions")
    if not isinstance(conditions, Mapping) or not conditions:
        raise LabError("conditions: expected {NAME: {response, …}} with at least one name")
    answers = []
    for name, fields in conditions.items():
        if isinstance(fields, Mapping) and isinstance(fields.get("response"), str):
            answers.append(AbAnswer(condition=name, text=fields["response"], said=_said(fields)))
        else:
            faults.append(BadRow(line, f"conditions.{name}.response: expected text; this answer is left out"))
    if not answers:
        raise LabError("conditions: none has a response")
    category = "category" if "category" in row else "domain"
    probe = AbProbe(
        line=line,
        id=_text(row, "id"),
        category=_text(row, category),
        prompt=_text(row, "prompt"),
        answers=tuple(answers),
        ts=finite(row.get("ts")),
    )
    return probe, faults


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What stands beside the response; `heuristic` is the one field with fields of its own."""
    return {
        name: finite(value)
        for name, value in fields.items()
        if name != "response" and (name == "heuristic" or not isinstance(value, Mapping | list))
    }


def finite(value: Any) -> Any:
    """`value` three levels deep, what is deeper dropped, with numbers that JSON does not know spelled out."""
    return _finite(value, 3)


def _finite(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping | list) and depth == 0:
        return None
    if isinstance(value, Mapping):
        return {str(name): _finite(item, depth - 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item, depth - 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _unknown(row: Mapping[str, Any], known: Collection[str], line: int) -> list[BadRow]:
    return [
        BadRow(line, f"{name}: no field of this form; the rest of the line is kept")
        for name in row
        if name not in known
    ]


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise LabError(f"{name}: expected text")
    return value
