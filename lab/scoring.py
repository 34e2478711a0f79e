"""Scoring: the instruments by name, and rows of a file or answers of the store put through one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.measure.capability import CapabilityInstrument
from lab.measure.degeneration import DegenerationInstrument
from lab.measure.instrument import Instrument, Reading, Score
from lab.measure.refusal import RefusalInstrument
from lab.measure.relevance import TfIdf, TopicEvasionInstrument
from lab.measure.rubric import Rubric, RubricInstrument
from lab.measure.rubric import load as load_rubric
from lab.seeds import SEEDS
from lab.textfiles import BadRow, Row
from store.journal import new_id, utc_now
from store.records import ScoreRecord

if TYPE_CHECKING:
    from store.queries.scoring import UnscoredAnswer
    from store.service import StoreService

DEFAULT_INSTRUMENT = "lantern-v1"
RUBRICS = SEEDS / "rubrics"
STORE_BATCH = 500
RUBRIC_SUFFIXES = (".yaml", ".yml")


def instrument(name: str, user_rubrics: Path | None = None) -> Instrument:
    """The instrument of that name, or the one in a rubric file of that path.

    `user_rubrics` is a folder of the user's own rubrics; a shipped name is never overridden. Raises LabError.
    """
    if name.endswith(RUBRIC_SUFFIXES):
        return _of_rubric(load_rubric(Path(name)))
    if name in _BUILT_IN:
        return _BUILT_IN[name]()
    if name in _shipped_rubrics():
        return _shipped(name)
    own = _files(user_rubrics)
    if name in own:
        return _of_rubric(load_rubric(own[name]))
    known = ", ".join(names(user_rubrics))
    raise LabError(f"no instrument {name!r}: there are {known}; or give the path of a rubric (.yaml)")


def names(user_rubrics: Path | None = None) -> list[str]:
    """The names of all instruments: the default first, then the shipped ones, then the user's."""
    shipped = sorted({*_BUILT_IN, *_shipped_rubrics()} - {DEFAULT_INSTRUMENT})
    return [
        DEFAULT_INSTRUMENT,
        *shipped,
        *sorted(set(_files(user_rubrics)) - set(shipped) - {DEFAULT_INSTRUMENT}),
    ]


def _files(folder: Path | None) -> dict[str, Path]:
    if folder is None or not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in RUBRIC_SUFFIXES}


@cache
def _shipped_rubrics() -> dict[str, Path]:
    return _files(RUBRICS)


@cache
def _shipped(name: str) -> Instrument:
    return _of_rubric(load_rubric(_shipped_rubrics()[name]))


def _of_rubric(rubric: Rubric) -> Instrument:
    measures = {part.measure for dimension in rubric.dimensions for part in dimension.parts}
    return RubricInstrument(rubric, core_tfidf() if "relevance" in measures else None)


@cache
def core_tfidf() -> TfIdf:
    """Word weights over the shipped core probes."""
    from lab.probes import shipped

    return TfIdf.fit(probe.prompt for probe in shipped() if probe.battery == "core")


_BUILT_IN: Mapping[str, Callable[[], Instrument]] = {
    "degeneration": DegenerationInstrument,
    "capability": CapabilityInstrument,
    "topic-evasion": lambda: TopicEvasionInstrument(core_tfidf()),
    "refusal": lambda: RefusalInstrument(load_rubric(RUBRICS / "refusal.yaml")),
}


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """A row of a file: its line, its id (the line where it has none), and what was read and said of it."""

    line: int
    id: str | int
    reading: Reading
    score: Score


def score_rows(rows: Iterable[Row], by: Instrument) -> Iterator[ScoredRow | BadRow]:
    """Score rows in order; a row that cannot be read stands there as a BadRow.

    A row holds its answer as `response`, `text` or the last assistant message of `messages`; `prompt` (or the
    last user message), `base` (the base model's answer), `finish_reason` and the fields of a probe (`match`,
    `answers`, `kind`; else those of the shipped probe of this `probe_id` or `id`) serve instruments that ask.
    """
    for line, value in rows:
        if isinstance(value, BadRow):
            yield value
            continue
        try:
            reading = reading_of(value)
            yield ScoredRow(line, _id_of(value, line), reading, by.score(reading))
        except LabError as error:
            yield BadRow(line, str(error))


def reading_of(row: Any) -> Reading:
    """What a row of a file gives an instrument to read. Raises LabError naming the field at fault."""
    if not isinstance(row, Mapping):
        raise LabError("expected fields (response, text or messages)")
    text, prompt = _texts(row)
    return Reading(
        text=text,
        prompt=prompt,
        base_text=_optional_text(row, "base"),
        finish_reason=_optional_text(row, "finish_reason"),
        probe={**_shipped_probe_fields(row), **row},
    )


def _texts(row: Mapping[str, Any]) -> tuple[str, str | None]:
    """The answer and its prompt."""
    prompt = _optional_text(row, "prompt")
    for name in ("response", "text"):
        if name in row:
            text = _optional_text(row, name)
            if text is None:
                raise LabError(f"{name}: expected text, not null")
            return text, prompt
    if "messages" not in row:
        raise LabError("expected a field response, text or messages")
    said = _messages(row["messages"])
    answers = [index for index, (role, _) in enumerate(said) if role == "assistant"]
    if not answers:
        raise LabError("messages: no message of the role assistant")
    asked = [content for role, content in said[: answers[-1]] if role == "user"]
    return said[answers[-1]][1], prompt if prompt is not None else (asked[-1] if asked else None)


def _messages(value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise LabError("messages: expected a list of {role, content}")
    said = []
    for index, message in enumerate(value):
        content = message.get("content") if isinstance(message, Mapping) else None
        if not isinstance(content, str) or not isinstance(message.get("role"), str):
            raise LabError(f"messages[{index}]: expected role and content as text")
        said.append((str(message["role"]), content))
    return said


def _optional_text(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is not None and not isinstance(value, str):
        raise LabError(f"{name}: expected text, not {type(value).__name__}")
    return value


def _id_of(row: Mapping[str, Any], line: int) -> str | int:
    value = row.get("id", row.get("probe_id", line))
    return value if isinstance(value, str | int) and not isinstance(value, bool) else line


def _shipped_probe_fields(row: Mapping[str, Any]) -> Mapping[str, object]:
    name = row.get("probe_id", row.get("id"))
    return _probe_fields().get(name, {}) if isinstance(name, str) else {}


@cache
def _probe_fields() -> dict[str, Mapping[str, object]]:
    from lab.probes import shipped

    return {probe.id: probe.extra for probe in shipped() if probe.extra}


def score_record(generation_id: str, score: Score, by: Instrument) -> ScoreRecord:
    """A score as it is kept; contributions, reasons and the hash of the definition go into `detail`."""
    contributions = {
        name: found.contribution for name, found in score.dimensions.items() if found.contribution
    }
    return ScoreRecord(
        id=new_id(),
        generation_id=generation_id,
        instrument=score.instrument,
        version=score.version,
        text_sha256=score.text_sha256,
        dimensions={name: found.value for name, found in score.dimensions.items()},
        at=utc_now(),
        total=score.total,
        detail={**score.detail, "contributions": contributions, "definition_sha256": by.sha256},
    )


def score_store(
    service: StoreService,
    by: Instrument,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> int:
    """Score every stored answer that this version of the instrument has not judged, and say how many.

    Earlier scores stay. Each batch is on the disk before the next begins, so that a stopped run goes on where
    it was. An answer that the instrument cannot judge (no checkable answer, no base answer yet) gets no score
    and is asked about again next time. `on_progress` gets the number read and the number there is to read.
    """
    from store.queries.scoring import count_unscored, page_unscored

    service.ingest()
    total = service.query(count_unscored, by.name, by.version)
    read = scored = 0
    after = ""
    on_progress(read, total)
    while not should_stop():
        answers = service.query(page_unscored, by.name, by.version, after, STORE_BATCH)
        if not answers:
            break
        judged = [(answer, by.score(_reading(answer))) for answer in answers]
        records = [
            score_record(answer.generation_id, score, by)
            for answer, score in judged
            if score.total is not None
        ]
        if records:
            service.append(*records)
        read, scored, after = read + len(answers), scored + len(records), answers[-1].generation_id
        on_progress(read, max(total, read))
    return scored


def _reading(answer: UnscoredAnswer) -> Reading:
    return Reading(
        text=answer.text,
        prompt=answer.prompt,
        base_text=answer.base_text,
        finish_reason=answer.finish_reason,
        n_tokens=answer.n_tokens,
        probe=answer.probe,
    )
