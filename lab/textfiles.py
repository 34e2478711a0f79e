"""Files that people hand us, read with care: UTF-8 with or without a BOM, bounded, faults named by line.

YAML goes through the safe constructor only. Nesting is bounded and aliases are refused before anything is
composed: libyaml's composer overflows the C stack on deep nesting, and aliases are how a small file becomes a
large one ("billion laughs").
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from lab.errors import LabError

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_YAML_DEPTH = 32
TOO_DEEP = f"nested more than {MAX_YAML_DEPTH} levels deep"

# The pure-Python parser reads the same language some ten times slower, where libyaml is missing.
_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_JSON_SPACE = " \t\r\n"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line or row that could not be used: its line in the file (from 1), and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


Row = tuple[int, Any]
"""A row of a file: its line, and its value or the BadRow that stands for it."""


def read_bytes(path: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """The file's bytes. Raises LabError when it cannot be read or is larger than `max_bytes`."""
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise LabError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > max_bytes:
        raise LabError(f"{path}: larger than {max_bytes // 2**20} MiB; split it into smaller files")
    return data


def read_text(path: Path, max_bytes: int = MAX_FILE_BYTES) -> str:
    """The file's text without a BOM. Raises LabError when it cannot be read or is not UTF-8."""
    return decode(read_bytes(path, max_bytes), str(path))


def decode(data: bytes, source: str) -> str:
    """`data` as UTF-8 text without a BOM; faults name `source` and the line."""
    try:
        return data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LabError(f"{source}: line {line}: not UTF-8; save the file as UTF-8 text") from error


def json_lines(file: IO[bytes], max_line_bytes: int) -> Iterator[Row]:
    """Every non-blank line of a JSONL file as (line number, value); a BadRow stands for what is no JSON.

    A line longer than `max_line_bytes` is skipped without being held in memory.
    """
    for number, line in _bounded_lines(file, max_line_bytes):
        if line is None:
            yield number, BadRow(number, f"longer than {max_line_bytes / 2**20:g} MiB")
            continue
        content = line.removeprefix(_BOM) if number == 1 else line
        if content.strip():
            yield number, _json_line(content, number)


def _bounded_lines(file: IO[bytes], max_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    number = 0
    while line := file.readline(max_bytes + 1):
        number += 1
        if len(line) <= max_bytes or line.endswith(b"\n"):
            yield number, line
            continue
        while (rest := file.readline(max_bytes)) and not rest.endswith(b"\n"):
            pass
        yield number, None


def _json_line(line: bytes, number: int) -> Any:
    try:
        return parse_json(line.decode("utf-8").strip())
    except UnicodeDecodeError:
        return BadRow(number, "not UTF-8")
    except LabError as error:
        return BadRow(number, str(error))


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises LabError with the place and nature of the fault."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        raise LabError(f"not JSON: {error.msg} at {place}") from error
    except RecursionError as error:
        raise LabError("not usable JSON: nested too deeply") from error
    except ValueError as error:
        raise LabError("not usable JSON: a number with too many digits") from error


def json_array(text: str, source: str) -> Iterator[Row]:
    """The items of a JSON array one by one, so that a fault costs only what follows it."""
    position = _skip_space(text, 0)
    if text[position : position + 1] != "[":
        raise LabError(f"{source}: expected a JSON array [ {{…}}, {{…}} ]")
    decoder = json.JSONDecoder()
    position = _skip_space(text, position + 1)
    line, counted = 1, 0
    while text[position : position + 1] != "]":
        line, counted = line + text.count("\n", counted, position), position
        try:
            value, position = decoder.raw_decode(text, position)
            position = _skip_space(text, position)
            if text[position : position + 1] not in (",", "]"):
                raise json.JSONDecodeError("expected ',' or ']'", text, position)
        except json.JSONDecodeError as error:
            yield line, BadRow(error.lineno, f"not JSON: {error.msg}; what follows was not read")
            return
        except (RecursionError, ValueError):
            yield line, BadRow(line, "not usable JSON; what follows was not read")
            return
        yield line, value
        if text[position] == ",":
            position = _skip_space(text, position + 1)


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in _JSON_SPACE:
        position += 1
    return position


def compose_yaml(text: str, source: str) -> yaml.Node:
    """The node tree of one YAML document, with line marks. Raises LabError naming `source` and the line."""
    try:
        _check_events(text, source)
        node: yaml.Node | None = yaml.compose(text, Loader=_Parser)
    except yaml.YAMLError as error:
        raise LabError(f"{source}: {yaml_fault(error)}") from error
    if node is None:
        raise LabError(f"{source}: empty")
    return node


def _check_events(text: str, source: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Parser):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise LabError(f"{source}: line {line}: YAML aliases (*name) are not read; write the value out")
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            depth += 1
            if depth > MAX_YAML_DEPTH:
                raise LabError(f"{source}: line {line}: {TOO_DEEP}")
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1


class _Constructor(yaml.constructor.SafeConstructor):
    """Plain values only, and a key given twice is a fault instead of a silent loss."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    problem = f"key {key.value!r} given twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def construct_yaml(node: yaml.Node) -> Any:
    """The plain value of a composed node. Raises LabError (without the file's name) naming the line."""
    try:
        return _Constructor().construct_document(node)
    except yaml.YAMLError as error:
        raise LabError(yaml_fault(error)) from error
    except ValueError as error:
        raise LabError(f"line {node.start_mark.line + 1}: {error}") from error


def yaml_line(node: yaml.Node, path: Sequence[str]) -> int:
    """The line (from 1) of what stands at `path` in a composed node, or of what is nearest around it.

    A step of the path is a key of a mapping, or the index of an item of a sequence as text.
    """
    line = node.start_mark.line + 1
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == step), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and step.isdecimal() and int(step) < len(node.value):
            node = node.value[int(step)]
            line = node.start_mark.line + 1
        else:
            break
    return line


def load_yaml(path: Path, max_bytes: int = MAX_FILE_BYTES) -> Any:
    """The value of a YAML file. Raises LabError naming the file and the line."""
    node = compose_yaml(read_text(path, max_bytes), str(path))
    try:
        return construct_yaml(node)
    except LabError as error:
        raise LabError(f"{path}: {error}") from error


def yaml_fault(error: yaml.YAMLError) -> str:
    """A YAML error on one line, with its line number where it has one."""
    parts = [getattr(error, "context", None), getattr(error, "problem", None)]
    problem = " ".join(", ".join(part for part in parts if part).split()) or " ".join(str(error).split())
    if "maximum nesting depth" in problem:
        # Newer libyaml reads ahead and has a bound of its own, far above ours.
        problem = TOO_DEEP
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}: {problem}" if mark is not None else f"not YAML: {problem}"


def replace_surrogates(text: str) -> str:
    """`text` with lone surrogates, which no UTF-8 file can hold, replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
