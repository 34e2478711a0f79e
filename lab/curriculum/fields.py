"""Settings that people write as YAML: every value checked on its way out, every fault with its line. Pure."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lab.errors import LabError
from lab.textfiles import compose_yaml, construct_yaml, read_text, yaml_line

T = TypeVar("T")

_BOUND = re.compile(r"(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(%?)")
_HOLDS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound of a value as written, such as ">= 21"; `percent` is of what the value is held against."""

    compare: str
    value: float
    percent: bool = False

    def holds(self, value: float) -> bool:
        """Whether `value`, in the bound's own unit, lies on its side."""
        return _HOLDS[self.compare](value, self.value)

    @property
    def is_floor(self) -> bool:
        """Whether what holds lies above."""
        return self.compare in (">", ">=")

    def __str__(self) -> str:
        return f"{self.compare} {self.value:g}{' %' if self.percent else ''}"


class FieldError(LabError):
    """A fault at a field of a file."""

    def __init__(self, path: Sequence[str], words: str) -> None:
        self.path, self.words = tuple(path), words
        super().__init__(f"{'.'.join(path)}: {words}" if path else words)


def read_file(path: Path, made: Callable[[Any], T]) -> T:
    """What `made` makes of the values of a YAML file. Raises LabError naming file, line and field."""
    node = compose_yaml(read_text(path), str(path))
    try:
        return made(construct_yaml(node))
    except FieldError as fault:
        raise LabError(f"{path}: line {yaml_line(node, fault.path)}: {fault}") from fault
    except LabError as error:
        raise error if str(error).startswith(str(path)) else LabError(f"{path}: {error}") from error


def from_mapping(value: Any, source: str, made: Callable[[Any], T]) -> T:
    """What `made` makes of plain values. Raises LabError naming `source` and the field."""
    try:
        return made(value)
    except FieldError as fault:
        raise LabError(f"{source}: {fault}") from fault


class Fields:
    """A mapping in a file, with where it stands. Methods raise FieldError for what they do not expect."""

    def __init__(self, value: Any, path: tuple[str, ...], known: Sequence[str] | None = None) -> None:
        if not isinstance(value, Mapping):
            raise FieldError(path, "expected fields, one `name: value` a line")
        for key in value:
            if known is not None and key not in known:
                raise FieldError((*path, str(key)), f"no such field; there are {', '.join(known)}")
        self._value, self._path = value, path

    def fault(self, name: str, words: str) -> FieldError:
        return FieldError((*self._path, name) if name else self._path, words)

    def names(self) -> list[str]:
        return [str(name) for name in self._value]

    def child(self, name: str, known: Sequence[str] | None = None) -> Fields:
        found = next((value for key, value in self._value.items() if str(key) == name), None)
        return Fields(found, (*self._path, name), known)

    def mapping(self, name: str) -> Mapping[str, Any]:
        value = self._value.get(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self.fault(name, "expected fields, one `name: value` a line")
        return {str(key): item for key, item in value.items()}

    def text(self, name: str, default: str | None = None) -> str:
        value = self._value.get(name)
        if value is None:
            if default is None:
                raise self.fault(name, "missing")
            return default
        if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
            raise self.fault(name, "expected a text")
        return str(value).strip()

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._value.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self.fault(name, "expected a list of texts")
        return tuple(value)

    def whole(self, name: str, default: int | None, least: int = 1) -> int | None:
        value = self._value.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**31:
            raise self.fault(name, f"expected a whole number from {least}")
        return value

    def number(self, name: str, default: float, *, above: float, below: float) -> float:
        value = self._value.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not above < value < below:
            raise self.fault(name, f"expected a number between {above:g} and {below:g}")
        return float(value)

    def flag(self, name: str) -> bool:
        value = self._value.get(name, False)
        if not isinstance(value, bool):
            raise self.fault(name, "expected true or false")
        return value

    def choice(self, name: str, choices: Sequence[str], default: str) -> Any:
        value = self._value.get(name, default)
        if value not in choices:
            raise self.fault(name, f"{value!r}: expected {', '.join(choices)}")
        return value

    def bound(self, name: str) -> Bound | None:
        value = self._value.get(name)
        if value is None:
            return None
        match = _BOUND.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None or not math.isfinite(float(match[2])):
            raise self.fault(name, f'{value!r}: expected a bound in quotes, such as ">= 21" or "> 5 %"')
        return Bound(match[1], float(match[2]), bool(match[3]))
