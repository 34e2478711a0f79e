"""How the screens write numbers: one place, so that a quantity looks the same in every pane."""

from __future__ import annotations

import time
from collections.abc import Sequence

MISSING = "–"


def nats(value: float | None) -> str:
    """Entropies and surprisals, two decimals."""
    return MISSING if value is None else f"{value:.2f}"


def share(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.0f} %"


def probability(value: float | None) -> str:
    """Three decimals; what is smaller than can be shown is said to be so."""
    if value is None:
        return MISSING
    return "<0.001" if 0 < value < 0.0005 else f"{value:.3f}"


def count(value: int | None) -> str:
    return MISSING if value is None else f"{value:,}"


def plural(value: int, unit: str) -> str:
    """ "1 word", "1,204 words"."""
    return f"{value:,} {unit}" + ("" if value == 1 else "s")


def rate(tokens_per_second: float | None) -> str:
    if not tokens_per_second:
        return f"{MISSING} tok/s"
    digits = 1 if tokens_per_second < 10 else 0
    return f"{tokens_per_second:,.{digits}f} tok/s"


def clock(seconds: float | None) -> str:
    """Minutes and seconds, hours where needed: "0:42", "1:02:03"."""
    if seconds is None:
        return "–:––"
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(n_bytes: int | None) -> str:
    """Bytes in decimal units, three figures at most."""
    if n_bytes is None:
        return MISSING
    value = float(n_bytes)
    for unit in ("B", "kB", "MB"):
        if value < 999.5:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def short_id(identifier: str) -> str:
    """The random end of a UUIDv7: its start is the time, which answers of one second share."""
    return identifier[-8:]


def clip(text: str, width: int) -> str:
    """`text` cut to `width` cells with an ellipsis where it was longer."""
    from rich.cells import cell_len, set_cell_size

    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…"


def join_fitting(parts: Sequence[str], width: int, separator: str = " · ") -> str:
    """The first parts that fit into `width` cells, the most important first; at least the first one, cut."""
    from rich.cells import cell_len

    shown = ""
    for part in parts:
        longer = f"{shown}{separator}{part}" if shown else part
        if shown and cell_len(longer) > width:
            break
        shown = longer
    return clip(shown, width)


def local_time(utc_iso: str) -> str:
    """A stored naive-UTC time as "21 Nov 01:42" of the local clock; the raw text where it is none."""
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(utc_iso).replace(tzinfo=UTC)
    except ValueError:
        return utc_iso
    return time.strftime("%d %b %H:%M", time.localtime(moment.timestamp()))


def compact_number(value: float | None) -> str:
    """Three figures of any size: "0.0123", "1.23", "12.3k", "2e-05"."""
    if value is None:
        return MISSING
    size_of = abs(value)
    if size_of and not 1e-3 <= size_of < 1e7:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    for limit, unit in ((1e6, "M"), (1e4, "k")):
        if size_of >= limit:
            return f"{value / (1e6 if unit == 'M' else 1e3):.3g}{unit}"
    if size_of >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
