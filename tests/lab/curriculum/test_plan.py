"""What a distillation asks: variants of clusters, and seeds that follow from what is asked alone."""

from __future__ import annotations

import hashlib

import pytest

from lab.curriculum.plan import answer_seed, left_to_ask, new_distillation, planned, questions_of
from lab.errors import LabError
from store.records import DistillationRecord
from tests.store.facts import probe, side

CORE = [probe(f"P{n:02d}") for n in range(1, 4)]
REPHRASED = [
    probe(f"P{n:02d}_R_{kind[:4].upper()}", battery="rephrased", source_probe=f"P{n:02d}", rephrase_type=kind)
    for n in (1, 2, 9)
    for kind in ("urgency", "cultural")
]


def distillation(samples: int = 2, seed: int = 0) -> DistillationRecord:
    return new_distillation(
        side("kernel"),
        questions_of(CORE, REPHRASED, ["all"]),
        battery="core",
        instrument="lantern-v1",
        version="1",
        samples=samples,
        seed=seed,
    )


def test_a_seed_is_the_hash_of_what_is_asked() -> None:
    digest = hashlib.blake2b(b'[7, "P01", "urgency", 3]', digest_size=6).hexdigest()
    assert answer_seed(7, "P01", "urgency", 3) == int(digest, 16)
    varied = [(7, "P01", "urgency", 3), (8, "P01", "urgency", 3), (7, "P02", "urgency", 3)]
    varied += [(7, "P01", "cultural", 3), (7, "P01", "urgency", 4)]
    assert len({answer_seed(*one) for one in varied}) == 5


def test_all_variants_of_the_probes_asked_and_of_no_other() -> None:
    asked = questions_of(CORE, REPHRASED, ["all"])
    assert [(one.cluster, one.variant) for one in asked] == [
        ("P01", "original"),
        ("P01", "urgency"),
        ("P01", "cultural"),
        ("P02", "original"),
        ("P02", "urgency"),
        ("P02", "cultural"),
        ("P03", "original"),
    ]
    assert asked[1].probe_id == "P01_R_URGE"
    assert asked[1].prompt == REPHRASED[0].prompt
    assert [one.variant for one in questions_of(CORE, REPHRASED)] == ["original"] * 3
    only = questions_of(CORE, REPHRASED, ["urgency", "urgency"])
    assert [one.cluster for one in only] == ["P01", "P02"]


def test_what_cannot_be_asked_is_named() -> None:
    with pytest.raises(LabError, match=r"has a variant 'loud': there is original, urgency, cultural"):
        questions_of(CORE, REPHRASED, ["loud"])
    with pytest.raises(LabError, match="no probes to ask"):
        questions_of([])
    with pytest.raises(LabError, match="core/P01 and other/P01 are both the variant original of P01"):
        questions_of([CORE[0], probe("P01", battery="other", sha256="x")])


def test_every_answer_is_left_to_one_rank_and_the_answered_to_none() -> None:
    whole = distillation(samples=3)
    everything = planned(whole)
    assert len(everything) == 21
    assert len({one.seed for one in everything}) == 21
    assert [one.sample for one in everything[:8]] == [0] * 7 + [1]
    parts = [left_to_ask(whole, (), rank, 2) for rank in range(2)]
    assert sorted(one.seed for part in parts for one in part) == sorted(one.seed for one in everything)
    assert abs(len(parts[0]) - len(parts[1])) <= 1
    done = {(whole.questions[one.place].prompt, one.seed) for one in everything[::2]}
    left = [one for rank in range(2) for one in left_to_ask(whole, done, rank, 2)]
    assert sorted(one.seed for one in left) == sorted(one.seed for one in everything[1::2])
    # The parts do not move when some of a part is answered: no two ranks make one answer.
    assert left_to_ask(whole, done, 0, 2) == []
