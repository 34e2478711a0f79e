"""Answers set side by side: comparisons, ratings, imported files, what a judge model says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

SideName = Literal["left", "right"]
PairVerdict = Literal["left", "right", "tie"]
RATING_VALUES = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class SideRecord:
    """One side of a comparison, which is a run: nothing but `run_id` tells its answers from the other's.

    `words` says for people what the side is.
    """

    run_id: str
    words: str
    model_id: str
    condition_id: str
    adapter_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPair:
    """What both sides are asked, with one seed for both. A free prompt has no probe."""

    prompt: str
    seed: int
    probe_battery: str | None = None
    probe_id: str | None = None
    probe_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRecord:
    """A comparison as planned; written before its first answer, so that it can be gone on with.

    Left is the base, right is held against it. A pair's place is its index in `pairs`; no two have one seed,
    so that an answer belongs to the pair of its run and seed. `battery` says for people what is asked.
    """

    kind: ClassVar[str] = "comparison"

    id: str
    name: str
    left: SideRecord
    right: SideRecord
    pairs: tuple[PlannedPair, ...]
    battery: str
    instrument: str
    version: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingRecord:
    """What a person says of one answer of a pair on one scale, 1 to 5.

    None takes it back; of one generation, scale and rater the latest `at` wins.
    `blind` says that the sides were hidden, `shown` on which side of the screen the answer stood,
    `other_generation_id` what stood beside it.
    """

    kind: ClassVar[str] = "rating"

    id: str
    comparison_id: str
    generation_id: str
    other_generation_id: str | None
    scale: str
    value: int | None
    rater: str
    blind: bool
    shown: SideName
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFileRecord:
    """Answers made elsewhere, as they were read from the files `sources`, whose contents `sha256` hashes.

    `form` names the files' form. `model_name` is what the files call the model, which the lab has not seen.
    `said` is what they say of all their answers.
    """

    kind: ClassVar[str] = "imported_file"

    id: str
    form: str
    sources: tuple[str, ...]
    sha256: str
    model_name: str | None
    at: str
    said: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedAnswerRecord:
    """One answer made elsewhere, in `line` of its file. Scores name it as they name a generation.

    What cannot be known of it (weights, seed, tokens, entropies, why it ended) has no field. `text` is None
    where the file has only values. `said` is what the file says of the answer, `said_of_probe` of its line.
    """

    kind: ClassVar[str] = "imported_answer"

    id: str
    import_id: str
    line: int
    condition: str
    probe_id: str
    domain: str
    prompt: str
    text: str | None
    at: str
    said: Mapping[str, object] = field(default_factory=dict)
    said_of_probe: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeReplyRecord:
    """What a judge model said of the two answers of a pair, shown to it in one order.

    The reply is the generation `generation_id`; `shown_first` is the side whose answer it was shown first.
    `verdict` is None where the reply could not be read, and `error` says why; it is never a default.
    """

    kind: ClassVar[str] = "judge_reply"

    id: str
    comparison_id: str
    left_generation_id: str
    right_generation_id: str
    shown_first: SideName
    verdict: PairVerdict | None
    error: str | None
    generation_id: str
    judge_model_id: str
    template: str
    template_sha256: str
    at: str
