"""What a comparison asks: its pairs with their seeds, and what is left to ask of them. Pure.

Both sides of a pair have one seed, so that equal models give equal texts and different ones part only where
they disagree. No two pairs have one seed: shared luck would make all probes lean the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lab.compare.sides import Side, adapters, shares_model
from lab.errors import LabError
from lab.protocol import Ask
from store.ids import new_id, utc_now
from store.records import ComparisonRecord, PlannedPair, ProbeRecord, SideName, SideRecord

Question = ProbeRecord | str
"""A probe, or a free prompt."""
Target = tuple[int, SideName]
"""A place and a side of a comparison."""
SIDE_NAMES: tuple[SideName, SideName] = ("left", "right")


@dataclass(frozen=True, slots=True)
class Pass:
    """What is asked of one loaded model: its adapters, the asks, and to which place and side each belongs."""

    model: str
    adapters: tuple[str, ...]
    asks: tuple[Ask, ...]
    targets: tuple[Target, ...]


def new_comparison(
    left: SideRecord,
    right: SideRecord,
    questions: Sequence[Question],
    *,
    battery: str,
    instrument: str,
    version: str,
    seed: int = 0,
    samples: int = 1,
    name: str | None = None,
) -> ComparisonRecord:
    """A comparison as it is kept: every question once with seeds from `seed` on, then again for each sample.

    Raises LabError without questions, and for two probes of one id, which could not be told apart.
    """
    if not questions:
        raise LabError("compare: no probes to ask; `lantern probes list` shows what there is")
    _refuse_namesakes([question for question in questions if isinstance(question, ProbeRecord)])
    pairs = tuple(
        _pair(question, seed + place) for place, question in enumerate([*questions] * max(samples, 1))
    )
    return ComparisonRecord(
        id=new_id(),
        name=name or f"{left.words} | {right.words}",
        left=left,
        right=right,
        pairs=pairs,
        battery=battery,
        instrument=instrument,
        version=version,
        at=utc_now(),
    )


def passes(
    comparison: ComparisonRecord,
    left: Side,
    right: Side,
    answered: Collection[Target] = (),
) -> list[Pass]:
    """What is left to ask: one pass with the sides of each pair together, or one a side for two models."""
    targets = [
        (place, name)
        for place in range(len(comparison.pairs))
        for name in SIDE_NAMES
        if (place, name) not in answered
    ]
    groups = [targets]
    if not shares_model(left, right):
        groups = [[target for target in targets if target[1] == name] for name in SIDE_NAMES]
    sides: dict[SideName, Side] = {"left": left, "right": right}
    return [_pass(comparison, sides, group) for group in groups if group]


def _pass(comparison: ComparisonRecord, sides: Mapping[SideName, Side], targets: Sequence[Target]) -> Pass:
    records: dict[SideName, SideRecord] = {"left": comparison.left, "right": comparison.right}
    asked = [sides[name] for name in dict.fromkeys(name for _, name in targets)]
    return Pass(
        model=asked[0].model,
        adapters=adapters(*asked),
        asks=tuple(_ask(comparison.pairs[place], records[name], sides[name]) for place, name in targets),
        targets=tuple(targets),
    )


def _ask(pair: PlannedPair, record: SideRecord, side: Side) -> Ask:
    return Ask(
        prompt=pair.prompt,
        sampling=side.sampling,
        seed=pair.seed,
        kernel_name=side.kernel.name if side.kernel else None,
        kernel_text=side.kernel.text if side.kernel else None,
        probe_battery=pair.probe_battery,
        probe_id=pair.probe_id,
        probe_sha256=pair.probe_sha256,
        adapter=record.adapter_sha256,
        run_id=record.run_id,
    )


def _pair(question: Question, seed: int) -> PlannedPair:
    if isinstance(question, str):
        return PlannedPair(prompt=question, seed=seed)
    return PlannedPair(
        prompt=question.prompt,
        seed=seed,
        probe_battery=question.battery,
        probe_id=question.id,
        probe_sha256=question.sha256,
    )


def _refuse_namesakes(probes: Sequence[ProbeRecord]) -> None:
    batteries: dict[str, str] = {}
    for probe in probes:
        if batteries.setdefault(probe.id, probe.battery) != probe.battery:
            raise LabError(
                f"compare: {probe.id} is in {batteries[probe.id]} and in {probe.battery}: "
                "compare one battery at a time"
            )
