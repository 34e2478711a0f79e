"""Pairs to learn preferences from, the sweeps they come from, and what raters say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

PairSource = Literal["sweep", "directions", "stored", "imported", "edited"]
JudgementAction = Literal["verdict", "flag", "note", "undo", "redo", "reveal"]
Verdict = Literal["left", "right", "tie", "both_bad", "skip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAnswer:
    """One answer of a sweep: what is asked, under which condition, with a seed that no other has."""

    prompt: str
    seed: int
    condition_id: str
    probe_battery: str | None = None
    probe_id: str | None = None
    probe_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """Answers to choose pairs from, as planned; written before the first, so that it can be gone on with.

    The id is the run id of its answers; an answer belongs to the place of its seed. `words` says for people
    what answers, `battery` what is asked; `instrument` and `version` are what the answers are scored by.
    """

    kind: ClassVar[str] = "sweep"

    id: str
    words: str
    model_id: str
    adapter_sha256: str | None
    answers: tuple[PlannedAnswer, ...]
    battery: str
    instrument: str
    version: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRecord:
    """Two answers to one prompt, put up to be judged.

    The id hashes the two generation ids, of which `first_id` is the lower. `source` says where the pair comes
    from and `stratum` what it was chosen for; `score_gap` is first minus second by `instrument`, `similarity`
    the texts' likeness from 0 to 1, both None where not measured.
    """

    kind: ClassVar[str] = "pair"

    id: str
    first_id: str
    second_id: str
    source: PairSource
    stratum: str
    at: str
    probe_battery: str | None = None
    probe_id: str | None = None
    instrument: str | None = None
    score_gap: float | None = None
    similarity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgementRecord:
    """One key press of a rater on one card. Undo and redo are entries of their own; nothing is taken out.

    `left_id` and `right_id` are the generations as they stood, `pass_number` counts showings of the pair from
    0. `about` is the judgement that an undo or redo is about; `reading_ms` the time from the card being drawn
    to the verdict; `blind` is false once the sides have been shown, of which "reveal" is the entry.
    """

    kind: ClassVar[str] = "judgement"

    id: str
    pair_id: str
    rater: str
    pass_number: int
    action: JudgementAction
    left_id: str
    right_id: str
    at: str
    verdict: Verdict | None = None
    flagged: bool | None = None
    note: str | None = None
    about: str | None = None
    reading_ms: float | None = None
    blind: bool = True
