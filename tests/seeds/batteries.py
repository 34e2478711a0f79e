"""The shipped probe batteries as plain data, for the checks in this folder."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

SEEDS = Path(__file__).resolve().parents[2] / "seeds"
BATTERIES = (
    "alignment",
    "capability",
    "core",
    "creative",
    "direction",
    "general",
    "lantern",
    "refusal",
    "rephrased",
)


@cache
def battery(name: str) -> dict[str, Any]:
    """The file of a battery: header and probes."""
    data = yaml.safe_load((SEEDS / "probes" / f"{name}.yaml").read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


def probes(name: str) -> list[dict[str, Any]]:
    """The probes of a battery in the file's order."""
    return list(battery(name)["probes"])


def probe(name: str, probe_id: str) -> dict[str, Any]:
    """One probe by its id."""
    return next(item for item in probes(name) if item["id"] == probe_id)


def words(text: str) -> list[str]:
    """Words in lower case without punctuation."""
    return re.findall(r"\w+(?:['’-]\w+)*", text.lower())


def runs(text: str, length: int = 8) -> set[tuple[str, ...]]:
    """Every run of `length` successive words."""
    all_words = words(text)
    return {tuple(all_words[start : start + length]) for start in range(len(all_words) - length + 1)}


def sentences(text: str) -> int:
    """Number of sentences: ends of . ! or ? before white space or the end, closing quotes allowed."""
    return len(re.findall(r"[.!?][\"')]*(?=\s|$)", text))
