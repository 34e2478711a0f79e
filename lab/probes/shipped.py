"""The probes that come with the lab, and how they reach the store: once for each content version."""

from __future__ import annotations

from functools import cache

from lab.errors import LabError
from lab.probes.reading import load
from lab.seeds import SEEDS
from store.records import ProbeRecord

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
