"""Real processes for the store's tests: they hold leases, write journals, ingest, and are killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from store.home import Home

ROOT = Path(__file__).parents[2]

PREAMBLE = """
import os, sys, time
from pathlib import Path
from store.home import Home
home = Home.resolve(Path(sys.argv[1]))
"""


def start(
    home: Home, script: str, *arguments: str, stdout: int | IO[str] = subprocess.PIPE
) -> subprocess.Popen[str]:
    """Run `script` with `home` at hand and further arguments from sys.argv[2]."""
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + script, str(home.path), *arguments],
        stdout=stdout,
        text=True,
        cwd=ROOT,
    )


@contextmanager
def running(home: Home, script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has printed its first line; it is killed at the end."""
    process = start(home, script, *arguments)
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


HOLDER = """
from store.lease import lease
with lease(home, sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""

FOREIGN = """
import duckdb
con = duckdb.connect(str(home.database))
print("open", flush=True)
time.sleep(60)
"""
