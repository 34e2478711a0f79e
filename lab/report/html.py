"""A report as one HTML file that needs nothing else: styles and drawings inside, no script, no network.

Jinja escapes every value; foreign texts have their control characters made visible first. A policy in the
page forbids it to load or run anything, whatever a text might contain.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from lab.measure import degeneration, relevance
from lab.measure.statistics import power_table
from lab.report import sentences, words
from lab.report.pairs import by_cluster
from lab.report.plots import deltas, distributions, entropy_curves, forest, slopes, verdict_bar
from lab.safetext import safe_text

if TYPE_CHECKING:
    from jinja2 import Environment

    from lab.report.data import CompareReport

TEMPLATES = Path(__file__).resolve().parent / "templates"
MAX_PAIRS = 500
"""Pairs whose texts are shown; more would make a page that no browser likes."""


def to_html(report: CompareReport, max_pairs: int = MAX_PAIRS) -> str:
    """The page. `max_pairs` bounds the pairs shown in full; the numbers are always over all of them."""
    return render(
        "compare.html.jinja",
        report=report,
        summary=report.summary,
        overall=report.summary.battery.overall,
        plots=_plots(report),
        power=power_table(),
        failures_by=(
            f"{degeneration.NAME} {degeneration.VERSION}",
            f"{relevance.NAME} {relevance.VERSION}",
        ),
        shown=report.pairs[:max_pairs],
        by_cluster=by_cluster(report.pairs),
    )


def render(template: str, **values: Any) -> str:
    """A page of `templates/` with `values` and the styles that all pages share."""
    styles = Markup((TEMPLATES / "page.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return _environment().get_template(template).render(styles=styles, **values)


def _plots(report: CompareReport) -> dict[str, Markup]:
    battery = report.summary.battery
    names = (report.left.words, report.right.words)
    unit = f"{report.instrument} {report.version}"
    overall = battery.overall
    plots = {
        "verdicts": verdict_bar(overall.improved, overall.unchanged, overall.regressed),
        "distributions": distributions(
            [probe.base for probe in battery.probes], [probe.tuned for probe in battery.probes], names, unit
        ),
        "slopes": slopes(battery.probes, names, unit),
        "deltas": deltas(battery.probes, unit),
        "domains": forest(battery.rows, unit),
    }
    if report.summary.dimensions:
        plots["dimensions"] = forest(report.summary.dimensions, "the dimension's value")
    if report.curve:
        plots["entropy"] = entropy_curves(report.curve, names)
    return plots


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["say"] = sentences
    environment.globals["words"] = words
    return environment


def _visible(value: Any) -> Any:
    """Control characters of foreign text as glyphs, as everywhere in the lab; markup of ours as it is."""
    return safe_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value
