"""What a distillation asks: questions with their variants, and a seed for every answer. Pure.

The seed of an answer follows from what is asked and which sample it is, and from nothing else: however often
a distillation was stopped, and among however many processes it was divided, the same answers come out of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from lab.compare.sides import Side
from lab.errors import LabError
from lab.protocol import Ask
from store.ids import new_id, utc_now
from store.records import DistillationRecord, DistilledQuestion, ProbeRecord, SideRecord

ORIGINAL = "original"
"""The variant of a probe that is no rephrasing."""
ALL = "all"
SEED_BYTES = 6


@dataclass(frozen=True, slots=True)
class Planned:
    """One answer to be made: which question, which sample of it, with which seed."""

    place: int
    sample: int
    seed: int


def answer_seed(seed: int, cluster: str, variant: str, sample: int) -> int:
    """The seed of one answer: 48 bits of the hash of these four, the same on every machine."""
    text = json.dumps([seed, cluster, variant, sample])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=SEED_BYTES).digest(), "big")


def cluster_of(probe: ProbeRecord) -> str:
    """The probe that this one was rephrased from, or itself."""
    return probe.source_probe or probe.id


def questions_of(
    probes: Sequence[ProbeRecord],
    rephrasings: Iterable[ProbeRecord] = (),
    variants: Sequence[str] = (ORIGINAL,),
) -> list[DistilledQuestion]:
    """The variants of each probe that are wanted, cluster by cluster in the order of `probes`.

    `rephrasings` are looked through for those of the probes' clusters; ALL wants every variant. Raises
    LabError when a variant is of none of them, or when two probes are the same variant of one cluster.
    """
    if not probes:
        raise LabError("distill: no probes to ask; `lantern probes list` shows what there is")
    by_cluster: dict[str, dict[str, ProbeRecord]] = {cluster_of(probe): {} for probe in probes}
    for probe in (*probes, *(one for one in rephrasings if one.source_probe in by_cluster)):
        variant = probe.rephrase_type or ORIGINAL
        known = by_cluster[cluster_of(probe)].setdefault(variant, probe)
        if known.sha256 != probe.sha256:
            raise LabError(
                f"distill: {known.battery}/{known.id} and {probe.battery}/{probe.id} are both the variant "
                f"{variant} of {cluster_of(probe)}: ask one battery at a time"
            )
    there = dict.fromkeys(variant for found in by_cluster.values() for variant in found)
    wanted = list(there) if ALL in variants else list(dict.fromkeys(variants))
    if unknown := [variant for variant in wanted if variant not in there]:
        raise LabError(f"distill: no probe has a variant {unknown[0]!r}: there is {', '.join(there)}")
    return [
        _question(found[variant], cluster, variant)
        for cluster, found in by_cluster.items()
        for variant in wanted
        if variant in found
    ]


def new_distillation(
    side: SideRecord,
    questions: Sequence[DistilledQuestion],
    *,
    battery: str,
    instrument: str,
    version: str,
    samples: int = 1,
    threshold: float | None = None,
    seed: int = 0,
    name: str | None = None,
) -> DistillationRecord:
    """A distillation as it is kept; its answers will belong to the run of `side`."""
    return DistillationRecord(
        id=new_id(),
        name=name or f"distilled from {side.words}",
        side=side,
        questions=tuple(questions),
        samples=max(samples, 1),
        seed=seed,
        battery=battery,
        instrument=instrument,
        version=version,
        threshold=threshold,
        at=utc_now(),
    )


def planned(distillation: DistillationRecord) -> list[Planned]:
    """Every answer of it, in the order in which they are made: all questions once, then again."""
    return [
        Planned(place, sample, answer_seed(distillation.seed, question.cluster, question.variant, sample))
        for sample in range(distillation.samples)
        for place, question in enumerate(distillation.questions)
    ]


def left_to_ask(
    distillation: DistillationRecord,
    answered: Collection[tuple[str, int]],
    rank: int = 0,
    ranks: int = 1,
) -> list[Planned]:
    """What has no finished answer yet ((prompt, seed) of those that have: `answered`), of one rank's part."""
    return [
        one
        for number, one in enumerate(planned(distillation))
        if number % ranks == rank and (distillation.questions[one.place].prompt, one.seed) not in answered
    ]


def as_ask(distillation: DistillationRecord, one: Planned, side: Side) -> Ask:
    """What is put to the model for it. Alternatives are not kept: nobody looks at thousands of answers so."""
    question = distillation.questions[one.place]
    return Ask(
        prompt=question.prompt,
        sampling=side.sampling,
        seed=one.seed,
        kernel_name=side.kernel.name if side.kernel else None,
        kernel_text=side.kernel.text if side.kernel else None,
        probe_battery=question.probe_battery,
        probe_id=question.probe_id,
        probe_sha256=question.probe_sha256,
        alternatives=0,
        adapter=distillation.side.adapter_sha256,
        run_id=distillation.side.run_id,
    )


def _question(probe: ProbeRecord, cluster: str, variant: str) -> DistilledQuestion:
    return DistilledQuestion(
        prompt=probe.prompt,
        cluster=cluster,
        variant=variant,
        probe_battery=probe.battery,
        probe_id=probe.id,
        probe_sha256=probe.sha256,
    )
