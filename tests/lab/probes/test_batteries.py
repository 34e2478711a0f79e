"""The shipped probes, and how they get into a real store once for each version of their content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.probes import edited, from_row, make, shipped, sync_shipped
from lab.probes.batteries import stored
from store import queries
from store.home import Home
from store.records import ProbeRecord
from store.service import StoreService

Shipped = list[ProbeRecord]


def probe(identity: str, prompt: str = "Who waits?") -> ProbeRecord:
    return make({"id": identity, "domain": "D", "prompt": prompt}, battery="b", origin="shipped")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[StoreService]:
    opened = StoreService(Home.resolve(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> Shipped:
    """The shipped probes, to be changed like a new version of the lab would."""
    probes: Shipped = []
    monkeypatch.setattr("lab.probes.batteries.shipped", lambda: tuple(probes))
    return probes


def prompts(service: StoreService) -> dict[str, str]:
    return {row.id: row.prompt for row in stored(service)}


def test_the_shipped_batteries_load_and_their_keys_are_unique() -> None:
    probes = shipped()
    assert len({(probe.battery, probe.id) for probe in probes}) == len(probes)
    assert sum(probe.battery == "core" for probe in probes) == 101
    assert all(probe.origin == "shipped" for probe in probes)


def test_all_shipped_probes_arrive_once(service: StoreService) -> None:
    assert sync_shipped(service) == len(shipped())
    rows = stored(service)
    assert {row.sha256 for row in rows} == {probe.sha256 for probe in shipped()}
    assert all(from_row(row).sha256 == row.sha256 for row in rows)
    assert sync_shipped(service) == 0
    assert service.query(queries.counts)["probe"] == len(shipped())


def test_another_process_has_nothing_to_do(tmp_path: Path, service: StoreService) -> None:
    sync_shipped(service)
    other = StoreService(Home.resolve(tmp_path))
    try:
        assert sync_shipped(other) == 0
    finally:
        other.close()


def test_a_new_version_brings_only_what_changed(service: StoreService, seeds: Shipped) -> None:
    seeds += [probe("A"), probe("B"), probe("C")]
    assert sync_shipped(service) == 3
    seeds[1:] = [probe("B", "Who stays?"), probe("C"), probe("D")]
    assert sync_shipped(service) == 2
    assert prompts(service) == {"A": "Who waits?", "B": "Who stays?", "C": "Who waits?", "D": "Who waits?"}


def test_what_no_longer_ships_is_retired_and_can_come_back(service: StoreService, seeds: Shipped) -> None:
    seeds += [probe("A"), probe("B")]
    sync_shipped(service)
    kept = seeds.pop()
    assert sync_shipped(service) == 1
    assert list(prompts(service)) == ["A"]
    seeds.append(kept)
    assert sync_shipped(service) == 1
    assert list(prompts(service)) == ["A", "B"]


def test_what_a_person_edited_or_added_stays(service: StoreService, seeds: Shipped) -> None:
    seeds += [probe("A")]
    sync_shipped(service)
    own = make({"id": "MINE", "domain": "D", "prompt": "Mine?"}, battery="user", origin="user")
    service.append(edited(from_row(stored(service)[0]), prompt="My wording?"), own)
    seeds[0] = probe("A", "A better wording?")
    assert sync_shipped(service) == 0
    assert prompts(service) == {"A": "My wording?", "MINE": "Mine?"}
    assert sync_shipped(service) == 0
