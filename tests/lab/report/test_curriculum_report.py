"""A curriculum's report: figures recomputed from the store, a page that needs nothing else."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import pytest

from lab.errors import LabError
from lab.report.curriculum_data import collect_curriculum, condition_table
from lab.report.curriculum_pages import curriculum_html, curriculum_markdown
from lab.report.words import number
from store.queries import compared_answers
from store.queries.conditions import ProbeScore
from store.records import CurriculumRecord, PhaseRecord
from store.service import StoreService
from tests.hostile import HOSTILE
from tests.lab.comparisons import store_comparison, texts
from tests.lab.report.test_reports import Page
from tests.screens.gate_records import curriculum, gate_rows
from tests.store import facts
from tests.store.test_gates import GATE


def stored(service: StoreService, words: str = "all 5 gates pass") -> tuple[str, str]:
    """A curriculum of which one phase was compared; its id and that of the comparison."""
    comparison = store_comparison(service, texts(30, rich=False), texts(30, rich=True))
    plan, *events = curriculum()
    assert isinstance(plan, CurriculumRecord)
    told = [
        replace(
            event,
            words=words if event.stage == "gate" else event.words,
            comparison_id=comparison.id if event.place == 0 and event.stage == "gate" else None,
            adapter_id=facts.sha("tuned") if event.place == 0 and event.stage == "train" else None,
        )
        for event in events
        if isinstance(event, PhaseRecord)
    ]
    service.append(plan, *told, replace(GATE, rows=gate_rows()))
    return plan.id, comparison.id


def test_its_tables_are_the_stores(service: StoreService) -> None:
    plan_id, comparison_id = stored(service)
    report = collect_curriculum(service, plan_id)
    assert [phase.verdict for phase in report.phases] == ["pass", "amber", None]
    assert [phase.attempts for phase in report.phases] == [1, 1, 0]
    assert len(report.phases[0].gates) == 1
    answers = service.query(compared_answers, comparison_id, "lek-v2", report.version)
    expected = {
        side: fmean(a.scores["total"] for a in answers if a.side == side) for side in ("left", "right")
    }
    (table,) = report.tables
    assert table.kernels == ("baseline",) and [name for name, _ in table.rows] == [
        "base",
        "after creative lock",
    ]
    for (_, (cell,)), side in zip(table.rows, ("left", "right"), strict=True):
        assert cell.estimate is not None and cell.answers == 30
        assert cell.estimate.value == pytest.approx(expected[side])
    comparison = report.phases[0].comparison
    assert comparison is not None
    effect = comparison.summary.battery.overall.test.effect
    assert effect.value == pytest.approx(expected["right"] - expected["left"])
    page, markdown = Page(curriculum_html(report)).text, curriculum_markdown(report)
    for shown in (number(expected["left"]), number(expected["right"]), "3 of 101 answers loop"):
        assert shown in page and shown in markdown


def test_cells_count_a_probe_once_and_nothing_twice() -> None:
    scores = [
        ProbeScore(None, None, "P1", "d", 10.0, 3),
        ProbeScore(None, None, "P2", "d", 20.0, 1),
        ProbeScore("a", "lantern", "P1", "d", 12.0, 2),
    ]
    table = condition_table("core", scores, {"a": "one"})
    assert table.kernels == ("baseline", "lantern")
    (_, base), (_, tuned) = table.rows
    assert base[0].estimate is not None and base[0].estimate.value == 15.0 and base[0].answers == 4
    assert base[1].estimate is None and base[1].answers == 0
    # One probe is no interval.
    assert tuned[1].estimate is None and tuned[1].answers == 2


def test_the_page_needs_no_network_and_no_script(service: StoreService) -> None:
    report = collect_curriculum(service, stored(service)[0])
    elements = Page(curriculum_html(report)).elements
    fetching = ("script", "link", "img", "iframe")
    assert not [tag for tag, given in elements if tag in fetching or "src" in given]


@pytest.mark.parametrize("text", [HOSTILE["closing markup"], HOSTILE["clipboard"], HOSTILE["json"]])
def test_hostile_words_are_words(service: StoreService, text: str) -> None:
    report = collect_curriculum(service, stored(service, text)[0])
    assert "\x1b" not in curriculum_html(report) and "\x1b" not in curriculum_markdown(report)
    Page(curriculum_html(report))


def test_what_is_not_there_is_said(service: StoreService) -> None:
    with pytest.raises(LabError, match="no curriculum"):
        collect_curriculum(service, "none")
    service.append(curriculum()[0])
    with pytest.raises(LabError, match="nothing has happened yet"):
        collect_curriculum(service, "c1")
