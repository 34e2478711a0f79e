"""Probe files out. What is written reads back as the same probes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from lab.errors import LabError
from store.records import ProbeRecord

Form = Literal["yaml", "json", "jsonl"]
_FORMS: dict[str, Form] = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".jsonl": "jsonl"}
YAML_WIDTH = 110


def export(probes: Iterable[ProbeRecord], path: Path, form: Form | None = None) -> Path:
    """Write probes to a file in a form told by its name; an existing file is replaced in one step.

    Raises LabError when there is nothing to write, the form is unknown or the file cannot be written.
    """
    chosen = form or _FORMS.get(path.suffix.lower())
    if chosen is None:
        raise LabError(f"{path}: end the name in .yaml, .json or .jsonl to say which form it should have")
    rows = list(probes)
    if not rows:
        raise LabError(f"{path}: no probes to write; nothing was changed")
    _replace(path, render(rows, chosen))
    return path


def render(probes: Sequence[ProbeRecord], form: Form) -> str:
    """The text of a probe file: YAML of ours, a JSON array, or JSON lines."""
    if form == "jsonl":
        return "".join(json.dumps(_row(probe), ensure_ascii=False) + "\n" for probe in probes)
    if form == "json":
        return json.dumps([_row(probe) for probe in probes], ensure_ascii=False, indent=2) + "\n"
    return _yaml(probes)


def _row(probe: ProbeRecord) -> dict[str, Any]:
    """A probe as one flat row; its extra fields stand beside the others, as they were read."""
    row: dict[str, Any] = {"id": probe.id, "domain": probe.domain, "prompt": probe.prompt}
    if probe.subjects:
        row["subjects"] = list(probe.subjects)
    if probe.source_probe is not None:
        row["source_probe"] = probe.source_probe
    if probe.rephrase_type is not None:
        row["rephrase_type"] = probe.rephrase_type
    return {**probe.extra, **row, "battery": probe.battery}


def _yaml(probes: Sequence[ProbeRecord]) -> str:
    rows = [_row(probe) for probe in probes]
    document: dict[str, Any] = {"version": 1, "probes": rows}
    if len({probe.battery for probe in probes}) == 1:
        document = {"battery": probes[0].battery, **document}
        for row in rows:
            del row["battery"]
    return str(yaml.dump(document, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=YAML_WIDTH))


class _Dumper(yaml.SafeDumper):
    """Quotes every text with a character that a YAML reader could take for a line break, or refuse."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        tame = all(character.isprintable() or character == "\n" for character in text)
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if tame else '"')


_Dumper.add_representer(str, _Dumper.represent_text)


def _replace(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise LabError(f"{path}: cannot be written: {error.strerror or error}") from error
