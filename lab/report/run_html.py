"""A run as one HTML file, and as Markdown. See `lab.report.html` for what the page may and may not do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lab.report.card import card
from lab.report.html import render
from lab.report.markdown import fenced, plain
from lab.report.run_data import RunReport, ShownSample
from lab.report.series_plot import series_plot
from lab.report.words import number, plural


def run_html(report: RunReport) -> str:
    """The page."""
    plots = [
        (chart.title, series_plot(chart.title, chart.unit, chart.lines, rules=chart.rules, log=chart.log))
        for chart in report.charts
    ]
    return render(
        "run.html.jinja",
        report=report,
        run=report.facts.run,
        plots=[(title, plot) for title, plot in plots if plot],
        settings=list(_flat(report.facts.run.settings)),
    )


def run_markdown(report: RunReport) -> str:
    """The adapter's card, and what the pinned probes were answered before and after."""
    return card(report.facts) + "\n".join(_samples(report))


def _samples(report: RunReport) -> Iterator[str]:
    if not report.probes:
        return
    yield "\n## Samples on pinned probes\n"
    for probe in report.probes:
        yield f"### {plain(probe.name)}\n\n{fenced(probe.prompt)}\n"
        for title, sample in (("Before", probe.first), ("After", probe.last)):
            yield f"{title}, step {sample.step:,} ({_figures(sample)}):\n\n{fenced(sample.text)}\n"


def _figures(sample: ShownSample) -> str:
    entropy = "" if sample.entropy_nats is None else f"H_t {number(sample.entropy_nats)} nats, "
    return f"{entropy}H_w {number(sample.word_entropy_nats)} nats over {plural(sample.words, 'word')}"


def _flat(settings: Mapping[str, object], before: str = "") -> Iterator[tuple[str, str]]:
    """Every setting that says something, settings inside others by their dotted names."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        elif value not in (None, "", []):
            yield f"{before}{key}", f"{value:g}" if isinstance(value, float) else str(value)
