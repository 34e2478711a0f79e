"""A curriculum as one HTML file, and as Markdown. See `lab.report.html` for what a page may not do."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from lab.measure.comparison import ProbeDelta
from lab.report import sentences
from lab.report.curriculum_data import Cell, ConditionTable, CurriculumReport
from lab.report.data import CompareReport
from lab.report.html import render
from lab.report.markdown import plain, table_head, table_row
from lab.report.plots import deltas, distributions, forest, slopes
from lab.report.words import NONE, interval, number, p_value, percent, signed


def curriculum_html(report: CurriculumReport) -> str:
    """The page."""
    target = report.target
    return render(
        "curriculum.html.jinja",
        report=report,
        plan=report.plan,
        target=target,
        closed=None if report.closed_share is None else closed(report.closed_share),
        pictures=_pictures(target) if target else [],
        extremes=_extremes(target) if target else [],
    )


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
    parts = (_head(report), _evaluations(report), _phases(report), _gates(report), _best_and_worst(report))
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(report: CurriculumReport) -> Iterator[str]:
    plan = report.plan
    yield f"# {plain(plan.name)}\n"
    yield f"{plain(report.ended)}\n"
    yield f"Curriculum `{plan.id}` on {plain(plan.model)}, begun {plan.at[:10]}.\n"
    if report.closed_share is not None:
        yield f"{plain(closed(report.closed_share))}\n"


def closed(share: float) -> str:
    """What became of the kernel's effect, in a sentence."""
    return f"Without the kernel, the tuned model shows {percent(share)} of what the kernel adds to the base."


def _evaluations(report: CurriculumReport) -> Iterator[str]:
    if report.table is not None:
        yield f"## Models under conditions: mean {plain(report.instrument)} {plain(report.version)}\n"
        yield from _conditions(report.table)
        yield ""
    if not report.evaluations:
        return
    yield "## Comparisons\n"
    yield table_head(["when", "what", "left", "right", "change", "95% interval", "p", "n"])
    for one in report.evaluations:
        row = one.comparison.summary.battery.overall
        yield table_row(
            [
                one.when,
                plain(one.name),
                number(row.base.value),
                number(row.tuned.value),
                signed(row.test.effect.value),
                interval(row.test.effect),
                p_value(row.test.p_value),
                str(row.n),
            ]
        )
    yield ""


def _phases(report: CurriculumReport) -> Iterator[str]:
    yield "## Phases\n"
    yield table_head(["phase", "attempts", "answers", "kept", "gates"])
    for phase in report.phases:
        made = phase.distillation
        yield table_row(
            [
                f"{phase.place + 1} · {plain(phase.name)}",
                str(phase.attempts),
                f"{made.finished:,}" if made else NONE,
                f"{made.kept:,}" if made else NONE,
                phase.verdict or NONE,
            ]
        )
    yield ""
    for event in report.events:
        if event.state in ("failed", "undone"):
            yield f"- {plain(event.phase)}, {plain(event.stage)} {event.state}: {plain(event.words)}"
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
    target = report.target
    if target is None:
        return
    yield "## Worst and best five\n"
    yield f"{plain(sentences.primary(target))}\n"
    yield f"These probes were {target.summary.battery.extremes.note}.\n"
    yield table_head(["probe", "domain", "before", "after", "change"])
    for probe in _extremes(target):
        yield table_row(
            [
                plain(probe.probe_id),
                plain(probe.domain),
                number(probe.base),
                number(probe.tuned),
                signed(probe.delta),
            ]
        )
