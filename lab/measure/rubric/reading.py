"""Rubric files in: YAML to `Rubric`, every fault named by file, line and field."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml

from lab.errors import LabError
from lab.measure.rubric.matching import Boundary, Matcher, Place, TermError, sign_matcher, term_matcher
from lab.measure.rubric.measures import MEASURES
from lab.measure.rubric.model import Condition, Dimension, Part, Reads, Rubric, Scale, Step, View
from lab.textfiles import compose_yaml, construct_yaml, decode, read_bytes

MAX_RUBRIC_BYTES = 1 << 20
MAX_TERMS = 2_000

T = TypeVar("T")

_TOP_FIELDS = {
    "name",
    "version",
    "description",
    "reads",
    "rounding",
    "maximum",
    "apostrophes",
    "known_faults",
    "differences",
    "notes",
    "dimensions",
}
_PART_FIELDS = {
    "terms",
    "signs",
    "measure",
    "steps",
    "scale",
    "case",
    "boundary",
    "at",
    "spaces",
    "sentence_starts",
    "count",
    "points",
    "limit",
    "when",
    "in",
    "note",
}
_DIMENSION_FIELDS = _PART_FIELDS - {"points"} | {"weight", "cap", "plus", "parts", "words_per_hit"}


def load(path: Path) -> Rubric:
    """The rubric in a YAML file. Raises LabError naming the file, the line and the field at fault."""
    data = read_bytes(path, MAX_RUBRIC_BYTES)
    return parse(decode(data, str(path)), str(path), hashlib.sha256(data).hexdigest())


def parse(text: str, source: str, sha256: str | None = None) -> Rubric:
    """The rubric in a YAML text; `source` names it in faults."""
    top = _Fields(compose_yaml(text, source), source, "", _TOP_FIELDS)
    dimensions = tuple(
        _dimension(name, top.child(node, f"dimensions.{name}", _DIMENSION_FIELDS))
        for name, node in top.mapping("dimensions")
    )
    rubric = Rubric(
        name=top.text("name"),
        version=top.text("version"),
        description=top.text("description", ""),
        reads=_reads(top),
        rounding=top.whole("rounding", None),
        dimensions=dimensions,
        sha256=sha256 or hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(),
        straight_apostrophes=top.choice("apostrophes", {"as written": False, "straight": True}, False),
        known_faults=top.texts("known_faults"),
    )
    _check_maximum(top, rubric)
    return rubric


def _reads(top: _Fields) -> Reads:
    choices: dict[str, Reads] = {"text": "text", "answer": "answer"}
    return top.choice("reads", choices, "text")


def _check_maximum(top: _Fields, rubric: Rubric) -> None:
    stated = top.number("maximum", None)
    if stated is not None and (rubric.maximum is None or not math.isclose(stated, rubric.maximum)):
        raise top.fault("maximum", f"states {stated:g}, but the caps add up to {rubric.maximum}")


def _dimension(name: str, fields: _Fields) -> Dimension:
    weight = fields.number("weight")
    cap = fields.number("cap", None)
    if cap is not None and (weight <= 0 or cap <= 0):
        raise fields.fault("cap", "a cap is a positive number beside a positive weight")
    return Dimension(
        name=name,
        weight=weight,
        parts=_parts(fields),
        cap=cap,
        plus=fields.number("plus", 0.0),
        # A limit beside a single part limits the value, which is the same thing.
        limit=fields.number("limit", None),
        words_per_hit=fields.whole("words_per_hit", None, least=1),
    )


def _parts(fields: _Fields) -> tuple[Part, ...]:
    if not fields.has("parts"):
        return (_part(fields, limited=False),)
    for name in ("terms", "signs", "measure"):
        if fields.has(name):
            raise fields.fault(name, "stands beside parts; make it one of them")
    return tuple(
        _part(fields.child(node, f"{fields.where}.parts[{index}]", _PART_FIELDS), limited=True)
        for index, node in enumerate(fields.sequence("parts"))
    )


def _part(fields: _Fields, *, limited: bool) -> Part:
    kinds = [name for name in ("terms", "signs", "measure") if fields.has(name)]
    if len(kinds) != 1:
        raise fields.fault(None, "expected one of terms, signs or measure (or parts with one each)")
    counts = {"hits": "hits", "once": "once", "sentences": "sentences"}
    count = fields.choice("count", counts, "hits")
    views: dict[str, View] = {"text": "text", "prose": "prose"}
    return Part(
        matcher=_matcher(fields, kinds[0]),
        sentence_starts=fields.texts("sentence_starts", strip=False),
        measure=_measure(fields, "measure") if kinds[0] == "measure" else None,
        steps=tuple(
            _step(fields.child(node, f"{fields.where}.steps[{index}]", {"below", "above", "value"}))
            for index, node in enumerate(fields.sequence("steps") if fields.has("steps") else ())
        ),
        scale=_scale(fields),
        points=fields.number("points", 1.0) if limited else 1.0,
        limit=fields.number("limit", None) if limited else None,
        once=count == "once",
        per_sentence=count == "sentences",
        when=_condition(fields),
        view=fields.choice("in", views, "text"),
    )


def _matcher(fields: _Fields, kind: str) -> Matcher | None:
    if kind == "measure":
        return None
    try:
        if kind == "signs":
            return sign_matcher(fields.texts("signs"))
        boundaries: dict[str, Boundary] = {"word": "word", "before": "before", "none": "none"}
        places: dict[str, Place] = {"anywhere": "anywhere", "start": "start", "first word": "first_word"}
        return term_matcher(
            fields.texts("terms", strip=False),
            ignore_case=fields.choice("case", {"insensitive": True, "sensitive": False}, True),
            boundary=fields.choice("boundary", boundaries, "word"),
            place=fields.choice("at", places, "anywhere"),
            any_space=fields.choice("spaces", {"as written": False, "any": True}, False),
        )
    except TermError as error:
        raise fields.fault(kind, str(error)) from error


def _measure(fields: _Fields, key: str) -> str:
    name = fields.text(key)
    if name not in MEASURES:
        raise fields.fault(key, f"{name!r} is no measure; measures are {', '.join(sorted(MEASURES))}")
    return name


def _step(fields: _Fields) -> Step:
    step = Step(
        fields.number("value", 1.0), below=fields.number("below", None), above=fields.number("above", None)
    )
    if (step.below is None) == (step.above is None):
        raise fields.fault(None, "expected below: NUMBER or above: NUMBER, one of the two")
    return step


def _scale(fields: _Fields) -> Scale | None:
    if not fields.has("scale"):
        return None
    bounds = fields.child(fields.node("scale"), f"{fields.where}.scale", {"from", "to"})
    scale = Scale(bounds.number("from"), bounds.number("to"))
    if scale.low == scale.high:
        raise bounds.fault("to", "must differ from `from`")
    return scale


def _condition(fields: _Fields) -> Condition | None:
    if not fields.has("when"):
        return None
    when = fields.child(fields.node("when"), f"{fields.where}.when", {"measure", "below", "above"})
    return Condition(_measure(when, "measure"), _step(when))


_MISSING: Any = object()


class _Fields:
    """The fields of a YAML mapping; faults name the file, the line and the field."""

    def __init__(self, node: yaml.Node, source: str, where: str, known: set[str]) -> None:
        self.where = where
        self._node = node
        self._source = source
        if not isinstance(node, yaml.MappingNode):
            raise self.fault(None, "expected fields (name: value)")
        self._nodes: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in self._nodes:
                raise self._at(key, name, "given twice")
            if known and name not in known:
                raise self._at(key, name, f"unknown field; known are {', '.join(sorted(known))}")
            self._nodes[name] = value

    def fault(self, key: str | None, message: str) -> LabError:
        return self._at(self._nodes.get(key, self._node) if key else self._node, key, message)

    def _at(self, node: yaml.Node, key: str | None, message: str) -> LabError:
        field = ".".join(part for part in (self.where, key) if part)
        place = f"{field}: " if field else ""
        return LabError(f"{self._source}: line {node.start_mark.line + 1}: {place}{message}")

    def has(self, key: str) -> bool:
        return key in self._nodes

    def node(self, key: str) -> yaml.Node:
        if key not in self._nodes:
            raise self.fault(None, f"{key} is missing")
        return self._nodes[key]

    def child(self, node: yaml.Node, where: str, known: set[str]) -> _Fields:
        return _Fields(node, self._source, where, known)

    def mapping(self, key: str) -> Iterator[tuple[str, yaml.Node]]:
        node = self.node(key)
        if not isinstance(node, yaml.MappingNode) or not node.value:
            raise self.fault(key, "expected fields (name: value)")
        seen: set[str] = set()
        for name_node, value in node.value:
            name = str(name_node.value)
            if name in seen or not name.strip() or name == "total":
                raise self._at(name_node, f"{key}.{name}", "given twice, empty, or the reserved name total")
            seen.add(name)
            yield name, value

    def sequence(self, key: str) -> list[yaml.Node]:
        node = self.node(key)
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self.fault(key, "expected a list")
        return list(node.value)

    def text(self, key: str, default: str = _MISSING) -> str:
        if key not in self._nodes and default is not _MISSING:
            return default
        node = self.node(key)
        if not isinstance(node, yaml.ScalarNode) or not str(node.value).strip():
            raise self.fault(key, "expected a text")
        return str(node.value)

    def texts(self, key: str, strip: bool = True) -> tuple[str, ...]:
        if key not in self._nodes:
            return ()
        nodes = self.sequence(key)
        if len(nodes) > MAX_TERMS:
            raise self.fault(key, f"{len(nodes):,} entries; at most {MAX_TERMS:,}")
        for node in nodes:
            if not isinstance(node, yaml.ScalarNode):
                raise self._at(
                    node, key, "expected a list of texts; quote an entry that holds a colon or a comma"
                )
        return tuple(str(node.value).strip() if strip else str(node.value) for node in nodes)

    def number(self, key: str, default: T = _MISSING) -> float | T:
        value: float | T = self._value(key, default, "a finite number", _finite)
        return value

    def whole(self, key: str, default: T = _MISSING, least: int = 0) -> int | T:
        def check(value: Any) -> int | None:
            good = isinstance(value, int) and not isinstance(value, bool) and value >= least
            return int(value) if good else None

        value: int | T = self._value(key, default, f"a whole number from {least}", check)
        return value

    def _value(self, key: str, default: Any, expected: str, check: Callable[[Any], T | None]) -> Any:
        if key not in self._nodes and default is not _MISSING:
            return default
        value = check(construct_yaml(self.node(key)))
        if value is None:
            raise self.fault(key, f"expected {expected}")
        return value

    def choice(self, key: str, choices: dict[str, T], default: T) -> T:
        if key not in self._nodes:
            return default
        name = self.text(key)
        if name not in choices:
            raise self.fault(key, f"expected one of {', '.join(choices)}, not {name!r}")
        return choices[name]


def _finite(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None
