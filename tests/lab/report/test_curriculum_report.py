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
from store.records import CurriculumRecord, PhaseRecord
from store.service import StoreService
from tests.hostile import HOSTILE
from tests.lab.comparisons import store_comparison, texts
from tests.lab.report.test_reports import Page
from tests.screens.gate_records import curriculum, gate_rows
from tests.store.test_gates import GATE


def stored(service: StoreService, words: str = "all 5 gates pass") -> tuple[str, str]:
    """A curriculum that was measured before and after; its id and that of the comparison of both."""
    comparison = store_comparison(service, texts(30, rich=False), texts(30, rich=True))
    plan, *events = curriculum()
    assert isinstance(plan, CurriculumRecord)
    told = [
        replace(event, words=words if event.stage == "gate" else event.words)
        for event in events
        if isinstance(event, PhaseRecord)
    ]
    before = replace(
        told[0],
        id="e00",
        phase="before",
        stage="evaluate",
        detail={"comparisons": {"kernel lantern.txt": comparison.id}},
    )
    after = replace(
        before,
        id="e90",
        phase="after",
        place=3,
        detail={
            "comparisons": {"tuned": comparison.id, "tuned, kernel lantern.txt": comparison.id},
            "closed_share": 0.875,
        },
    )
    service.append(plan, before, *told, after, replace(GATE, rows=gate_rows()))
    return plan.id, comparison.id


def test_its_tables_are_the_stores(service: StoreService) -> None:
    plan_id, comparison_id = stored(service)
    report = collect_curriculum(service, plan_id)
    assert [phase.verdict for phase in report.phases] == ["pass", "amber", None]
    assert [phase.attempts for phase in report.phases] == [1, 1, 0]
    assert [(one.when, one.name) for one in report.evaluations] == [
        ("before", "kernel lantern.txt"),
        ("after", "tuned"),
        ("after", "tuned, kernel lantern.txt"),
    ]
    answers = service.query(compared_answers, comparison_id, "lek-v2", report.version)
    left, right = (
        fmean(a.scores["total"] or 0.0 for a in answers if a.side == side) for side in ("left", "right")
    )
    table = report.table
    assert table is not None and table.kernels == ("baseline", "lantern.txt")
    means = [[cell.estimate and cell.estimate.value for cell in cells] for _, cells in table.rows]
    assert means == [[pytest.approx(left), pytest.approx(right)], [pytest.approx(right)] * 2]
    page, markdown = Page(curriculum_html(report)).text, curriculum_markdown(report)
    for shown in (number(left), number(right), "3 of 101 answers loop", "shows 88% of what the kernel adds"):
        assert shown in page and shown in markdown


def test_nothing_measured_is_no_table() -> None:
    assert condition_table(()) is None


def test_a_gate_belongs_to_the_phase_that_names_it(service: StoreService) -> None:
    plan_id, _ = stored(service)
    service.append(replace(GATE, id="03-gate", plan="creative lock", verdict="pass"))
    report = collect_curriculum(service, plan_id)
    assert [gate.record.id for gate in report.phases[0].gates] == ["03-gate"]
    assert report.phases[2].gates == ()


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
