"""What the monitors of a run measured, as one line for people. Pure."""

from __future__ import annotations

from store.records import MetricRecord

MISSING = "–"


def line_of(record: MetricRecord) -> str | None:
    """The line of a monitor's metric; None for what is no monitor of the lab's."""
    if record.source == "probes":
        return _probes(record)
    return _perplexity(record) if record.source == "perplexity" else None


def _probes(record: MetricRecord) -> str:
    values, words = record.values, record.words
    now, base = values.get("entropy_nats"), values.get("base_entropy_nats")
    parts = [
        f"H_t {_nats(now)} nats, base {_nats(base)} ({_nats(values.get('entropy_change_nats'), sign='+')})",
        f"H_w {_nats(values.get('word_entropy_nats'))} nats with n = {values.get('words') or 0.0:.0f}, "
        f"base {_nats(values.get('base_word_entropy_nats'))} with {values.get('base_words') or 0.0:.0f}",
    ]
    if "withheld" in words:
        return " · ".join((*parts, words["withheld"]))
    return " · ".join((*parts, *(words[name] for name in ("zone", "degenerate") if name in words)))


def _perplexity(record: MetricRecord) -> str:
    values = record.values
    parts = [
        f"{kind} {values[kind] or 0.0:.4g} ({values[f'{kind}_change_percent'] or 0.0:+.1f} %)"
        for kind in ("behavioral", "general")
        if values.get(kind) is not None
    ]
    return ", ".join(parts)


def _nats(value: float | None, sign: str = "") -> str:
    return MISSING if value is None else f"{value:{sign}.2f}"
