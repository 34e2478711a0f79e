"""Ids and times as every producer makes them: UUIDv7 (UUIDv5 where they follow from others), naive UTC."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from datetime import UTC, datetime

_FRACTIONS = 1 << 12
_lock = threading.Lock()
_last_tick = 0


def new_id() -> str:
    """A UUIDv7 (RFC 9562): ids made by one process sort in the order in which they were made.

    The twelve bits after the milliseconds count 1/4096 ms (RFC 9562, section 6.2, method 3).
    """
    milliseconds, fraction = divmod(_next_tick(), _FRACTIONS)
    random_bits = secrets.randbits(62)
    return str(uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random_bits))


def derived_id(of: str, *parts: object) -> str:
    """The id that follows from the id `of` and `parts`: what is done once more gets the same (UUIDv5)."""
    return str(uuid.uuid5(uuid.UUID(of), "/".join(map(str, parts))))


def utc_now() -> str:
    """The time now: naive UTC, ISO 8601 with microseconds."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def _next_tick() -> int:
    """The time in 1/4096 ms, always larger than the last one, also when the clock steps back."""
    global _last_tick  # noqa: PLW0603 - one clock per process
    with _lock:
        _last_tick = max(_last_tick + 1, time.time_ns() * _FRACTIONS // 1_000_000)
        return _last_tick
