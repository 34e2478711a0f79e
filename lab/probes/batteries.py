"""The probes that come with the lab, and how they reach the store: once for each content version."""

from __future__ import annotations

import dataclasses
import hashlib
from functools import cache
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.probes.model import make
from lab.probes.reading import load
from lab.seeds import SEEDS
from store.journal import utc_now
from store.records import ProbeRecord, SettingRecord

if TYPE_CHECKING:
    from store.queries import ProbeRow
    from store.service import StoreService

ORIGIN = "shipped"


@cache
def shipped() -> tuple[ProbeRecord, ...]:
    """Every probe in `seeds/probes`, by file and then in the file's order. Raises LabError on a bad row."""
    probes: dict[tuple[str, str], ProbeRecord] = {}
    for path in sorted((SEEDS / "probes").glob("*.yaml")):
        file = load(path, origin=ORIGIN)
        if file.bad:
            raise LabError(f"{path}: {file.bad[0]}")
        for probe in file.probes:
            if probes.setdefault((probe.battery, probe.id), probe) is not probe:
                raise LabError(f"{path}: {probe.id} is in another file of the {probe.battery} battery too")
    return tuple(probes.values())


def shipped_version() -> str:
    """The hash of all shipped probes: it changes when any of them does."""
    return hashlib.sha256("".join(probe.sha256 for probe in shipped()).encode()).hexdigest()


def sync_shipped(service: StoreService) -> int:
    """Bring the shipped probes into the store unless it holds this version; the number of revisions written.

    A probe that a person has edited stays as it is; one that no longer ships is retired, its answers kept.
    """
    from store.queries.overview import SEEDS_VERSION, seeds_version

    version = shipped_version()
    service.ingest()
    if service.query(seeds_version) == version:
        return 0
    now = {(row.battery, row.id): row for row in stored(service)}
    ours = {(probe.battery, probe.id): probe for probe in shipped()}
    revisions = [probe for key, probe in ours.items() if _is_news(probe, now.get(key))]
    retired = [row for key, row in now.items() if row.origin == ORIGIN and key not in ours]
    revisions += [dataclasses.replace(from_row(row), retired=True) for row in retired]
    setting = SettingRecord(key=SEEDS_VERSION, value=version, at=utc_now())
    at = utc_now()
    service.append(*(dataclasses.replace(probe, at=at) for probe in revisions), setting)
    return len(revisions)


def stored(service: StoreService) -> list[ProbeRow]:
    """Every probe in the store as it is now, ordered by battery and id."""
    from store.queries import ProbeFilter, count_probes, page_probes

    everything = ProbeFilter()
    return service.query(page_probes, everything, 0, service.query(count_probes, everything))


def from_row(row: ProbeRow) -> ProbeRecord:
    """A stored probe as a record, stamped now."""
    fields = {name: getattr(row, name) for name in ("id", "domain", "prompt", "subjects")}
    fields |= {"source_probe": row.source_probe, "rephrase_type": row.rephrase_type}
    return make({**row.extra, **fields}, battery=row.battery, origin=row.origin)


def _is_news(probe: ProbeRecord, row: ProbeRow | None) -> bool:
    return row is None or (row.origin == ORIGIN and row.sha256 != probe.sha256)
