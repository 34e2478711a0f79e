"""From answers to training data: sieves, a person's review, the mix of sources, the split by cluster. Pure.

Answers, recipe, gate probes and reviews make the data and nothing else does; run again after further reviews
it takes them up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lab.curriculum import sieve
from lab.curriculum.candidates import SELF, Candidate
from lab.curriculum.dataset import DataRow, DataSet, edited
from lab.curriculum.mixing import held_out_clusters, mixed
from lab.curriculum.review import Outcome, ReviewPlan, draw, outcome, standing
from lab.curriculum.safety import flagged, held_back
from lab.errors import LabError
from store.records import ProbeRecord, ReviewRecord

OnOverlap = Literal["refuse", "drop"]
TOO_MANY = "its source has more than its share"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRecipe:
    """What becomes data: the gate by a named instrument, the review, the mix (source to share), the split."""

    instrument: str
    version: str
    threshold: float | None = None
    on_overlap: OnOverlap = "refuse"
    review: ReviewPlan = field(default_factory=ReviewPlan)
    mix: Mapping[str, float] = field(default_factory=lambda: {SELF: 1.0})
    valid_share: float = 0.1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """The data as it is by now; what a person should look at, with its flags; what the review came to."""

    data: DataSet
    to_review: tuple[Candidate, ...]
    flags: Mapping[str, tuple[str, ...]]
    outcome: Outcome


def prepare(
    candidates: Sequence[Candidate],
    recipe: DataRecipe,
    gate_probes: Collection[ProbeRecord],
    reviews: Iterable[ReviewRecord],
    review_id: str,
) -> Prepared:
    """Make data of answers. Raises LabError where nothing is left, or where gate probes are given away."""
    stands = standing(reviews)
    sifted = sieve.sift(candidates, _sieves(recipe, gate_probes))
    _refuse_nothing(sifted, len(candidates))
    drawn, flags = draw(sifted.kept, recipe.review), flagged(sifted.kept)
    judged = sieve.sift(sifted.kept, _judging(flags, stands))
    chosen = mixed([_as_edited(one, stands) for one in judged.kept], recipe.mix, recipe.seed)
    there = {one.id for one in chosen}
    left_out = [sieve.Dropped(one, sieve.MIX, TOO_MANY) for one in judged.kept if one.id not in there]
    dropped = (*sifted.dropped, *judged.dropped, *left_out)
    _refuse_nothing(sieve.Sifted(tuple(chosen), dropped), len(candidates))
    found = outcome(drawn, stands, recipe.review)
    data = DataSet(
        rows=tuple(_rows(chosen, stands, recipe)),
        dropped=dropped,
        about=_about(candidates, recipe, gate_probes, dropped, review_id, drawn, flags, found),
    )
    asked = [*drawn, *(one for one in flags if one not in drawn)]
    by_id = {one.id: one for one in sifted.kept}
    return Prepared(data, tuple(by_id[one] for one in asked), flags, found)


def _sieves(recipe: DataRecipe, gate_probes: Collection[ProbeRecord]) -> dict[str, sieve.Sieve]:
    refuse = recipe.on_overlap == "refuse"
    return {
        sieve.CUT_OFF: sieve.cut_off,
        sieve.SCORE: sieve.score_below(recipe.threshold, recipe.instrument),
        sieve.DEGENERATE: sieve.degenerate,
        sieve.GIVEN_AWAY: sieve.given_away(gate_probes, refuse=refuse),
        sieve.DUPLICATE: sieve.duplicate,
    }


def _judging(
    flags: Mapping[str, Collection[str]], stands: Mapping[str, ReviewRecord]
) -> dict[str, sieve.Sieve]:
    """What a person has rejected, and what no person has let through though it is flagged."""
    held = held_back(flags, stands)
    rejected = {one: entry.note or "rejected" for one, entry in stands.items() if entry.action == "reject"}
    return {
        sieve.SAFETY: lambda there: ((one, held[one.id]) for one in there if one.id in held),
        sieve.REVIEW: lambda there: ((one, rejected[one.id]) for one in there if one.id in rejected),
    }


def _as_edited(one: Candidate, stands: Mapping[str, ReviewRecord]) -> Candidate:
    entry = stands.get(one.id)
    if entry is None or entry.action != "edit" or not entry.text:
        return one
    return edited(one, entry.text)


def _rows(
    chosen: Sequence[Candidate], stands: Mapping[str, ReviewRecord], recipe: DataRecipe
) -> Iterable[DataRow]:
    held_out = held_out_clusters([one.cluster for one in chosen], recipe.valid_share, recipe.seed)
    for one in chosen:
        entry = stands.get(one.id)
        yield DataRow(
            one, "valid" if one.cluster in held_out else "train", entry.action if entry is not None else None
        )


def _about(
    candidates: Sequence[Candidate],
    recipe: DataRecipe,
    gate_probes: Collection[ProbeRecord],
    dropped: Sequence[sieve.Dropped],
    review_id: str,
    drawn: Sequence[str],
    flags: Mapping[str, Collection[str]],
    found: Outcome,
) -> dict[str, Any]:
    steps = Counter(one.step for one in dropped)
    return {
        "recipe": asdict(recipe),
        "answers": len(candidates),
        "dropped_at": {step: steps[step] for step in sieve.STEPS if steps[step]},
        "gate_probes": dict(Counter(probe.battery for probe in gate_probes)),
        "review": {
            "id": review_id,
            "drawn": list(drawn),
            "flagged": {one: list(signs) for one, signs in flags.items()},
            "decision": found.decision,
            "words": found.words,
            "reviewed": found.reviewed,
            "errors": found.errors,
        },
    }


def _refuse_nothing(sifted: sieve.Sifted, answers: int) -> None:
    if not sifted.kept:
        steps = ", ".join(f"{step}: {count}" for step, count in sifted.counts().items())
        raise LabError(f"of {answers} answers none is left as training data ({steps or 'there were none'})")
