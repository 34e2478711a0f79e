"""The real command in a real process, for tests of the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


def lantern(
    *arguments: str | Path, home: Path, stdin: str | bytes = b"", check: bool = True, timeout_s: float = 120
) -> subprocess.CompletedProcess[bytes]:
    """Run `lantern ARGUMENTS` with a home of its own; with `check`, fail on a non-zero exit."""
    environment = {**os.environ, "LANTERN_HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-m", "screens.entry", *map(str, arguments)],
        check=False,
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        env=environment,
        timeout=timeout_s,
    )
    if check:
        assert result.returncode == 0, result.stderr.decode(errors="replace")
    return result


def json_lines(result: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    """Stdout as JSON lines; fails on anything else there."""
    return [json.loads(line) for line in result.stdout.splitlines()]
