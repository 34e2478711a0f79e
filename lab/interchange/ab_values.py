"""The values of A/B results worked out again: scores, dimensions, the summary; and where a file differs.

All numbers come from the answers' texts by one named instrument. The file's own are only held against them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lab.interchange.ab import BASELINE, AbAnswer, AbFile, AbProbe
from lab.measure.comparison import verdict_of
from lab.measure.instrument import Reading, Score

DECIMALS = 2
VERDICTS = ("improved", "regressed", "unchanged")
_SLACK = 0.5 * 10**-DECIMALS + 1e-9

Scores = Mapping[tuple[str, str], Score]
"""The score of each answer, by probe id and condition."""


@dataclass(frozen=True, slots=True)
class Differs:
    """A value of the file that does not come out: where it stands, what it says, what we get (None: none)."""

    line: int
    probe_id: str | None
    field: str
    theirs: Any
    ours: Any

    def __str__(self) -> str:
        where = f"{self.probe_id}: " if self.probe_id else ""
        return f"line {self.line}: {where}{self.field}: the file says {self.theirs!r}, it is {self.ours!r}"


def score_all(file: AbFile, score: Callable[[Reading], Score]) -> dict[tuple[str, str], Score]:
    """Every answer scored; the baseline's answer to the probe serves instruments that hold against it."""
    scores = {}
    for probe in file.probes:
        base = next((answer.text for answer in probe.answers if answer.condition == BASELINE), None)
        for answer in probe.answers:
            reading = Reading(
                text=answer.text,
                prompt=probe.prompt,
                base_text=None if answer.condition == BASELINE else base,
            )
            scores[probe.id, answer.condition] = score(reading)
    return scores


def summary_values(probes: Sequence[AbProbe], conditions: Sequence[str], scores: Scores) -> dict[str, Any]:
    """What the summary line says of the scores: total_probes, conditions and categories.

    Averages are over the probes that a condition answered. Improved, regressed and unchanged count probes
    against the baseline at ± 0.5; the delta is the mean over the same probes. The first condition is the
    baseline.
    """
    totals = {
        name: {probe.id: total for probe in probes if (total := _total(scores, probe.id, name)) is not None}
        for name in conditions
    }
    categories: dict[str, dict[str, float]] = {}
    for category in dict.fromkeys(probe.category for probe in probes):
        ids = [probe.id for probe in probes if probe.category == category]
        categories[category] = {
            name: _rounded(fmean(values))
            for name in conditions
            if (values := [totals[name][probe_id] for probe_id in ids if probe_id in totals[name]])
        }
    return {
        "total_probes": len(probes),
        "conditions": [_condition(name, totals[name], totals[conditions[0]]) for name in conditions],
        "categories": categories,
    }


def _condition(name: str, totals: Mapping[str, float], baseline: Mapping[str, float]) -> dict[str, Any]:
    deltas = [total - baseline[probe_id] for probe_id, total in totals.items() if probe_id in baseline]
    verdicts: Counter[str] = Counter(verdict_of(delta) for delta in deltas if totals is not baseline)
    return {
        "name": name,
        "avg_lek": _rounded(fmean(totals.values())) if totals else 0,
        **{verdict: verdicts[verdict] for verdict in VERDICTS},
        "delta_vs_baseline": _rounded(fmean(deltas)) if deltas else 0,
    }


def _total(scores: Scores, probe_id: str, condition: str) -> float | None:
    score = scores.get((probe_id, condition))
    return None if score is None else score.total


def _rounded(value: float) -> float:
    return number(round(value, DECIMALS))


def number(value: float) -> float:
    """`value` as this form writes it: whole numbers without a point."""
    return int(value) if float(value).is_integer() else value


def differences(file: AbFile, scores: Scores) -> Iterator[Differs]:
    """Every value of the file that does not come out, in the order of the file."""
    for probe in file.probes:
        for answer in probe.answers:
            for name, theirs, ours in _answer_values(answer, scores[probe.id, answer.condition]):
                if not agree(theirs, ours):
                    yield Differs(probe.line, probe.id, f"conditions.{answer.condition}.{name}", theirs, ours)
    if file.summary is not None and file.probes:
        ours = summary_values(file.probes, file.conditions, scores)
        for name, theirs, own in _summary_values(file.summary, ours):
            if not agree(theirs, own):
                yield Differs(file.summary_line, None, name, theirs, own)


def _answer_values(answer: AbAnswer, score: Score) -> Iterator[tuple[str, Any, Any]]:
    """Field, theirs, ours: of what the file says of an answer. A dimension that it leaves out counts as 0."""
    said = answer.said
    if "lek_score" in said:
        yield "lek_score", said["lek_score"], score.total
    if "heuristic" in said:
        heuristic = said["heuristic"]
        if not isinstance(heuristic, Mapping):
            yield "heuristic", heuristic, None
            return
        ours = dimension_values(score)
        for name in dict.fromkeys((*heuristic, *ours)):
            yield f"heuristic.{name}", heuristic.get(name, 0), ours.get(name)
    if "chars" in said and said["chars"] not in character_counts(answer.text):
        yield "chars", said["chars"], character_counts(answer.text)[0]


def dimension_values(score: Score) -> dict[str, float | None]:
    """A score as the form has it: every dimension's value, and the total as `lek_score`."""
    values = {name: found.value for name, found in score.dimensions.items()}
    return {**values, "lek_score": score.total}


def character_counts(text: str) -> tuple[int, int]:
    """The length of a text in characters, and in bytes as some languages count it."""
    return len(text), len(text.encode("utf-8", "replace"))


def _summary_values(said: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    yield "total_probes", said.get("total_probes"), ours["total_probes"]
    theirs = {
        entry.get("name"): entry
        for entry in _list(said.get("conditions"))
        if isinstance(entry, Mapping) and isinstance(entry.get("name"), str)
    }
    own = {entry["name"]: entry for entry in ours["conditions"]}
    baseline = ours["conditions"][0]["name"]
    for name in dict.fromkeys((*theirs, *own)):
        # Whether a baseline is "unchanged" against itself is a matter of taste.
        fields = ("avg_lek", *(VERDICTS if name != baseline else ()), "delta_vs_baseline")
        for field in fields:
            yield f"conditions.{name}.{field}", theirs.get(name, {}).get(field), own.get(name, {}).get(field)
    categories = said.get("categories")
    for category in dict.fromkeys((*_mapping(categories), *ours["categories"])):
        said_here, own_here = (
            _mapping(_mapping(categories).get(category)),
            ours["categories"].get(category, {}),
        )
        for name in dict.fromkeys((*said_here, *own_here)):
            yield f"categories.{category}.{name}", said_here.get(name), own_here.get(name)


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def agree(theirs: Any, ours: Any) -> bool:
    """Whether two values are one: numbers to the second decimal, else as they are; True is no number."""
    if is_number(theirs) and is_number(ours):
        return bool(abs(theirs - ours) <= _SLACK)
    return type(theirs) is type(ours) and bool(theirs == ours)


def is_number(value: Any) -> bool:
    """Whether this is a finite number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
