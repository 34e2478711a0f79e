"""Probe files in: YAML of ours, a JSON array, JSON lines. Good rows are kept, bad ones listed by line."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError
from lab.probes.model import MAX_NAME_CHARACTERS, make
from lab.textfiles import (
    BadRow,
    Row,
    compose_yaml,
    construct_yaml,
    decode,
    json_array,
    json_lines,
    read_bytes,
)
from store.records import ProbeRecord

MAX_LINE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ProbeFile:
    """What a file held: the probes in its order, and the rows that could not be used."""

    path: Path
    probes: tuple[ProbeRecord, ...]
    bad: tuple[BadRow, ...]


def load(path: Path, battery: str | None = None, origin: str = "imported") -> ProbeFile:
    """Read a probe file; its format is told by its name (.yaml, .yml, .json, .jsonl), else by its first sign.

    Formats: YAML of ours (`battery`, `probes: [...]`), a JSON array or JSON lines of `{id, domain|category,
    prompt, …}`, regional sets with whole-number ids, JSON lines of `{seed_id, domain, voice, prompt}`.
    `battery` puts every probe in that battery; without it the file says (for a row, or for all), else the
    battery is named after the file. Raises LabError when the file as a whole cannot be used.
    """
    data = read_bytes(path)
    named_in_file, rows = _rows(path, data)
    default = battery or named_in_file or path.stem[:MAX_NAME_CHARACTERS]
    probes: dict[tuple[str, str], ProbeRecord] = {}
    lines: dict[tuple[str, str], int] = {}
    bad: list[BadRow] = []
    for line, value in _with_unique_seed_ids(rows):
        try:
            probe = _probe(value, default, battery, origin)
            key = (probe.battery, probe.id)
            if key in probes:
                raise LabError(f"id: {probe.id!r} is already on line {lines[key]}")
            probes[key], lines[key] = probe, line
        except LabError as error:
            bad.append(value if isinstance(value, BadRow) else BadRow(line, str(error)))
    if not probes and not bad:
        raise LabError(f"{path}: no probes in it")
    return ProbeFile(path, tuple(probes.values()), tuple(bad))


def _probe(value: Any, default_battery: str, forced_battery: str | None, origin: str) -> ProbeRecord:
    if isinstance(value, BadRow):
        raise LabError(value.reason)
    if not isinstance(value, Mapping):
        raise LabError("expected fields (id, domain, prompt)")
    if forced_battery:
        value = {**value, "battery": forced_battery}
    return make(value, battery=default_battery, origin=origin)


def _rows(path: Path, data: bytes) -> tuple[str | None, list[Row]]:
    """The battery that the file as a whole names, and its rows."""
    form = path.suffix.lower().removeprefix(".")
    if form not in ("yaml", "yml", "json", "jsonl"):
        form = {b"[": "json", b"{": "jsonl"}.get(data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1], "yaml")
    if form == "jsonl":
        return None, list(json_lines(BytesIO(data), MAX_LINE_BYTES))
    text = decode(data, str(path))
    if form == "json":
        return None, list(json_array(text, str(path)))
    return _yaml_rows(text, str(path))


def _yaml_rows(text: str, source: str) -> tuple[str | None, list[Row]]:
    root = compose_yaml(text, source)
    battery: str | None = None
    nodes: Sequence[yaml.Node] | None = root.value if isinstance(root, yaml.SequenceNode) else None
    if isinstance(root, yaml.MappingNode):
        for key, node in root.value:
            if key.value == "battery":
                battery = str(construct_yaml(node))
            elif key.value == "probes" and isinstance(node, yaml.SequenceNode):
                nodes = node.value
    if nodes is None:
        raise LabError(f"{source}: expected `probes:` with a list of probes (each with id, domain, prompt)")
    return battery, [_yaml_row(node) for node in nodes]


def _yaml_row(node: yaml.Node) -> Row:
    line = node.start_mark.line + 1
    try:
        return line, construct_yaml(node)
    except LabError as error:
        return line, BadRow(line, str(error))


def _with_unique_seed_ids(rows: Sequence[Row]) -> Iterator[Row]:
    """Where one `seed_id` speaks in several voices, the id becomes "seed_id/voice", in whatever order."""
    voices: dict[Any, Counter[str]] = defaultdict(Counter)
    for _, value in rows:
        if _is_voiced_seed(value):
            voices[str(value["seed_id"])][value["voice"]] += 1
    for line, value in rows:
        if _is_voiced_seed(value) and len(voices[str(value["seed_id"])]) > 1:
            yield line, {**value, "seed_id": f"{value['seed_id']}/{value['voice']}"}
        else:
            yield line, value


def _is_voiced_seed(value: Any) -> bool:
    if not isinstance(value, Mapping) or "id" in value:
        return False
    return "seed_id" in value and isinstance(value.get("voice"), str)
