"""Files that people hand us: bounded, UTF-8, faults named by line, YAML that cannot hurt."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
import yaml

from lab.errors import LabError
from lab.textfiles import (
    BadRow,
    compose_yaml,
    decode,
    json_array,
    json_lines,
    load_yaml,
    parse_json,
    read_bytes,
    read_text,
    replace_surrogates,
)

LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


def yaml_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_bom_is_not_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "bom.txt").write_bytes(b"\xef\xbb\xbfstart")
    assert read_text(tmp_path / "bom.txt") == "start"


def test_bytes_that_are_not_utf8_are_named_by_line() -> None:
    with pytest.raises(LabError, match=r"^answer\.txt: line 3: not UTF-8"):
        decode("one\ntwo\nthré".encode("latin-1"), "answer.txt")


def test_missing_and_too_large_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"nowhere\.txt: cannot be read: No such file"):
        read_bytes(tmp_path / "nowhere.txt")
    with pytest.raises(LabError, match="cannot be read"):
        read_bytes(tmp_path)
    (tmp_path / "large").write_bytes(bytes(2**20 + 1))
    with pytest.raises(LabError, match="larger than 1 MiB"):
        read_bytes(tmp_path / "large", 2**20)
    assert len(read_bytes(tmp_path / "large", 2**20 + 1)) == 2**20 + 1


def test_json_lines_keep_line_numbers_and_stand_bad_lines_in() -> None:
    file = BytesIO(b'\xef\xbb\xbf{"a": 1}\n\n{"a": \n"text"\r\n\xff\n[1]')
    rows = list(json_lines(file, 100))
    assert [line for line, _ in rows] == [1, 3, 4, 5, 6]
    assert [value for _, value in rows if not isinstance(value, BadRow)] == [{"a": 1}, "text", [1]]
    assert rows[1][1] == BadRow(3, "not JSON: Expecting value at column 6")
    assert rows[3][1] == BadRow(5, "not UTF-8")


@pytest.mark.parametrize("length", [99, 100, 101, 102, 250, 301, 302, 1000])
@pytest.mark.parametrize("last", [b"\n3", b"\n3\n"])
def test_a_line_over_the_limit_costs_only_itself(length: int, last: bytes) -> None:
    long = b'"' + b"x" * (length - 2) + b'"'
    rows = list(json_lines(BytesIO(b"1\n" + long + last), 100))
    assert [line for line, _ in rows] == [1, 2, 3]
    assert (rows[0][1], rows[2][1]) == (1, 3)
    assert isinstance(rows[1][1], BadRow) == (length > 100)


@pytest.mark.parametrize(
    ("text", "said"),
    [("[" * 100_000, "nested too deeply"), ("1" * 5_000, "too many digits"), ("{,}", "column 2")],
)
def test_unusable_json_is_one_clear_line(text: str, said: str) -> None:
    with pytest.raises(LabError, match=said):
        parse_json(text)


def test_a_json_array_is_read_up_to_its_fault() -> None:
    assert list(json_array(' [1,\n {"a": [2]} , "x"\n]', "f")) == [(1, 1), (2, {"a": [2]}), (2, "x")]
    assert list(json_array("[]", "f")) == []
    rows = list(json_array('[{"a": 1},\n{"b": },\n{"c": 1}]', "f"))
    assert rows[0] == (1, {"a": 1})
    assert rows[1][1].line == 2
    assert "what follows was not read" in rows[1][1].reason
    assert len(rows) == 2


@pytest.mark.parametrize("text", ["[1", "[1 2]", "[1,", "[", "[" * 100_000])
def test_a_broken_array_ends_with_a_bad_row(text: str) -> None:
    rows = list(json_array(text, "f"))
    assert isinstance(rows[-1][1], BadRow)


def test_what_is_no_array_is_refused() -> None:
    with pytest.raises(LabError, match="f: expected a JSON array"):
        list(json_array('{"probes": []}', "f"))


def test_yaml_aliases_are_refused_before_they_can_grow(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"file\.yaml: line 2: YAML aliases"):
        load_yaml(yaml_file(tmp_path, LAUGHS))


@pytest.mark.parametrize("depth", [40, 100_000])
def test_deep_yaml_is_refused_and_does_not_take_the_process_with_it(tmp_path: Path, depth: int) -> None:
    path = yaml_file(tmp_path, "[" * depth + "]" * depth)
    code = f"from lab.textfiles import load_yaml; from pathlib import Path; load_yaml(Path({str(path)!r}))"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 1
    assert "nested more than 32 levels deep" in ran.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: key 'a' given twice"),
        ("a: [1, 2\nb: 3\n", "line 2"),
        ("a: !!python/object/apply:os.system [ls]\n", "line 1: could not determine a constructor"),
        ("a: 2024-13-45\n", "line 1: month must be in 1..12"),
        ("a: b\0c\n", "not YAML"),
        ("{a: 1}: 2\n", "unhashable key"),
        ("", "empty"),
        ("a: 1\n---\nb: 2\n", "expected a single document"),
    ],
)
def test_bad_yaml_names_file_line_and_fault(tmp_path: Path, text: str, said: str) -> None:
    path = yaml_file(tmp_path, text)
    with pytest.raises(LabError) as raised:
        load_yaml(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_plain_yaml_is_read_as_plain_values(tmp_path: Path) -> None:
    assert load_yaml(yaml_file(tmp_path, "a: [1, 2.5, true, ~, text]\nb: {c: d}\n")) == {
        "a": [1, 2.5, True, None, "text"],
        "b": {"c": "d"},
    }


def test_composed_nodes_carry_their_lines() -> None:
    node = compose_yaml("x:\n  - a\n  - b\n", "f")
    assert isinstance(node, yaml.MappingNode)
    assert [item.start_mark.line for item in node.value[0][1].value] == [1, 2]


@pytest.mark.parametrize(
    ("text", "clean"),
    [("plain", "plain"), ("é👍", "é👍"), ("a\ud83d b", "a\ufffd b"), ("\udc00\ud800", "\ufffd\ufffd")],
)
def test_lone_surrogates_are_replaced_and_nothing_else(text: str, clean: str) -> None:
    assert replace_surrogates(text) == clean
