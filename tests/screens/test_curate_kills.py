"""The lab is killed at any key, again and again: what was acknowledged is in the journal, once each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

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
    lived = iter(lives)
    ids: Counter[str] = Counter()
    rater = ""
    written_last = 0
    for path in sorted(path for path in home.journals.glob("*.jsonl") if path.name not in known):
        entries = [
            dict(parse_line(line.raw).data) for line in read(path) if parse_line(line.raw).kind == "judgement"
        ]
        if not entries:
            continue
        actions = [entry["action"] for entry in entries]
        # A life that wrote nothing has no journal of judgements: it acknowledged nothing either.
        while True:
            acknowledged, under_way = next(lived)
            if acknowledged or actions == [under_way]:
                break
        assert actions in (acknowledged, [*acknowledged, under_way])
        written_last += len(actions) > len(acknowledged)
        ids.update(entry["id"] for entry in entries)
        rater = entries[0]["rater"]
    assert all(not acknowledged for acknowledged, _ in lived)
    assert max(ids.values()) == 1
    # Kills fell on both sides of the write: else the test would prove nothing.
    assert 0 < written_last < KILLS
    service = StoreService(home)
    service.ingest()
    log = service.query(rater_log, rater)
    service.close()
    assert Counter(entry.id for entry in log) == ids
    assert len(Standing.of(log).verdicts) > KILLS / 2
