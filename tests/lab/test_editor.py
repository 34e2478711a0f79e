"""Texts through a person's editor: real programs, and what they may do wrong."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from lab.editor import edit_text
from lab.errors import LabError


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def use(body: str) -> Path:
        script = tmp_path / "an editor.py"
        script.write_text(f"import sys, pathlib\npath = pathlib.Path(sys.argv[-1])\n{body}\n", "utf-8")
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.setenv("EDITOR", f"{sys.executable} '{script}' --wait")
        return tmp_path

    return use


def test_the_text_comes_back_changed_and_its_file_is_private_and_gone(editor) -> None:
    editor(
        "text = path.read_text('utf-8')\n"
        "path.write_text(f'{text} {oct(path.stat().st_mode & 0o777)} {path}', 'utf-8')"
    )
    text, mode, name = edit_text("a “question”").rsplit(" ", 2)
    assert (text, mode) == ("a “question”", oct(stat.S_IRUSR | stat.S_IWUSR))
    assert not Path(name).exists() and name.endswith(".md")


@pytest.mark.parametrize(
    ("body", "said"),
    [("sys.exit(3)", "status 3"), ("path.write_bytes(b'\\xff')", "not UTF-8")],
)
def test_what_goes_wrong_is_said(editor, body: str, said: str) -> None:
    editor(body)
    with pytest.raises(LabError, match=said):
        edit_text("text")


def test_without_an_editor_it_is_said_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    with pytest.raises(LabError, match="set EDITOR"):
        edit_text("text")
    monkeypatch.setenv("VISUAL", "/no/such/editor")
    with pytest.raises(LabError, match="cannot be started"):
        edit_text("text")
