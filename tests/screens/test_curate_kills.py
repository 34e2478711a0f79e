"""The lab is killed at any key, again and again: what was acknowledged is in the journal, once each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from lab.preference.verdicts import Standing
from store.home import Home
from store.journal import parse_line, read
from store.queries.judgements import rater_log
from store.service import StoreService
from tests.screens.judging import judged_records, write_records
from tests.screens.tmux import ROOT

KILLS = 100


@pytest.mark.slow
def test_no_kill_loses_a_verdict_that_was_acknowledged_or_keeps_one_twice(tmp_path: Path) -> None:
    home = Home.resolve(tmp_path / "home")
    write_records(home, judged_records(2 * KILLS))
    known = {path.name for path in home.journals.iterdir()}
    command = [sys.executable, "-m", "tests.screens.kill_curate", str(home.path), str(KILLS), "7"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-4000:]
    lives = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(lives) == KILLS
    written = _written_by_process(path for path in home.journals.glob("*.jsonl") if path.name not in known)
    written_last = 0
    for pid, acknowledged, under_way in lives:
        actions = [entry["action"] for entry in written.get(pid, ())]
        assert actions in (acknowledged, [*acknowledged, under_way])
        written_last += len(actions) > len(acknowledged)
    entries = [entry for pid, _, _ in lives for entry in written.get(pid, ())]
    ids = Counter(entry["id"] for entry in entries)
    assert max(ids.values()) == 1
    # Kills fell on both sides of the write: else the test would prove nothing.
    assert 0 < written_last < KILLS
    service = StoreService(home)
    service.ingest()
    log = service.query(rater_log, entries[0]["rater"])
    service.close()
    assert Counter(entry.id for entry in log) == ids
    assert len(Standing.of(log).verdicts) > KILLS / 2


def _written_by_process(journals: Iterable[Path]) -> dict[int, list[dict[str, Any]]]:
    """The judgements in these journals, by the process that wrote them, as each journal's first line says."""
    found: dict[int, list[dict[str, Any]]] = {}
    for path in journals:
        lines = [parse_line(line.raw) for line in read(path)]
        if lines:  # None where the kill came before the first line was whole.
            said = [dict(line.data) for line in lines if line.kind == "judgement"]
            found.setdefault(int(lines[0].data["pid"]), []).extend(said)
    return found
