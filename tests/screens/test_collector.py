"""Full collections come in rests between keys, and not too often."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from screens.collector import LEAST_S, MOST_S, REST_S, Collector


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def done(clock: Clock) -> list[float]:
    return []


@pytest.fixture
def collector(clock: Clock, done: list[float]) -> Iterator[Collector]:
    made = Collector(lambda: done.append(clock.now), clock)
    made.begin()
    yield made
    made.end()


def test_it_waits_for_a_rest_between_keys(clock: Clock, done: list[float], collector: Collector) -> None:
    clock.now += LEAST_S
    collector.key()
    collector.look()
    clock.now += REST_S - 0.01
    collector.look()
    assert done == []
    clock.now += 0.02
    collector.look()
    assert done == [clock.now]


def test_it_is_not_done_again_soon(clock: Clock, done: list[float], collector: Collector) -> None:
    clock.now += LEAST_S
    collector.look()
    clock.now += LEAST_S - 0.01
    collector.look()
    assert len(done) == 1
    clock.now += 0.02
    collector.look()
    assert len(done) == 2


def test_keys_without_end_put_it_off_only_so_long(
    clock: Clock, done: list[float], collector: Collector
) -> None:
    for _ in range(round(MOST_S / 0.5)):
        clock.now += 0.5
        collector.key()
        collector.look()
    assert len(done) == 1


def test_python_no_longer_collects_in_full_by_itself_and_does_so_again_afterwards() -> None:
    before = gc.get_threshold()
    collector = Collector()
    try:
        collector.begin()
        assert gc.get_threshold()[2] > 10**8
        collector.settle()
        assert gc.get_freeze_count() > 0
    finally:
        collector.end()
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before


def test_what_was_not_begun_leaves_the_collector_alone(clock: Clock, done: list[float]) -> None:
    before = gc.get_threshold()
    collector = Collector(lambda: done.append(clock.now), clock)
    clock.now += 2 * MOST_S
    collector.look()
    collector.settle()
    collector.end()
    assert (done, gc.get_threshold()) == ([], before)
