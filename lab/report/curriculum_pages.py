"""A curriculum as one HTML file, and as Markdown. See `lab.report.html` for what a page may not do."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from lab.measure.comparison import ProbeDelta
from lab.report import sentences
from lab.report.curriculum_data import Cell, ConditionTable, CurriculumReport, PhaseReport
from lab.report.data import CompareReport
from lab.report.html import render
from lab.report.markdown import plain, table_head, table_row
from lab.report.plots import deltas, distributions, forest, slopes
from lab.report.words import NONE, interval, number, p_value, signed


def curriculum_html(report: CurriculumReport) -> str:
    """The page."""
    pictured = _pictured(report)
    comparison = pictured.comparison if pictured else None
    return render(
        "curriculum.html.jinja",
        report=report,
        plan=report.plan,
        pictured=pictured,
        pictures=_pictures(comparison) if comparison else [],
        extremes=_extremes(comparison) if comparison else [],
    )


def _pictured(report: CurriculumReport) -> PhaseReport | None:
    """The last phase that was compared."""
    return next((phase for phase in reversed(report.phases) if phase.comparison is not None), None)


def _pictures(comparison: CompareReport) -> list[tuple[str, Markup]]:
    battery = comparison.summary.battery
    names = (comparison.left.words, comparison.right.words)
    unit = f"{comparison.instrument} {comparison.version}"
    base, tuned = [p.base for p in battery.probes], [p.tuned for p in battery.probes]
    return [
        ("Scores before and after", distributions(base, tuned, names, unit)),
        ("Every probe from before to after", slopes(battery.probes, names, unit)),
        ("Change of every probe", deltas(battery.probes, unit)),
        ("Change by domain", forest(battery.rows, unit)),
    ]


def _extremes(comparison: CompareReport) -> list[ProbeDelta]:
    found = comparison.summary.battery.extremes
    return [*found.worst, *found.best]


def curriculum_markdown(report: CurriculumReport) -> str:
    """The same in Markdown, without the pictures."""
    parts = (_head(report), _phases(report), _tables(report), _gates(report), _best_and_worst(report))
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(report: CurriculumReport) -> Iterator[str]:
    plan = report.plan
    yield f"# {plain(plan.name)}\n"
    yield f"{plain(report.ended)}\n"
    yield f"Curriculum `{plan.id}` on {plain(plan.model)}, begun {plan.at[:10]}.\n"


def _phases(report: CurriculumReport) -> Iterator[str]:
    yield "## Phases\n"
    yield table_head(["phase", "attempts", "answers", "kept", "change", "95% interval", "n", "gates"])
    for phase in report.phases:
        made = phase.distillation
        overall = phase.comparison.summary.battery.overall if phase.comparison else None
        yield table_row(
            [
                f"{phase.place} · {plain(phase.name)}",
                str(phase.attempts),
                f"{made.finished:,}" if made else NONE,
                f"{made.kept:,}" if made else NONE,
                signed(overall.test.effect.value) if overall else NONE,
                interval(overall.test.effect) if overall else NONE,
                str(overall.n) if overall else NONE,
                phase.verdict or NONE,
            ]
        )
    yield ""
    for phase in report.phases:
        if phase.comparison is not None:
            yield f"- {plain(phase.name)}: {plain(sentences.primary(phase.comparison))}"
        for event in phase.events:
            if event.state in ("failed", "undone"):
                yield f"- {plain(phase.name)}, {plain(event.stage)} {event.state}: {plain(event.words)}"
    yield ""


def _tables(report: CurriculumReport) -> Iterator[str]:
    for table in report.tables:
        yield f"## {plain(table.battery)}: mean {plain(report.instrument)} {plain(report.version)}\n"
        yield from _conditions(table)
        yield ""


def _conditions(table: ConditionTable) -> Iterator[str]:
    yield table_head(["model", *map(plain, table.kernels)])
    for name, cells in table.rows:
        yield table_row([plain(name), *map(_cell, cells)])


def _cell(cell: Cell) -> str:
    if cell.estimate is None:
        return NONE
    return f"{number(cell.estimate.value)} ({interval(cell.estimate)}, n = {cell.estimate.n})"


def _gates(report: CurriculumReport) -> Iterator[str]:
    for phase in report.phases:
        for gate in phase.gates:
            record = gate.record
            yield f"## {plain(phase.name)}: {plain(record.plan)} {plain(record.version)}, {record.verdict}\n"
            yield table_head(["gate", "verdict", "value", "n", "passes", "fails", "p", "evidence"])
            for row in record.rows:
                yield table_row(
                    [
                        f"{plain(row.name)}{' (primary)' if row.primary else ''}",
                        row.verdict,
                        number(row.value, 3),
                        str(row.n),
                        plain(row.passes or NONE),
                        plain(row.fails or NONE),
                        p_value(row.p_adjusted),
                        plain(row.evidence),
                    ]
                )
            yield ""


def _best_and_worst(report: CurriculumReport) -> Iterator[str]:
    phase = _pictured(report)
    if phase is None or phase.comparison is None:
        return
    yield f"## Worst and best five of {plain(phase.name)}\n"
    yield f"These probes were {phase.comparison.summary.battery.extremes.note}.\n"
    yield table_head(["probe", "domain", "before", "after", "change"])
    for probe in _extremes(phase.comparison):
        yield table_row(
            [
                plain(probe.probe_id),
                plain(probe.domain),
                number(probe.base),
                number(probe.tuned),
                signed(probe.delta),
            ]
        )
