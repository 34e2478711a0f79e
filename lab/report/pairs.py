"""The pairs of a report as they are looked up and shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.report.data import ReportPair


def by_cluster(pairs: Iterable[ReportPair]) -> dict[str, list[ReportPair]]:
    """The pairs behind each probe that the statistics count."""
    found: dict[str, list[ReportPair]] = {}
    for pair in pairs:
        found.setdefault(pair.cluster, []).append(pair)
    return found
