"""Escape alone, sequences and letters of several bytes, through the real driver on a pseudo-terminal."""

from __future__ import annotations

import os
from pathlib import Path

from screens.bench.pty_lab import CURSOR, PtyLab


def test_escape_is_told_from_a_sequence_and_letters_may_come_in_parts(tmp_path: Path) -> None:
    with PtyLab(tmp_path) as lab:
        lab.wait(CURSOR + r"\W*P01_")
        lab.press("\x1bOP", "config/keymap.yaml")
        lab.press("\x1b", "Answers, newest first")
        lab.press("\x1b[B", CURSOR + r"\W*P02_")
        lab.press("/", "earch ids")
        lab.rest(0.3)
        lab.forget()
        os.write(lab._leader, b"\xc3")
        lab.rest(0.3)
        os.write(lab._leader, b"\xb8")
        lab.wait("ø")
