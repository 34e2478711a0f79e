"""Samples of lm-evaluation-harness (`samples_TASK_TIME.jsonl`), read and paired on `doc_hash`.

What the harness measured is taken as it says; the lab has no way to work it out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError
from lab.interchange.ab_values import is_number
from lab.textfiles import BadRow, Row

NO_FILTER = "none"
_FIELDS = {
    *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
    *("doc_hash", "prompt_hash", "target_hash"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One document as a model answered it. `text` is None for tasks that only weigh choices.

    `metrics` has the values that are single numbers, truth as 1 and 0. `filter` names how the answer was
    taken out of the reply; a file has each document once for every filter.
    """

    line: int
    doc_hash: str
    doc_id: str
    filter: str
    prompt: str
    prompt_hash: str | None
    text: str | None
    target: str | None
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The documents of a file that can be used, and the rows that cannot."""

    samples: tuple[Sample, ...]
    bad: tuple[BadRow, ...]

    @property
    def filters(self) -> tuple[str, ...]:
        """The filters in the order in which they first appear."""
        return tuple(dict.fromkeys(sample.filter for sample in self.samples))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics in the order in which they first appear."""
        return tuple(dict.fromkeys(name for sample in self.samples for name in sample.metrics))


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedSamples:
    """The documents that both files have under one filter, with one metric.

    `only_base` and `only_tuned` count documents without a partner; `other_prompts` counts pairs whose prompts
    were not the same (another template or other few-shot examples), which makes their scores hard to compare.
    """

    metric: str
    filter: str
    pairs: tuple[tuple[Sample, Sample], ...]
    only_base: int
    only_tuned: int
    other_prompts: int


def read_samples(rows: Iterable[Row]) -> Samples:
    """The samples of the rows; what cannot be used is listed."""
    samples: list[Sample] = []
    bad: list[BadRow] = []
    seen: dict[tuple[str, str], int] = {}
    for line, value in rows:
        if isinstance(value, BadRow):
            bad.append(value)
            continue
        try:
            sample = _sample(value, line)
            first = seen.setdefault((sample.doc_hash, sample.filter), line)
            if first != line:
                raise LabError(f"doc_hash: {sample.doc_hash!r} was given in line {first} already")
            samples.append(sample)
        except LabError as error:
            bad.append(BadRow(line, str(error)))
    return Samples(samples=tuple(samples), bad=tuple(bad))


def pair(
    base: Samples, tuned: Samples, metric: str | None = None, by_filter: str | None = None
) -> PairedSamples:
    """The samples of both files, paired; by default under the first filter and metric that both have.

    Raises LabError, naming what there is, when the files have none in common.
    """
    chosen_filter = _chosen("filter", by_filter, base.filters, tuned.filters)
    sides = [
        {sample.doc_hash: sample for sample in side.samples if sample.filter == chosen_filter}
        for side in (base, tuned)
    ]
    chosen = _chosen("metric", metric, base.metrics, tuned.metrics)
    before, after = (
        {doc_hash: sample for doc_hash, sample in side.items() if chosen in sample.metrics} for side in sides
    )
    pairs = tuple((sample, after[doc_hash]) for doc_hash, sample in before.items() if doc_hash in after)
    if not pairs:
        raise LabError(f"the files share no document with {chosen} under the filter {chosen_filter}")
    return PairedSamples(
        metric=chosen,
        filter=chosen_filter,
        pairs=pairs,
        only_base=len(before) - len(pairs),
        only_tuned=len(after) - len(pairs),
        other_prompts=sum(
            one.prompt_hash != other.prompt_hash
            if one.prompt_hash and other.prompt_hash
            else one.prompt != other.prompt
            for one, other in pairs
        ),
    )


def _chosen(what: str, wanted: str | None, base: Sequence[str], tuned: Sequence[str]) -> str:
    shared = [name for name in base if name in tuned]
    if wanted is None and shared:
        return shared[0]
    if wanted in shared:
        return str(wanted)
    there = f"both files have {', '.join(shared)}" if shared else "the files have none in common"
    raise LabError(f"no {what} {wanted!r}: {there}" if wanted else f"no {what}: {there}")


def _sample(row: Any, line: int) -> Sample:
    if not isinstance(row, Mapping):
        raise LabError("expected an object with doc_hash and metrics")
    doc_hash = row.get("doc_hash")
    if not isinstance(doc_hash, str) or not doc_hash:
        raise LabError("doc_hash: expected text; run the harness with --log_samples, version 0.4.3 or later")
    metrics = _metrics(row)
    if not metrics:
        raise LabError("metrics: none is a single number")
    return Sample(
        line=line,
        doc_hash=doc_hash,
        doc_id=str(row.get("doc_id", line)),
        filter=_optional(row, "filter") or NO_FILTER,
        prompt=_prompt(row.get("arguments")),
        prompt_hash=_optional(row, "prompt_hash"),
        text=_reply(row.get("resps")),
        target=_optional(row, "target"),
        metrics=metrics,
    )


def _metrics(row: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that the row names; older files name none, there every other field with a number is one."""
    names = row.get("metrics")
    named = [str(name) for name in names] if isinstance(names, list) else [*row]
    return {
        name: float(value)
        for name in named
        if name not in _FIELDS
        if (value := row.get(name)) is not None and (isinstance(value, bool) or is_number(value))
    }


def _optional(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) and value else None


def _prompt(arguments: Any) -> str:
    """The prompt: `{gen_args_0: {arg_0: prompt}}`, or the older `[[prompt, …]]`; "" where there is none."""
    if isinstance(arguments, Mapping):
        arguments = next(iter(arguments.values()), None)
        found = arguments.get("arg_0") if isinstance(arguments, Mapping) else None
    else:
        first = arguments[0] if isinstance(arguments, list) and arguments else None
        found = first[0] if isinstance(first, list) and first else None
    return found if isinstance(found, str) else ""


def _reply(resps: Any) -> str | None:
    """The first reply, where replies are text: `[["text"]]`. Weighed choices are `[[["-1.2", "False"]]]`."""
    first = resps[0] if isinstance(resps, list) and resps else None
    found = first[0] if isinstance(first, list) and first else first
    return found if isinstance(found, str) else None
