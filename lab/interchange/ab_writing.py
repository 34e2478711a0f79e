"""A/B results of the source project, written in the form in which they are read, every value worked out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lab.interchange.ab import AbAnswer, AbFile
from lab.interchange.ab_values import (
    VERDICTS,
    Scores,
    agree,
    character_counts,
    dimension_values,
    is_number,
    number,
    summary_values,
)
from lab.measure.instrument import Score

_WORKED_OUT = ("lek_score", "heuristic", "chars")
_SUMMARY_FIELDS = ("duration", "max_tokens", "ts")


def lines(file: AbFile, scores: Scores) -> Iterator[str]:
    """The lines of the file, the summary last.

    Scores, dimensions, characters and the summary are ours; where the file said the same, its own digits
    stay, so that a right file comes out as it was. Times are the file's own, and left out where unknown.
    """
    for probe in file.probes:
        row: dict[str, Any] = {
            "type": "probe",
            "id": probe.id,
            "category": probe.category,
            "prompt": probe.prompt,
            "conditions": {
                answer.condition: _answer(answer, scores[probe.id, answer.condition])
                for answer in probe.answers
            },
        }
        yield _line(row if probe.ts is None else {**row, "ts": probe.ts})
    yield _line(_summary(file, scores))


def _answer(answer: AbAnswer, score: Score) -> dict[str, Any]:
    said = answer.said
    heuristic = said.get("heuristic")
    said_values: Mapping[str, Any] = heuristic if isinstance(heuristic, Mapping) else {}
    own = {name: value for name, value in dimension_values(score).items() if value is not None}
    chars = character_counts(answer.text)
    fields: dict[str, Any] = {"response": answer.text}
    if score.total is not None:
        fields["lek_score"] = _own_digits(said.get("lek_score"), score.total)
    # The order of the file's dimensions, then of the instrument's.
    names = [name for name in dict.fromkeys((*said_values, *own)) if name in own]
    fields["heuristic"] = {name: _own_digits(said_values.get(name), own[name]) for name in names}
    fields["chars"] = said["chars"] if said.get("chars") in chars else chars[0]
    return {**fields, **{name: value for name, value in said.items() if name not in _WORKED_OUT}}


def _summary(file: AbFile, scores: Scores) -> dict[str, Any]:
    said = file.summary or {}
    own = summary_values(file.probes, file.conditions, scores)
    own["conditions"][0] |= _baseline_verdicts(said, own["conditions"][0]["name"])
    head: dict[str, Any] = {"type": "summary"}
    if file.model is not None:
        head["model"] = file.model
    rest = {name: said[name] for name in _SUMMARY_FIELDS if name in said}
    return {**head, **{name: _kept(said.get(name), value) for name, value in own.items()}, **rest}


def _baseline_verdicts(said: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the file calls its baseline against itself, unchanged or nothing: it is asked of nobody else."""
    conditions = said.get("conditions")
    for entry in conditions if isinstance(conditions, list) else ():
        if isinstance(entry, Mapping) and entry.get("name") == name:
            return {verdict: entry[verdict] for verdict in VERDICTS if is_number(entry.get(verdict))}
    return {}


def _kept(said: Any, own: Any) -> Any:
    """Our value, in the file's digits and order wherever it says the same."""
    if isinstance(own, Mapping):
        said = said if isinstance(said, Mapping) else {}
        names = [name for name in dict.fromkeys((*said, *own)) if name in own]
        return {name: _kept(said.get(name), own[name]) for name in names}
    if isinstance(own, list):
        entries_said = said if isinstance(said, list) else ()
        by_name = {str(entry.get("name")): entry for entry in entries_said if isinstance(entry, Mapping)}
        order = {name: place for place, name in enumerate(by_name)}
        entries = sorted(own, key=lambda entry: order.get(entry["name"], len(order)))
        return [_kept(by_name.get(entry["name"]), entry) for entry in entries]
    return _own_digits(said, own) if is_number(own) else own


def _own_digits(said: Any, own: float) -> float:
    """The file's number where it agrees with ours, else ours."""
    return said if is_number(said) and agree(said, own) else number(own)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"
