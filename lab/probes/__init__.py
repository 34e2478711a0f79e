"""Probes: read, checked, written, and the ones that come with the lab."""

from lab.probes.batteries import from_row, shipped, sync_shipped
from lab.probes.model import edited, make, probe_sha256
from lab.probes.reading import ProbeFile, load
from lab.probes.writing import export

__all__ = [
    "ProbeFile",
    "edited",
    "export",
    "from_row",
    "load",
    "make",
    "probe_sha256",
    "shipped",
    "sync_shipped",
]
