"""The terminal's figures: keys while a battery is generated, CPU time a token, long lists, verdicts.

They are taken from outside: the real lab runs on a pseudo-terminal, in a process of its own, like its driver.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any

from lab.errors import LabError

LIMIT_S = 1200.0


@dataclass(frozen=True, slots=True)
class TerminalPlan:
    """How long to measure: rounds of the tour over all keys, tokens of one answer, probes, pairs to judge and
    pairs of a comparison."""

    rounds: int = 3
    tokens: int = 2_000
    probes: int = 100_000
    pairs: int = 100_000
    compared: int = 10_000


@dataclass(frozen=True, slots=True)
class TerminalFigures:
    """Keys and lists in ms from key to painted rows (n, median, p95); the tape in CPU ms a token."""

    keys: tuple[dict[str, Any], ...]
    all_keys: dict[str, Any]
    tape: dict[str, Any]
    probes: int
    lists: tuple[dict[str, Any], ...]
    compared: int
    comparing: tuple[dict[str, Any], ...]
    pairs: int
    judging: tuple[dict[str, Any], ...]


def measure_terminal(plan: TerminalPlan = TerminalPlan()) -> TerminalFigures:
    """Measure in a fresh process. Raises LabError with its last words when it fails."""
    command = [sys.executable, "-m", "screens.bench", json.dumps(asdict(plan))]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise LabError(f"the terminal benchmark was not done within {LIMIT_S:.0f} s") from None
    if run.returncode != 0:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        raise LabError(f"the terminal benchmark failed with status {run.returncode}: {last}")
    figures = json.loads(run.stdout.splitlines()[-1])
    return TerminalFigures(
        keys=tuple(figures["keys"]),
        all_keys=figures["all_keys"],
        tape=figures["tape"],
        probes=figures["probes"],
        lists=tuple(figures["lists"]),
        compared=figures["compared"],
        comparing=tuple(figures["comparing"]),
        pairs=figures["pairs"],
        judging=tuple(figures["judging"]),
    )
