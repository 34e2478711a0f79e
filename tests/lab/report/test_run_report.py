"""A run's report: its figures are those of the records, its page needs nothing else, its texts are text."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.report.card import CardFacts, facts_of
from lab.report.run_data import collect_run
from lab.report.run_html import run_html, run_markdown
from lab.report.series_plot import Series, series_plot, thinned
from store.records import AdapterRecord, EventRecord, MetricRecord, Record, RunRecord, SampleRecord
from tests.hostile import HOSTILE
from tests.lab.report.test_reports import Page
from tests.store.facts import at, generation
from tests.store.test_runs import RUN

ADAPTER = AdapterRecord(
    id="a" * 64,
    name="evening",
    path="/runs/run-1/adapter",
    base_model_id=None,
    fine_tune_type="lora",
    rank=8,
    scale=2.0,
    num_layers=4,
    parameters=4096,
    at=at(0),
)
PLAN = replace(
    RUN,
    settings={
        "model": "wick",
        "batch_size": 4,
        "grad_accumulation_steps": 1,
        "max_seq_length": 512,
        "optimizer": "adamw",
        "learning_rate": 1e-4,
        "seed": 0,
    },
)


def records(words: str = "all 3 steps are done", text: str = "A boat.") -> list[Record]:
    found: list[Record] = [PLAN]
    for step in range(4):
        valid = {"loss_nats": 2.0 - 0.25 * step, "perplexity": math.exp(2.0 - 0.25 * step)}
        found.append(MetricRecord(run_id="run-1", step=step, source="valid", values=valid, at=at(step)))
        if step:
            train = {"loss_nats": 3.0 - step, "tokens": 100.0 * step, "learning_rate": 1e-4}
            found.append(MetricRecord(run_id="run-1", step=step, source="train", values=train, at=at(step)))
    for step, said in ((0, "Before the river."), (3, text)):
        answer = generation(step, prompt="What does the river say?", text=said)
        found.append(answer)
        found.append(
            SampleRecord(
                id=f"s{step}",
                run_id="run-1",
                step=step,
                monitor="pinned",
                generation_id=answer.id,
                at=at(step),
            )
        )
    ended = EventRecord(id="e", run_id="run-1", step=3, name="finished", level="info", words=words, at=at(9))
    return [*found, ended]


def facts(found: list[Record]) -> CardFacts:
    return facts_of(found, ADAPTER, 3, None)


def test_tiles_and_samples_are_those_of_the_records() -> None:
    found = records()
    report = collect_run(facts(found), found)
    page = Page(run_html(report)).text
    assert "1.250" in page and "2.000 → 1.250" in page and "600" in page and "3 updates" in page
    assert "Finished after step 3: all 3 steps are done" in page
    (probe,) = report.probes
    assert (probe.answers, probe.first.step, probe.last.step) == (2, 0, 3)
    assert "Before the river." in page and "A boat." in page
    assert probe.last.word_entropy_nats == pytest.approx(math.log(2))
    markdown = run_markdown(report)
    assert "| 3 (kept) | 1.2500 | 3.49 |" in markdown and "A boat." in markdown


def test_the_page_needs_no_network_and_no_script() -> None:
    found = records()
    elements = Page(run_html(collect_run(facts(found), found))).elements
    assert not [
        tag for tag, given in elements if tag in ("script", "link", "img", "iframe") or "src" in given
    ]
    policy = next(given["content"] for tag, given in elements if "Content-Security-Policy" in given.values())
    assert policy is not None and policy.startswith("default-src 'none'")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_text(text: str) -> None:
    found = records(words=text, text=text)
    found[0] = replace(PLAN, name=text)
    report = collect_run(facts(found), found)
    plain = Page(run_html(collect_run(facts(records()), records()))).elements
    page = run_html(report)
    marked_as_empty = int(text == "")
    assert len(Page(page).elements) == len(plain) + marked_as_empty and "\x1b" not in page
    assert "\x1b" not in run_markdown(report)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=3000))
def test_thinning_keeps_the_extremes_and_the_order(values: list[float]) -> None:
    points = list(enumerate(values))
    kept = thinned(points)
    assert len(kept) <= 402 and list(kept) == sorted(kept, key=lambda point: point[0])
    assert {min(values), max(values)} <= {value for _, value in kept}


def test_a_plot_shows_what_it_is_given() -> None:
    plot = series_plot("λ", "λ", [Series("λ", [(1, 0.0), (2, 10.0), (3, 1000.0)])], log=True)
    assert "step 1:" not in plot and "step 2: 10" in plot and "powers of ten" in plot
    assert series_plot("none", "x", [Series("none", [])]) == ""
    still = series_plot("rate", "rate", [Series("rate", [(1, 1e-5), (2, 1e-5)])])
    assert re.search(r">1e−05<", still)


def test_a_real_run_is_reported(tmp_path: Path) -> None:
    from lab.adapters.folders import facts_of_run
    from store.home import Home
    from tests.lab.train import runs

    home = Home.resolve(tmp_path / "home")
    folder = runs.train(home, runs.settings(runs.write_data(tmp_path / "data")))
    report = collect_run(*facts_of_run(home, folder))
    watch = runs.Watch(home, folder)
    (loss, *_) = report.charts
    assert [line.name for line in loss.lines] == ["training", "held-out"]
    assert [value for _, value in loss.lines[0].points] == watch.losses()
    plan = next(record for record in watch.records if isinstance(record, RunRecord))
    assert plan.id in run_html(report)
