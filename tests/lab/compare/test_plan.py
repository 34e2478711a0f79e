"""What a comparison asks: pairs of one seed, one pass for one model, nothing asked twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.compare.plan import new_comparison, passes
from lab.compare.sides import Side, parse
from lab.errors import LabError
from lab.sampling import load_preset
from store.records import ComparisonRecord
from tests.hostile import HOSTILE
from tests.store.facts import probe, sha, side

BASE = Side("wick", load_preset("default"))
TUNED = parse(["adapter=/x"], BASE)
LEFT, RIGHT = side("left"), side("right", adapter_sha256=sha("x"))
PROBES = [probe(f"P{n:02d}") for n in range(3)]


def planned(samples: int = 1, seed: int = 7) -> ComparisonRecord:
    return new_comparison(
        LEFT,
        RIGHT,
        [*PROBES, "free?"],
        battery="core",
        instrument="i",
        version="1",
        samples=samples,
        seed=seed,
    )


def test_every_question_once_then_again_and_no_seed_twice() -> None:
    comparison = planned(samples=3)
    assert [pair.probe_id for pair in comparison.pairs] == ["P00", "P01", "P02", None] * 3
    assert [pair.seed for pair in comparison.pairs] == list(range(7, 19))
    assert comparison.pairs[3].prompt == "free?"
    first = comparison.pairs[0]
    assert (first.probe_battery, first.probe_sha256, first.prompt) == (
        "core",
        PROBES[0].sha256,
        PROBES[0].prompt,
    )
    assert comparison.name == "left | right"
    assert len({planned().id for _ in range(5)}) == 5


def test_one_model_is_asked_both_sides_of_a_pair_together() -> None:
    (one,) = passes(planned(), BASE, TUNED)
    assert (one.model, one.adapters) == ("wick", ("/x",))
    assert one.targets == tuple((place, name) for place in range(4) for name in ("left", "right"))
    for left, right in zip(one.asks[::2], one.asks[1::2], strict=True):
        assert (left.prompt, left.seed, left.probe_id) == (right.prompt, right.seed, right.probe_id)
        assert (left.adapter, left.run_id) == (None, LEFT.run_id)
        assert (right.adapter, right.run_id) == (RIGHT.adapter_sha256, RIGHT.run_id)


def test_two_models_are_asked_one_after_the_other() -> None:
    other = replace(TUNED, model="/m")
    first, second = passes(planned(), BASE, other)
    assert (first.model, first.adapters, {name for _, name in first.targets}) == ("wick", (), {"left"})
    assert (second.model, second.adapters, {name for _, name in second.targets}) == ("/m", ("/x",), {"right"})
    assert [ask.seed for ask in first.asks] == [ask.seed for ask in second.asks]


def test_what_is_answered_is_not_asked_again() -> None:
    comparison = planned()
    (one,) = passes(comparison, BASE, TUNED, {(0, "left"), (0, "right"), (2, "right")})
    assert one.targets == ((1, "left"), (1, "right"), (2, "left"), (3, "left"), (3, "right"))
    (only_right,) = passes(comparison, BASE, TUNED, {(place, "left") for place in range(4)})
    assert only_right.adapters == ("/x",)
    everything = {(place, name) for place in range(4) for name in ("left", "right")}
    assert passes(comparison, BASE, TUNED, everything) == []
    assert passes(comparison, BASE, replace(TUNED, model="/m"), everything) == []


def test_a_kernel_and_hostile_prompts_go_into_the_ask_as_they_are() -> None:
    under = parse(["kernel=lantern"], BASE)
    comparison = new_comparison(
        side("left"), side("right"), list(HOSTILE.values()), battery="mine", instrument="i", version="1"
    )
    (one,) = passes(comparison, BASE, under)
    assert [ask.prompt for ask in one.asks[1::2]] == list(HOSTILE.values())
    assert under.kernel is not None
    assert {ask.kernel_text for ask in one.asks[1::2]} == {under.kernel.text}
    assert {ask.kernel_text for ask in one.asks[::2]} == {None}


def test_nothing_to_ask_and_namesakes_are_refused() -> None:
    with pytest.raises(LabError, match="no probes to ask"):
        new_comparison(LEFT, RIGHT, [], battery="core", instrument="i", version="1")
    namesakes = [probe("P01"), probe("P01", battery="user")]
    with pytest.raises(LabError, match="P01 is in core and in user: compare one battery at a time"):
        new_comparison(LEFT, RIGHT, namesakes, battery="all", instrument="i", version="1")
