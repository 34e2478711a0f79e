"""Files for people: whole or not there, theirs alone, replaced in one step."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.outfiles import write_file


def test_a_file_is_written_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.txt"
    assert write_file(path, "half \ud83d of\n") == path
    assert path.read_bytes() == "half � of\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_file(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert [found.name for found in path.parent.iterdir()] == ["out.txt"]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    for path in (tmp_path / "folder", tmp_path / "file" / "below"):
        with pytest.raises(LabError, match=f"{path.name}: cannot be written: "):
            write_file(path, "x")
    assert (tmp_path / "file").read_text() == "kept"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["file", "folder"]
