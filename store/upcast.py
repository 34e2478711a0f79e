"""Old journal lines in today's shape: one function per kind and version, applied in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from store.journal import VERSION, Envelope

Upcaster = Callable[[Mapping[str, Any]], Mapping[str, Any]]

UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}
"""From (kind, version) to the function that turns its data into data of the next version."""


def upcast(
    envelope: Envelope, upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS, version: int = VERSION
) -> Envelope:
    """The envelope at `version`. Raises ValueError when it was written by a newer lab."""
    if envelope.version > version:
        raise ValueError(
            f"written in journal version {envelope.version}, this lab reads up to {version}: upgrade"
        )
    while envelope.version < version:
        step = upcasters.get((envelope.kind, envelope.version))
        data = envelope.data if step is None else step(envelope.data)
        envelope = dataclasses.replace(envelope, version=envelope.version + 1, data=data)
    return envelope
