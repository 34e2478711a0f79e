"""Recipes: training settings in YAML, under mlx-lm's own key names, with faults named by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError
from lab.seeds import SEEDS
from lab.textfiles import compose_yaml, construct_yaml, read_text
from lab.train.settings import TrainSettings, from_mapping

PRESETS = SEEDS / "recipes"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings as a file gives them, before the command line adds its own; `lines` maps keys to lines."""

    source: str
    values: Mapping[str, Any]
    lines: Mapping[str, int]

    def settings(self, **given: Any) -> TrainSettings:
        """Whole settings: what is `given` (and not None) goes over the file's values.

        A recipe that says nothing of monitors has them all (`monitors: false` has none).
        Raises LabError naming file, line and key for a fault of the file, or the option for one of `given`.
        """
        options = {key: value for key, value in given.items() if value is not None}
        try:
            found = from_mapping({**self.values, **options})
            return replace(found, monitors={}) if found.monitors is None else found
        except LabError as error:
            raise LabError(self._where(str(error), options)) from error

    def _where(self, message: str, options: Mapping[str, Any]) -> str:
        fault = message.removeprefix("settings: ")
        key = fault.partition(":")[0]
        if key.partition(".")[0] in options:
            return fault
        line = next((self.lines[path] for path in _outwards(key) if path in self.lines), None)
        return f"{self.source}: line {line}: {fault}" if line else f"{self.source}: {fault}"


def read_recipe(path: Path) -> Recipe:
    """The recipe of a file. Raises LabError naming file and line where it is no mapping of settings."""
    text = read_text(path)
    node = compose_yaml(text, str(path))
    if not isinstance(node, yaml.MappingNode):
        raise LabError(f"{path}: line {node.start_mark.line + 1}: expected settings, one `key: value` a line")
    try:
        return Recipe(str(path), construct_yaml(node), dict(_lines(node)))
    except LabError as error:
        raise LabError(f"{path}: {error}") from error


def preset(name: str) -> Recipe:
    """A shipped recipe by name."""
    if name not in preset_names():
        raise LabError(f"no recipe {name}: there are {', '.join(preset_names())}, or give a YAML file")
    return read_recipe(PRESETS / f"{name}.yaml")


def preset_names() -> list[str]:
    """The shipped recipes."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def find_recipe(name: str) -> Recipe:
    """A shipped recipe, or a file where `name` looks like one."""
    path = Path(name).expanduser()
    return read_recipe(path) if path.suffix in (".yaml", ".yml") or path.exists() else preset(name)


def _lines(node: yaml.Node, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Every key's dotted path and its line, counted from 1."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = f"{prefix}{key.value}"
            yield path, key.start_mark.line + 1
            yield from _lines(value, f"{path}.")
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield f"{prefix}{number}", value.start_mark.line + 1
            yield from _lines(value, f"{prefix}{number}.")


def _outwards(key: str) -> Iterator[str]:
    """A dotted path and then the ones around it."""
    while key:
        yield key
        key = key.rpartition(".")[0]


def with_changes(values: Mapping[str, Any], pairs: Sequence[str]) -> dict[str, Any]:
    """The settings that KEY=VALUE pairs change, over those of a recipe; a dotted key is a setting in another.

    Values are YAML. Settings beside a dotted one stay the recipe's. Raises LabError naming the pair.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key or not value:
            raise LabError(f"{pair!r}: expected KEY=VALUE, such as batch_size=8")
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise LabError(f"{pair!r}: the value is not YAML") from error
        outer, *inner = key.split(".")
        found[outer] = _put(found.get(outer, values.get(outer)), inner, parsed)
    return found


def _put(base: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    inside = dict(base) if isinstance(base, Mapping) else {}
    inside[path[0]] = _put(inside.get(path[0]), path[1:], value)
    return inside
