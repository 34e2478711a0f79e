"""Figures of answers and the floor under them, worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from lab.measure.zones import load_table
from lab.train.monitors.figures import Figures, counted, figures
from lab.train.monitors.floor import floor_nats, under_words, watched_nats, why_not
from lab.train.monitors.settings import MonitorSettings
from tests.store.facts import generation

LONG = " ".join(f"word{n}" for n in range(64))
SHORT = " ".join(f"word{n}" for n in range(16))
LOOP = " ".join(["again and again"] * 30)


def made(*texts: str, entropies: tuple[float | None, ...] = ()) -> Figures:
    answers = [generation(n, text=text, n_tokens=len(text.split())) for n, text in enumerate(texts)]
    for n, entropy in enumerate(entropies):
        answers[n] = replace(answers[n], mean_entropy_nats=entropy)
    return figures(answers, load_table(None))


def test_every_answer_counts_the_same() -> None:
    found = made(LONG, SHORT, LOOP, entropies=(1.0, 2.0, 0.3))
    assert found.entropy_nats == pytest.approx(1.1)
    assert (found.least_entropy_nats, found.greatest_entropy_nats) == (0.3, 2.0)
    loop = math.log(3) - (2 * math.log(2)) / 3  # "again" twice and "and" once in three words
    assert found.word_entropy_nats == pytest.approx((math.log(64) + math.log(16) + loop) / 3)
    assert found.words == pytest.approx((64 + 16 + 90) / 3)
    assert found.long == 2
    assert found.long_word_entropy_nats == pytest.approx((math.log(64) + loop) / 2)
    assert dict(found.zones) == {"LANTERN": 1, "too short to zone": 1, "LASER": 1}
    assert found.degenerate_answers == 1
    assert found.degenerate["loop"] == 1


def test_answers_without_tokens_have_no_entropy() -> None:
    found = made("", entropies=(None,))
    assert (found.entropy_nats, found.least_entropy_nats, found.word_entropy_nats) == (None, None, 0.0)


def test_the_most_frequent_is_counted_first() -> None:
    assert counted({"LASER": 1, "LANTERN": 3}) == "LANTERN 3, LASER 1"


def test_a_floor_on_word_entropy_holds_for_answers_that_can_reach_it() -> None:
    settings = MonitorSettings()
    base = made(LONG, LONG)
    assert (floor_nats(settings, base), why_not(settings, base)) == (4.0, None)
    now = made(LOOP, LONG)
    assert watched_nats(settings, now) == pytest.approx((math.log(64) + 0.6365) / 2, abs=1e-4)
    assert watched_nats(settings, made(LOOP, SHORT, SHORT)) is None


def test_a_floor_that_the_base_is_under_is_not_applied() -> None:
    settings = MonitorSettings()
    assert "too short (16 words on the mean)" in (why_not(settings, made(SHORT, SHORT)) or "")
    assert "the base itself is under the floor of 4.00 nats" in (why_not(settings, made(LOOP, LOOP)) or "")
    assert why_not(MonitorSettings(floor=0.5), made(LOOP, LOOP)) is None


def test_a_floor_on_predictive_entropy_is_a_share_of_the_base() -> None:
    settings = MonitorSettings(floor_of="entropy")
    base = made(SHORT, SHORT, entropies=(1.0, 1.4))
    assert floor_nats(settings, base) == pytest.approx(0.6)
    assert why_not(settings, base) is None
    now = made(SHORT, entropies=(0.5,))
    assert under_words(settings, now, 0.6, 3) == (
        "H_t of the answers to pinned probes is 0.50 nats: under its floor of 0.60 for 3 looks"
    )


def test_without_a_measure_there_is_no_floor() -> None:
    assert floor_nats(MonitorSettings(floor_of="nothing", floor=3.0), made(LONG)) is None
