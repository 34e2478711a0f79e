"""Copies reach the clipboard also where the terminal takes none."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from lab.errors import LabError
from screens.clipboard import copy_locally, takes_osc52


@pytest.mark.parametrize(
    ("environment", "takes"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-kitty", "TERM_PROGRAM": "iTerm.app"}, True),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, False),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, False),
        ({"TERM": "linux"}, False),
        ({"TERM": "linux", "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, True),
    ],
)
def test_which_terminals_take_copies(environment: dict[str, str], takes: bool) -> None:
    assert takes_osc52(environment) is takes


def test_the_platforms_tools_are_used_and_their_faults_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    tool = SimpleNamespace(copy=copied.append, PyperclipException=RuntimeError)
    monkeypatch.setitem(sys.modules, "pyperclip", tool)
    copy_locally("what was selected")
    assert copied == ["what was selected"]

    def fail(_: str) -> None:
        raise RuntimeError("\n  no copy\n  mechanism ")

    tool.copy = fail
    with pytest.raises(LabError, match="no copy mechanism"):
        copy_locally("x")


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyperclip", None)
    with pytest.raises(LabError, match=r"lantern-lab\[clipboard\]"):
        copy_locally("x")
