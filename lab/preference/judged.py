"""What raters say of each pair as it stands, and which answer they prefer. Pure.

Of a rater's showings of one pair the first counts as the verdict; later ones, the sides swapped, measure how
steady the rater is. Both-bad counts as a tie wherever only two answers are compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.preference.verdicts import Standing, preferred
from store.records import JudgementRecord

if TYPE_CHECKING:
    from store.queries.pairs import JudgedAnswer, JudgedPair

TIE = "tie"


@dataclass(frozen=True, slots=True)
class Curated:
    """A pair with every verdict that stands on it, of all raters and showings, in their order."""

    judged: JudgedPair
    standing: tuple[JudgementRecord, ...]

    @property
    def firsts(self) -> dict[str, JudgementRecord]:
        """Each rater's first standing showing, skips left out."""
        found: dict[str, JudgementRecord] = {}
        for one in sorted(self.standing, key=lambda one: one.pass_number):
            if one.verdict != "skip":
                found.setdefault(one.rater, one)
        return found

    @property
    def consensus(self) -> str | None:
        """The answer that more raters prefer, a tie, or None where nobody gave a verdict."""
        votes = [preferred(one) or TIE for one in self.firsts.values()]
        if not votes:
            return None
        first, second = (
            votes.count(self.judged.first.id),
            votes.count(self.judged.second.id),
        )
        if first == second or votes.count(TIE) > max(first, second):
            return TIE
        return self.judged.first.id if first > second else self.judged.second.id


def curate(
    pairs: Sequence[JudgedPair], log: Iterable[JudgementRecord], raters: Collection[str] = ()
) -> list[Curated]:
    """Every judged pair with what stands of its verdicts; only those of `raters` where any are named."""
    standing = standings(log, raters)
    by_pair: defaultdict[str, list[JudgementRecord]] = defaultdict(list)
    for rater_standing in standing.values():
        for verdict in rater_standing.verdicts.values():
            by_pair[verdict.pair_id].append(verdict)
    return [
        Curated(one, tuple(sorted(by_pair[one.pair.id], key=lambda verdict: verdict.id))) for one in pairs
    ]


def standings(log: Iterable[JudgementRecord], raters: Collection[str] = ()) -> Mapping[str, Standing]:
    """What stands of each rater's log."""
    found: defaultdict[str, Standing] = defaultdict(Standing)
    for judgement in log:
        if not raters or judgement.rater in raters:
            found[judgement.rater].add(judgement)
    return found


def model_words(answer: JudgedAnswer) -> str:
    """Whose an answer is: "wick + tuned@100", a name of its file, or "by hand"."""
    if answer.imported:
        said = answer.said.get("model")
        return said if isinstance(said, str) else answer.model_id or "imported"
    name = answer.model_name or (answer.model_id or "")[:12]
    return f"{name} + {answer.adapter_name}" if answer.adapter_name else name


def condition_words(answer: JudgedAnswer) -> str:
    """Whose an answer is and under what it was made: kernel and temperature."""
    words = model_words(answer)
    if answer.kernel_name:
        words += f" under {answer.kernel_name}"
    return words if answer.temperature is None else f"{words} at {answer.temperature:g}"
