"""What is scored: an answer with all that instruments may ask of it, and the instruments there are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lab.measure.instrument import Reading
from screens.workbench import Answer

if TYPE_CHECKING:
    from lab.measure.rubric import Account
    from store.records import ScoreRecord

WORD_ENTROPY = "word-entropy"


@dataclass(frozen=True, slots=True)
class Subject:
    """An answer, the probe's own fields, the base model's answer, and the scores that the store keeps."""

    answer: Answer
    probe: Mapping[str, object] = field(default_factory=dict)
    base_text: str | None = None
    scores: tuple[ScoreRecord, ...] = ()

    @property
    def text(self) -> str:
        """The answer as it was generated, as far as it is."""
        record = self.answer.record
        return str(record["text"]) if record is not None and "text" in record else self.answer.text

    def reading(self) -> Reading:
        """What an instrument gets to read."""
        record = self.answer.record or {}
        finish, n_tokens = record.get("finish_reason"), record.get("n_tokens")
        return Reading(
            text=self.text,
            prompt=self.answer.ask.prompt,
            base_text=self.base_text,
            finish_reason=str(finish) if finish is not None else None,
            n_tokens=int(n_tokens) if n_tokens is not None else None,
            probe=self.probe,
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """An instrument to score by. `stored` is a kept score of a version whose definition is not at hand."""

    name: str
    version: str | None = None
    stored: ScoreRecord | None = None


def choices(names: Sequence[str], versions: Mapping[str, str], scores: Iterable[ScoreRecord]) -> list[Choice]:
    """The instruments at hand, each followed by the kept scores of its other versions, newest first.

    `versions` gives the version at hand of each of `names`. Scores of instruments that are gone come last.
    """
    kept: dict[tuple[str, str], ScoreRecord] = {}
    for score in scores:
        if score.instrument != WORD_ENTROPY and versions.get(score.instrument) != score.version:
            kept[score.instrument, score.version] = score
    newest_first = sorted(kept.values(), key=lambda score: score.at, reverse=True)
    order = [*names, *sorted({score.instrument for score in newest_first} - set(names))]
    found: list[Choice] = []
    for name in order:
        if name in versions:
            found.append(Choice(name, versions[name]))
        others = (score for score in newest_first if score.instrument == name)
        found += [Choice(name, score.version, score) for score in others]
    return found


def kept_total(scores: Iterable[ScoreRecord], account: Account) -> float | None:
    """The newest total that the store keeps of this instrument and version; None without one."""
    totals = [
        score.total
        for score in scores
        if (score.instrument, score.version) == (account.instrument, account.version)
    ]
    return totals[-1] if totals else None


def account_of(choice: Choice, subject: Subject, user_rubrics: Path) -> Account:
    """The account of an answer by an instrument; of a kept score without its definition, what was kept.

    Raises LabError where the instrument cannot be read or the probe's fields are unusable.
    """
    from lab.measure.rubric import explain
    from lab.scoring import instrument

    if choice.stored is not None:
        return _kept(choice.stored)
    return explain(instrument(choice.name, user_rubrics), subject.reading())


def versions_at_hand(user_rubrics: Path) -> tuple[Mapping[str, str], list[str]]:
    """The version of every instrument there is, in their order, and a line for each that cannot be read."""
    from lab.errors import LabError
    from lab.scoring import instrument, names

    versions: dict[str, str] = {}
    faults: list[str] = []
    for name in names(user_rubrics):
        try:
            versions[name] = instrument(name, user_rubrics).version
        except LabError as error:
            faults.append(str(error))
    return versions, faults


def _kept(score: ScoreRecord) -> Account:
    from lab.measure.rubric import Account, DimensionAccount

    found = score.detail.get("contributions")
    contributions = found if isinstance(found, Mapping) else {}
    return Account(
        instrument=score.instrument,
        version=score.version,
        description="A kept score: this version's definition is not at hand, so its matches are unknown.",
        known_faults=(),
        text_sha256=score.text_sha256,
        total=score.total,
        maximum=None,
        dimensions=tuple(
            DimensionAccount(
                name=name,
                value=value,
                contribution=float(contributions.get(name, 0.0)),
                weight=None,
                most=None,
                is_full=False,
                spans=(),
                matches=(),
                measures=(),
            )
            for name, value in score.dimensions.items()
        ),
        reasons=(),
    )
