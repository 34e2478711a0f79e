"""Gauges and charts of what monitors found: which number is which, and what stands beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.train.folder import Heartbeat
from lab.train.scu.settings import pinned
from screens.training import hardware
from screens.training.book import RunBook
from screens.training.charts import charts_of
from screens.training.gauges import gauges, hardware_words, strip
from screens.training.hardware import Usage, UsageMeter
from screens.training.probe_gauges import probe_gauges, probe_words
from screens.training.settable import settable
from screens.training.source import RunLine
from store.records import EventRecord, MetricRecord

RUN = RunLine("r", "run", "wick", "sft", "running", None, 20, 40, 1.0, (), "", False, "")
PROBES = {
    "entropy_nats": 0.53,
    "base_entropy_nats": 0.71,
    "base_least_entropy_nats": 0.55,
    "base_greatest_entropy_nats": 1.1,
    "word_entropy_nats": 4.36,
    "base_word_entropy_nats": 3.56,
    "words": 158.0,
    "base_words": 45.0,
    "window_entropy_nats": 4.06,
}
PERPLEXITY = {
    "general": 1145.0,
    "general_before": 1100.0,
    "general_change_percent": 4.1,
    "warn_percent": 2.0,
    "rollback_percent": 5.0,
}


def book(step: int = 20, **words: str) -> RunBook:
    made = RunBook("r")
    at = "2026-01-01T00:00:00.000000"
    made.take(
        [
            MetricRecord(run_id="r", step=step, source="train", values={"loss_nats": 1.0}, at=at),
            MetricRecord(run_id="r", step=step, source="probes", values=PROBES, at=at, words=words),
            MetricRecord(run_id="r", step=step, source="perplexity", values=PERPLEXITY, at=at),
        ]
    )
    return made


def test_predictive_entropy_is_shown_against_the_base_and_word_entropy_with_its_length() -> None:
    text = "\n".join(
        line.plain
        for line in probe_gauges(book(zone="LANTERN 4", degenerate="1 of 4 degenerate: loop 1"), 44)
    )
    for wanted in (
        "H_t on probes",
        "0.53 nats",
        "base 0.71 · -25 % against it",
        "H_w of the answers",
        "4.36 nats",
        "n 158 words, base 3.56 with 45",
        "100-word windows 4.06",
        "zone LANTERN 4",
        "1 of 4 degenerate: loop 1",
    ):
        assert wanted in text
    assert text.count("◆") == text.count("◇") == 1
    assert text.index("◇") < text.index("◆")


def test_short_answers_have_no_zone_and_early_steps_no_verdict() -> None:
    short = "\n".join(line.plain for line in probe_gauges(book(zone="too short to zone 4"), 44))
    assert "zone too short to zone 4 (n < 55)" in short
    early = "\n".join(line.plain for line in probe_gauges(book(withheld="not judged before step 10"), 44))
    assert "not judged before step 10" in early
    assert "zone" not in early
    assert "0.53 nats" in early


def test_in_few_lines_what_matters_most_stays() -> None:
    made = book(zone="LANTERN 4", degenerate="0 of 4 degenerate")
    roomy, dense = (gauges(RUN, made, Usage(), 44, dense=dense).plain for dense in (False, True))
    assert len(dense.splitlines()) < len(roomy.splitlines())
    assert "H_t on probes" in dense and "zone LANTERN 4" in dense
    assert len(strip(RUN, made, Usage(), 80).plain.splitlines()) <= 5
    assert probe_words(made) == ["H_t 0.53, base 0.71 nats", "H_w 4.36 with n = 158", "zone LANTERN 4"]
    assert probe_words(RunBook("r")) == probe_gauges(RunBook("r"), 44) == []


def test_charts_have_the_base_its_band_and_the_bounds_of_perplexity() -> None:
    charts = {chart.id: chart.draw(made) for made in [book()] for chart in charts_of(made)}
    (band,) = charts["entropy"].bands
    assert (band.lower, band.upper) == (0.55, 1.1)
    assert [(rule.label, rule.value) for rule in charts["entropy"].rules] == [("base", 0.71)]
    (warned,) = charts["general"].bands
    assert (warned.lower, warned.upper) == (pytest.approx(1122.0), pytest.approx(1155.0))
    assert charts["general"].band_style == "warn"
    assert [rule.label for rule in charts["general"].rules] == ["before", "+5 %"]
    assert "behavioral" not in charts
    assert [line.label for line in charts["words"].lines] == ["H_w", "windows"]


def test_without_proc_the_run_tells_its_own_share_and_the_machine_its_load(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hardware, "cpu_seconds", lambda _: None)
    monkeypatch.setattr(hardware, "resident_bytes", lambda _: None)
    monkeypatch.setattr(hardware.os, "getloadavg", lambda: (3.25, 2.0, 1.0), raising=False)
    beat = Heartbeat(
        pid=1, host=hardware.socket.gethostname(), state="training", step=1, planned_steps=2, at_s=0.0
    )
    usage = UsageMeter().measure(beat)
    assert (usage.cpu_share, usage.memory_bytes, usage.load) == (None, None, 3.25)
    made = book()
    values = {"cpu_share": 1.4, "gpu_memory_bytes": 2e9, "gpu_memory_limit_bytes": 16e9}
    made.take([MetricRecord(run_id="r", step=21, source="train", values=values, at="")])
    words = hardware_words(RUN, made, replace(usage, cores=8))
    assert words == ["CPU 140 %", "load 3.2 of 8", "GPU 2.0 GB of 16.0 GB"]


def test_a_platform_that_counts_no_load_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> tuple[float, float, float]:
        raise OSError

    monkeypatch.setattr(hardware.os, "getloadavg", refused, raising=False)
    assert hardware.load_average() is None


@pytest.mark.parametrize(
    ("settings", "may"),
    [
        ({}, True),
        ({"name": "a"}, False),
        ({"monitors": None}, False),
        ({"monitors": False}, False),
        ({"monitors": {}}, True),
        ({"monitors": True}, True),
        ({"monitors": {"probes": False}}, False),
        ({"monitors": {"probes": False, "prompts": ["Who?"]}}, True),
        ({"monitors": {"probes": ["core/P01"]}}, True),
        ({"monitors": {"of another version": 1}}, True),
    ],
)
def test_samples_are_awaited_of_runs_that_answer_on_their_way(settings: dict[str, Any], may: bool) -> None:
    book = RunBook("r")
    book.settings = settings
    assert book.may_answer is may


def test_what_can_be_set_is_listed_with_its_value_now() -> None:
    book = RunBook("r")
    book.settings = {"learning_rate": 1e-4, "steps_per_eval": 50, "monitors": {"patience": 2}}
    assert [(key, value) for key, value, _ in settable(book)] == [
        ("learning_rate", "0.0001"),
        ("probes.every", "50"),
        ("probes.floor", "4"),
        ("probes.patience", "2"),
        ("probes.stop", "false"),
        ("perplexity.warn_percent", "2"),
        ("perplexity.rollback_percent", "5"),
    ]
    told = EventRecord(
        id="e",
        run_id="r",
        step=3,
        name="set",
        level="info",
        words="every is 4",
        at="2026-01-01T00:00:00",
        detail={"command": "c", "key": "probes.every", "value": 4.0},
    )
    book.take([told])
    assert ("probes.every", "4", "probes.every=") in settable(book)
    book.settings = {"learning_rate": 1e-4, "monitors": False}
    assert [key for key, _, _ in settable(book)] == ["learning_rate", "probes.every"]
    book.settings = {"scu": pinned({"target": 0.03, "kc": 2.0}, planned_tokens=1_000)}
    now = {key: value for key, value, _ in settable(book)}
    assert (now["scu.target"], now["scu.kc"]) == ("0.03", "2") and "default" not in now.values()
    book.settings = {"monitors": {"probes": False}}
    assert not any(key == "probes.floor" for key, _, _ in settable(book))
