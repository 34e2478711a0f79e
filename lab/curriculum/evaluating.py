"""What a curriculum measures before its first phase and after its last: comparisons like all others.

Left of every one is what right is held against, and both answer with the same seeds. Stopped, they go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from lab.compare.plan import new_comparison
from lab.compare.run import Models, ScoredPair, run
from lab.compare.sides import Side
from lab.curriculum.settings import Evaluation, ProbeChoice
from lab.decode.loop import never
from lab.errors import LabError
from lab.kernels import load as load_kernel
from lab.measure.instrument import Instrument
from lab.measure.statistics import Estimate, sign_flip_test
from lab.probes import from_row
from lab.protocol import Progress
from lab.sampling import load_preset
from store.queries import ProbeFilter, batteries, compared_answers, count_probes, page_probes
from store.records import ComparisonRecord, ProbeRecord
from store.validate import TOTAL

if TYPE_CHECKING:
    from store.service import StoreService


@dataclass(frozen=True, slots=True)
class Asked:
    """A comparison that a curriculum wants: its name, its two sides, and the probes."""

    name: str
    left: Side
    right: Side
    probes: ProbeChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What a comparison came to: the means of both sides, and right less left with its interval."""

    comparison_id: str
    left: float
    right: float
    delta: Estimate


def before(evaluation: Evaluation, model: str) -> list[Asked]:
    """The model without and with each kernel."""
    plain = Side(model, load_preset(evaluation.preset))
    return [
        Asked(f"kernel {kernel}", plain, _under(plain, kernel), evaluation.target)
        for kernel in evaluation.kernels
    ]


def after(evaluation: Evaluation, base: Side, tuned: Side) -> list[Asked]:
    """Base against tuned, tuned without and with each kernel, the floor, and the sealed probes."""
    asked = [Asked("tuned", base, tuned, evaluation.target)]
    asked += [
        Asked(f"tuned, kernel {kernel}", tuned, _under(tuned, kernel), evaluation.target)
        for kernel in evaluation.kernels
    ]
    if evaluation.floor is not None:
        asked.append(Asked("floor", base, tuned, evaluation.floor))
    if evaluation.sealed is not None:
        asked.append(Asked("sealed", base, tuned, evaluation.sealed))
    return asked


def begin(
    asked: Asked, evaluation: Evaluation, by: Instrument, models: Models, store: StoreService, name: str
) -> ComparisonRecord:
    """A new comparison, in the store when this returns."""
    probes = probes_of(asked.probes, store)
    record = new_comparison(
        *models.identify(asked.left, asked.right),
        probes,
        battery=asked.probes.battery,
        instrument=by.name,
        version=by.version,
        seed=evaluation.seed,
        samples=evaluation.samples,
        name=f"{name}: {asked.name}",
    )
    store.append(record)
    return record


def go_on(
    comparison: ComparisonRecord,
    asked: Asked,
    by: Instrument,
    models: Models,
    store: StoreService,
    *,
    batch_size: int,
    should_stop: Callable[[], bool] = never,
) -> Iterator[int | Progress]:
    """Ask and score what is left; yields how many pairs are finished since the start, and progress."""
    finished = 0
    events = run(
        *(comparison, asked.left, asked.right, by, models, store),
        batch_size=batch_size,
        should_stop=should_stop,
    )
    for event in events:
        if isinstance(event, ScoredPair):
            finished += 1
            yield finished
        else:
            yield event
    store.ingest()


def delta_of(store: StoreService, comparison: ComparisonRecord) -> Delta:
    """What a finished comparison came to, with the interval that its report shows; probes are the unit.

    Raises LabError without a scored pair.
    """
    sides: dict[str, dict[int, float]] = {"left": {}, "right": {}}
    clusters: dict[int, str] = {}
    for answer in store.query(compared_answers, comparison.id):
        total = answer.scores.get(TOTAL)
        clusters[answer.place] = answer.cluster
        if total is not None:
            sides[answer.side][answer.place] = total
    places = sorted(sides["left"].keys() & sides["right"].keys())
    if not places:
        raise LabError(f"comparison {comparison.id} has no pair with both its scores")
    return Delta(
        comparison_id=comparison.id,
        left=fmean(sides["left"][place] for place in places),
        right=fmean(sides["right"][place] for place in places),
        delta=sign_flip_test(
            [sides["right"][place] - sides["left"][place] for place in places],
            clusters=[clusters[place] for place in places],
        ).effect,
    )


def closed_share(kernel: Delta, tuned: Delta) -> float | None:
    """How much of what the kernel adds the tuned model has without it; None where the kernel adds nothing."""
    if kernel.delta.value is None or tuned.delta.value is None or kernel.delta.value <= 0:
        return None
    return tuned.delta.value / kernel.delta.value


def in_words(found: Mapping[str, Delta], instrument: str) -> list[str]:
    """The deltas for people, one a line."""
    lines = []
    for name, one in found.items():
        lower, upper = one.delta.lower, one.delta.upper
        interval = "" if lower is None or upper is None else f" [{lower:+.2f}, {upper:+.2f}]"
        lines.append(
            f"{name}: {one.left:.2f} → {one.right:.2f}, Δ {one.delta.value:+.2f}{interval} by {instrument}, "
            f"n = {one.delta.n} probes"
        )
    return lines


def probes_of(choice: ProbeChoice, store: StoreService) -> list[ProbeRecord]:
    """The probes of a choice as they are now. Raises LabError where there are none."""
    known = [row.battery for row in store.query(batteries)]
    if choice.battery not in known:
        raise LabError(f"no battery {choice.battery!r}: there is {', '.join(known)}")
    which = ProbeFilter(batteries=(choice.battery,), domains=choice.domains)
    rows = store.query(page_probes, which, 0, store.query(count_probes, which))
    if not rows:
        raise LabError(f"no probe of {choice.battery} in the domains {', '.join(choice.domains)}")
    return [from_row(row) for row in rows[: choice.limit]]


def _under(side: Side, kernel: str) -> Side:
    from dataclasses import replace

    return replace(side, kernel=load_kernel(kernel))
