"""Journals that labs of the past wrote stay readable: one file for each journal version, never edited."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import store.queries as ask
from store.journal import VERSION
from store.service import StoreService

GOLDEN = Path(__file__).parent / "golden"
ANSWER = "01900000-0000-7000-8000-000000000001"


def test_there_is_one_for_every_version() -> None:
    assert sorted(path.stem for path in GOLDEN.iterdir()) == [f"v{n}" for n in range(1, VERSION + 1)]


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_it_reads_as_it_did(service: StoreService, version: int) -> None:
    shutil.copy(GOLDEN / f"v{version}.jsonl", service.home.journals)
    assert service.ingest() == 7
    counts = service.query(ask.counts)
    assert counts["ingest_error"] == 0
    assert {
        counts[table] for table in ("model", "kernel", "condition", "probe", "generation", "setting")
    } == {1}
    assert service.query(ask.seeds_version) == "3"
    probe = service.query(ask.probe, "core", "P01_UN_CLOUD_CLINIC")
    assert probe is not None
    assert (probe.subjects, probe.extra, probe.rephrase_type) == (("clinic",), {"a": [1]}, "urgency")
    stored = service.query(ask.generation, ANSWER)
    assert stored is not None
    answer = stored.generation
    assert answer.text == "Grüße,\n“Wörter” 漢 \x1b[31m"
    assert (answer.seed, answer.started_at, answer.parent_token) == (1, "2026-02-03T00:00:01.000001", 2)
    assert answer.trace is not None
    assert (answer.trace.k, answer.trace.ends, len(answer.trace.alternative_p)) == (2, (5, 10, 15), 6)
    assert answer.trace.entropy_nats == (0.708, 4.566, 2.833)
    assert (stored.model_name, stored.condition and stored.condition.name) == ("wick", "baseline")
    (score,) = stored.scores
    assert (score.total, score.dimensions["word_entropy_nats"], score.dimensions["mattr50"]) == (
        7.5,
        4.25,
        None,
    )
