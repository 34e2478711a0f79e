"""`lantern doctor`: what this machine offers the lab, measured now, and what would make it better."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from lab.cli.output import HomeOption, JsonOption, emit, say
from lab.errors import LabError
from store.errors import StoreError
from store.home import Home

Verdict = Literal["ok", "advice", "fault"]

PACKAGES = ("lantern-lab", "mlx", "mlx-lm", "textual", "duckdb", "numpy")
GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was found, and what to do where something could be better."""

    subject: str
    verdict: Verdict
    found: str
    advice: str = ""


def command(as_json: JsonOption = False, home: HomeOption = None) -> int:
    """Check this machine: versions, BLAS and its speed, model, terminal, store.

    Example: lantern doctor --json
    """
    findings = list(examine(home))
    if as_json:
        emit({"ok": not _faults(findings), "findings": findings})
    else:
        for finding in findings:
            mark = {"ok": "✓", "advice": "·", "fault": "✗"}[finding.verdict]
            say(f"{mark} {finding.subject:<10} {finding.found}")
            if finding.advice:
                say(f"  {'':<10} → {finding.advice}")
    return 1 if _faults(findings) else 0


def _faults(findings: list[Finding]) -> bool:
    return any(finding.verdict == "fault" for finding in findings)


def examine(home: Path | None) -> Iterator[Finding]:
    """Every finding, in the order people need them."""
    yield _python()
    yield _arithmetic()
    yield _wick()
    yield _memory()
    yield _terminal()
    yield from _store(home)


def _python() -> Finding:
    versions = " · ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return Finding("versions", "ok", f"Python {platform.python_version()} · {versions}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _arithmetic() -> Finding:
    from lab.models.runtime import backend_name, device_name, measure_gflops

    measured = measure_gflops()
    found = f"{device_name()} · {backend_name()} · {measured.gflops:.0f} GFLOP/s in float32 products"
    if not measured.correct:
        return Finding("arithmetic", "fault", found, "products differ from NumPy's: set LANTERN_BLAS=bundled")
    if measured.bundled and sys.platform == "linux":
        advice = "install a real BLAS: `apt-get install libopenblas0-pthread`, or `pip install mkl`"
        return Finding("arithmetic", "advice", found, advice)
    return Finding("arithmetic", "ok", found)


def _wick() -> Finding:
    from lab.models.load import load

    try:
        record = load("wick").record
    except LabError as error:
        return Finding("wick", "fault", str(error), "install lantern-lab again")
    return Finding("wick", "ok", f"{record.parameters / 1e6:.2f}M parameters · {record.id}")


def _memory() -> Finding:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Finding("memory", "ok", f"{total / GIB:.0f} GiB · {os.cpu_count()} cores · {platform.machine()}")


def _terminal() -> Finding:
    size = shutil.get_terminal_size()
    found = f"TERM={os.environ.get('TERM', 'unset')} · {size.columns}×{size.lines}"
    if not sys.stdout.isatty():
        return Finding("terminal", "advice", f"{found} · stdout is none", "the lab opens on a terminal")
    if size.columns < 80 or size.lines < 24:
        return Finding("terminal", "advice", found, "80×24 is the smallest size the lab is drawn for")
    return Finding("terminal", "ok", found)


def _store(home: Path | None) -> Iterator[Finding]:
    from store.queries import counts
    from store.service import StoreService

    try:
        where = Home.resolve(home)
        service = StoreService(where)
        try:
            service.ingest()
            rows = service.query(counts)
        finally:
            service.close()
    except StoreError as error:
        yield Finding("store", "fault", str(error), "`lantern store check` says more")
        return
    free = shutil.disk_usage(where.path).free
    verdict: Verdict = "ok" if free > GIB else "advice"
    advice = "" if free > GIB else "less than 1 GiB is free on this disk"
    held = f"{rows['generation']:,} answers · {rows['probe']:,} probes"
    yield Finding("store", verdict, f"{where.path} · {held} · {free / GIB:.0f} GiB free", advice)
