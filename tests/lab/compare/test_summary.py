"""The summary over answers: pairs only, each probe once, families of tests, capability and power."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from lab.compare.summary import summarize
from lab.errors import LabError
from lab.measure.statistics import mcnemar_test, pairs_needed, wilson
from store.queries import ComparedAnswer
from store.records import SideName
from tests.lab.compare.recomputed import exact_p

Scores = Mapping[str, float | None]


def answer(place: int, side: SideName, total: float | None = 0.0, **changes: Any) -> ComparedAnswer:
    fields: dict[str, Any] = {
        "place": place,
        "side": side,
        "cluster": f"P{place:02d}",
        "probe_id": f"P{place:02d}",
        "domain": "Hypnos" if place % 2 else "Culture",
        "scores": {"total": total},
        "mean_entropy_nats": 1.0,
        "n_tokens": 40,
        "finish_reason": "stop",
    }
    return ComparedAnswer(**{**fields, **changes})


def pairs(
    base: Sequence[float | None], tuned: Sequence[float | None], **changes: Any
) -> list[ComparedAnswer]:
    return [
        answer(place, side, values[place], **changes)
        for side, values in (("left", base), ("right", tuned))
        for place in range(len(base))
    ]


SEED_002_BASE = (6, 8, 4, 2, 4, 28)
SEED_002_27B = (8, 8, 4, 4, 6, 36)


def test_seed_002_comes_out() -> None:
    summary = summarize(pairs(SEED_002_BASE, SEED_002_27B), "lek-v1", "1", planned=6)
    overall = summary.battery.overall
    assert (overall.n, overall.improved, overall.regressed, overall.unchanged) == (6, 4, 0, 2)
    assert overall.base.value == pytest.approx(8.67, abs=0.005)
    assert overall.tuned.value == pytest.approx(11.00, abs=0.005)
    assert overall.test.p_value == 0.125
    assert (overall.measure.instrument, overall.measure.version) == ("lek-v1", "1")
    assert summary.needed == pairs_needed(1.0)


def test_only_pairs_with_both_answers_count() -> None:
    answers = [*pairs((1, 2), (3, 5)), answer(7, "left", 100.0), answer(8, "right", -100.0)]
    summary = summarize(answers, "i", "1", planned=9)
    assert (summary.pairs, summary.planned, summary.battery.overall.n) == (2, 9, 2)
    assert summary.battery.overall.test.effect.value == 2.5


def test_rephrasings_and_samples_count_their_probe_once() -> None:
    answers = [
        answer(place, side, total, cluster=cluster, probe_id=probe_id, source_probe=source, domain="d")
        for place, (cluster, probe_id, source, left, right) in enumerate(
            [
                ("P1", "P1", None, 1.0, 2.0),
                ("P1", "P1_R_PERS", "P1", 1.0, 4.0),
                ("P1", "P1_R_PERS", "P1", 3.0, 6.0),
                ("P2", "P2", None, 5.0, 4.0),
                ("P2", "P2", None, 5.0, 2.0),
            ]
        )
        for side, total in (("left", left), ("right", right))
    ]
    battery = summarize(answers, "i", "1").battery
    # P1: wordings (1, 2) and the mean of two samples (2, 5); P2: one wording, the mean of two samples (5, 3).
    assert [(p.probe_id, p.base, p.tuned, p.rephrasings) for p in battery.probes] == [
        ("P1", 1.5, 3.5, 2),
        ("P2", 5.0, 3.0, 1),
    ]
    assert battery.overall.n == 2


def test_dimensions_are_one_family_and_undefined_ones_are_left_out() -> None:
    lefts: list[Scores] = [{"total": 1.0, "a": 0.0, "b": 1.0, "c": None} for _ in range(8)]
    rights: list[Scores] = [{"total": 2.0, "a": 1.0 + place, "b": 1.0, "c": 2.0} for place in range(8)]
    answers = [
        answer(place, side, scores=scores[place])
        for side, scores in (("left", lefts), ("right", rights))
        for place in range(8)
    ]
    rows = {row.label: row for row in summarize(answers, "i", "1").dimensions}
    assert set(rows) == {"a", "b"}
    assert rows["a"].test.p_value == exact_p([1.0 + place for place in range(8)]) == 2 / 256
    assert rows["a"].p_holm == 2 * 2 / 256
    assert (rows["b"].test.p_value, rows["b"].p_holm) == (1.0, 1.0)
    assert rows["a"].measure.dimension == "a"


def test_figures_hold_entropy_tokens_and_the_share_cut_off() -> None:
    answers = [
        answer(place, "left", mean_entropy_nats=1.0, n_tokens=10, finish_reason="stop") for place in range(4)
    ] + [
        answer(
            place, "right", mean_entropy_nats=None if place == 3 else 0.5, n_tokens=30, finish_reason=reason
        )
        for place, reason in enumerate(("length", "length", "stop", "stop"))
    ]
    rows = {row.label: row for row in summarize(answers, "i", "1").figures}
    assert (rows["mean_entropy_nats"].n, rows["mean_entropy_nats"].test.effect.value) == (3, -0.5)
    assert (rows["tokens"].base.value, rows["tokens"].tuned.value) == (10, 30)
    assert rows["cut_off"].tuned.value == 0.5


def test_capability_of_single_answers_is_mcnemar() -> None:
    before, after = (1.0, 0.0, 0.0, 0.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0, 0.0, 1.0)
    answers = [answer(place, "left", correct=value) for place, value in enumerate(before)]
    answers += [answer(place, "right", correct=value) for place, value in enumerate(after)]
    answers += [answer(9, "left"), answer(9, "right")]
    capability = summarize(answers, "i", "1").capability
    assert capability is not None
    assert capability.test == mcnemar_test([bool(v) for v in before], [bool(v) for v in after])
    assert (capability.base, capability.tuned) == (wilson(3, 6), wilson(5, 6))
    assert summarize(pairs((1,), (2,)), "i", "1").capability is None


def test_capability_of_repeated_answers_is_a_test_of_shares() -> None:
    shares = {"left": ((0, 0), (0, 1), (0, 0)), "right": ((1, 1), (1, 1), (1, 0))}
    answers = [
        answer(
            3 * sample + probe, side, cluster=f"P{probe}", probe_id=f"P{probe}", correct=float(values[sample])
        )
        for side in ("left", "right")
        for probe, values in enumerate(shares[side])
        for sample in range(2)
    ]
    capability = summarize(answers, "i", "1").capability
    assert capability is not None
    assert (capability.test.n, capability.test.p_value) == (3, exact_p([1.0, 0.5, 0.5]))
    assert (capability.base.value, capability.tuned.value) == (pytest.approx(1 / 6), pytest.approx(5 / 6))


def test_a_split_too_even_has_no_n() -> None:
    assert summarize(pairs((0, 0), (1, -1)), "i", "1").needed is None
    assert summarize(pairs((0, 0), (0, 0)), "i", "1").needed is None
    losing = summarize(pairs((1, 1, 1), (0, 0, 2)), "i", "1").needed
    assert losing is not None
    assert losing.n == pairs_needed(2 / 3).n


def test_failure_modes_are_tallied_on_both_sides() -> None:
    answers = [*pairs((0,) * 6, (0,) * 6)]
    answers[2] = answer(2, "left", modes=("collapse",))
    answers[7:10] = [answer(place, "right", modes=("topic evasion", "collapse")) for place in (1, 2, 3)]
    modes = {tally.mode: tally for tally in summarize(answers, "i", "1").battery.failure_modes}
    assert (modes["collapse"].base_answers, modes["collapse"].tuned_answers) == (1, 3)
    assert (modes["topic evasion"].base_answers, modes["topic evasion"].tuned_answers) == (0, 3)


def test_nothing_to_sum_up_is_said() -> None:
    with pytest.raises(LabError, match="no pair has both its answers yet"):
        summarize([answer(0, "left")], "i", "1")
    with pytest.raises(LabError, match="no probe has a score on both sides"):
        summarize(pairs((None,), (1.0,)), "i", "1")


def test_free_prompts_have_a_domain_of_their_own() -> None:
    prompts = [
        answer(place, side, float(place), cluster="Why?", probe_id=None, domain=None)
        for place in (0, 1)
        for side in ("left", "right")
    ]
    battery = summarize(prompts, "i", "1").battery
    assert [(row.label, row.n) for row in battery.rows] == [("all probes", 1), ("free prompt", 1)]
