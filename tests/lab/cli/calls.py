"""Calling one command as the shell would: arguments in; exit code, stdout and stderr out."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.cli import main


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    """Run `lantern ARGUMENTS` in this process."""
    capsys.readouterr()
    code = main.run(arguments, open_lab=_no_screens)
    captured = capsys.readouterr()
    return Ran(code, captured.out, captured.err)


def _no_screens(home: Path | None = None, model: str = "wick", demo: bool = False) -> int:
    return 0


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """Make `data` what the command reads from stdin."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
