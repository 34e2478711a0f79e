"""A probe as a page for an editor: its domain and subjects as a head, then `---`, then the prompt. Pure."""

from __future__ import annotations

from typing import Any

from lab.errors import LabError
from store.records import ProbeRecord

_BREAK = "---"
_FIELDS = ("domain", "subjects")


def as_page(probe: ProbeRecord) -> str:
    """What `from_page` reads back, as long as no subject holds a comma."""
    subjects = ", ".join(probe.subjects)
    return f"domain: {probe.domain}\nsubjects: {subjects}\n{_BREAK}\n{probe.prompt}\n"


def from_page(text: str) -> dict[str, Any]:
    """The fields of a page. Raises LabError naming the line that is none of its head."""
    fields: dict[str, Any] = {}
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if line.strip() == _BREAK:
            fields["prompt"] = "\n".join(lines[number:]).removesuffix("\n")
            return fields
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon or name.strip() not in _FIELDS:
            raise LabError(f"line {number}: expected {' or '.join(_FIELDS)} with a colon, or {_BREAK}")
        fields[name.strip()] = value.strip()
        if name.strip() == "subjects":
            fields["subjects"] = [part.strip() for part in value.split(",") if part.strip()]
    raise LabError(f"the line {_BREAK} before the prompt is missing")
