"""A report as Markdown: the tables, the extremes with their texts, and the method; for notes and reviews.

Foreign texts stand in fences longer than any run of back-ticks in them, foreign names have every sign of
Markdown escaped, so that neither can become markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from lab.measure.statistics import power_table
from lab.report import sentences
from lab.report.pairs import by_cluster
from lab.report.words import (
    NONE,
    interval,
    number,
    p_value,
    percent,
    plural,
    signed,
    signed_percent,
)
from lab.safetext import safe_line, safe_text

if TYPE_CHECKING:
    from lab.measure.comparison import ComparisonRow, FailureTally, ProbeDelta
    from lab.report.data import CompareReport, ReportAnswer, ReportPair, ReportSide
    from lab.report.ratings import RatedScale

_SIGNS = re.compile(r"([\\`*_\[\]|<>~&$])")
_LINE_START = re.compile(r"^(\s*\d*)([-+#=.)])")
_TICKS = re.compile("`+")
_COUNTS = ("improved", "unchanged", "regressed")


def to_markdown(report: CompareReport) -> str:
    """The whole report."""
    return "\n".join(
        [*_head(report), *_tables(report), *_judged(report), *_answers(report), *_method(report)]
    )


def plain(text: str) -> str:
    """Foreign text on one line that Markdown takes for nothing but text."""
    return _LINE_START.sub(r"\1\\\2", _SIGNS.sub(r"\\\1", safe_line(text)))


def fenced(text: str) -> str:
    """Foreign text as a block that shows it as it is."""
    fence = "`" * max([3, *(len(run) + 1 for run in _TICKS.findall(text))])
    return f"{fence}text\n{safe_text(text)}\n{fence}"


def _head(report: CompareReport) -> Iterator[str]:
    summary = report.summary
    yield f"# {plain(sentences.headline(summary, report.left.words, report.right.words))}\n"
    yield f"{plain(sentences.primary(report))}\n"
    yield f"{plain(sentences.counted(summary))} {plain(sentences.won(summary))}\n"
    yield (
        f"Comparison `{plain(report.id)}` of {plain(report.battery)}, made {report.at[:10]}; left is the "
        "base, right is held against it, a positive change says that right scores higher."
        + (f" {plain(report.origin)}" if report.origin else "")
        + "\n"
    )
    for caution in sentences.cautions(report):
        yield f"- **Note:** {plain(caution)}"
    yield "\n## The two sides\n"
    for name, side in (("Left", report.left), ("Right", report.right)):
        yield from _side(name, side)


def _side(name: str, side: ReportSide) -> Iterator[str]:
    yield f"**{name}: {plain(side.words)}**\n"
    yield from (
        f"- {plain(fact)}" if not label else f"- {label}: {plain(fact)}" for label, fact in side.facts
    )
    yield ""


def _tables(report: CompareReport) -> Iterator[str]:
    summary = report.summary
    measured = f"{report.instrument} {report.version}"
    yield f"## Total of {plain(measured)} by domain\n"
    yield from _rows("domain", summary.battery.rows, counts=True)
    yield f"\n{plain(summary.battery.overall.test.method)}. The first row is the one primary test.\n"
    for title, name, rows in (
        (f"Dimensions of {measured}", "dimension", summary.dimensions),
        ("What the answers are like", "figure", summary.figures),
    ):
        if rows:
            yield f"## {plain(title)}\n"
            yield from _rows(name, rows, counts=False)
            yield ""
    capability = summary.capability
    if capability is not None:
        test = capability.test
        yield f"## Capability ({capability.instrument} {capability.version})\n"
        yield (
            f"{percent(capability.base.value)} → {percent(capability.tuned.value)} right of "
            f"{plural(test.n, 'checkable probe')}, change {signed_percent(test.effect.value)} "
            f"({percent(test.effect.confidence)} interval {interval(test.effect, share=True)}; "
            f"p {p_value(test.p_value)}; {plain(test.method)}).\n"
        )
    yield "## Failure modes\n"
    yield from _failures(summary.battery.failure_modes, summary.pairs)


def _rows(name: str, rows: Sequence[ComparisonRow], *, counts: bool) -> Iterator[str]:
    confidence = percent(rows[0].test.effect.confidence)
    headers = [name, "n", "left", "right", "change", f"{confidence} interval", "p", "p, Holm"]
    yield table_head([*headers, *(_COUNTS if counts else ())])
    for row in rows:
        cells = [
            plain(row.label),
            str(row.n),
            number(row.base.value),
            number(row.tuned.value),
            signed(row.test.effect.value),
            interval(row.test.effect),
            p_value(row.test.p_value),
            "primary" if row.p_holm is None else p_value(row.p_holm),
        ]
        tallied = [str(getattr(row, verdict)) for verdict in _COUNTS] if counts else []
        yield table_row([*cells, *tallied])


def _failures(modes: Sequence[FailureTally], pairs: int) -> Iterator[str]:
    if not modes:
        yield f"Neither side shows topic evasion, token loops or collapse in {plural(pairs, 'pair')}.\n"
        return
    yield table_head(["mode", "left", "right", "change of share", "interval", "p", "p, Holm", "n"])
    for mode in modes:
        yield table_row(
            [
                plain(mode.mode),
                f"{mode.base_answers} of {mode.base_n}",
                f"{mode.tuned_answers} of {mode.tuned_n}",
                signed_percent(mode.test.effect.value),
                interval(mode.test.effect, share=True),
                p_value(mode.test.p_value),
                p_value(mode.p_holm),
                str(mode.test.n),
            ]
        )
    yield ""


def _judged(report: CompareReport) -> Iterator[str]:
    if report.judgements or report.scales:
        yield "## Judged and rated\n"
    for judgement in report.judgements:
        yield f"Judge {plain(judgement.judge_name)}, template {plain(judgement.template)}: "
        yield f"{plain(sentences.judged(judgement))}\n"
    if report.scales:
        yield table_head(
            [
                "scale",
                "left",
                "ratings",
                "right",
                "ratings",
                "blind",
                "n",
                "change",
                "interval",
                "p",
                "p, Holm",
            ]
        )
        yield from map(_rated, report.scales)
        yield "\nRatings by people, 1 to 5; the change is where one rater rated both answers of a pair.\n"


def _rated(scale: RatedScale) -> str:
    given = [number(scale.left), str(scale.n_left), number(scale.right), str(scale.n_right)]
    tested = ["0", NONE, NONE, NONE, NONE]
    if scale.test is not None:
        tested = [
            str(scale.test.n),
            signed(scale.test.effect.value),
            interval(scale.test.effect),
            p_value(scale.test.p_value),
            p_value(scale.p_holm),
        ]
    return table_row([plain(scale.name), *given, f"{scale.blind} of {scale.n_left + scale.n_right}", *tested])


def _answers(report: CompareReport) -> Iterator[str]:
    extremes = report.summary.battery.extremes
    pairs = by_cluster(report.pairs)
    yield "## Answers\n"
    yield f"These probes were {extremes.note}.\n"
    for title, probes in (("Lost most", extremes.worst), ("Gained most", extremes.best)):
        yield f"### {title}\n"
        if not probes:
            yield "None.\n"
        for probe in probes:
            yield from _extreme(probe, pairs.get(probe.probe_id, []))


def _extreme(probe: ProbeDelta, pairs: Iterable[ReportPair]) -> Iterator[str]:
    change = f"{number(probe.base)} → {number(probe.tuned)} ({signed(probe.delta)})"
    yield f"#### {plain(probe.probe_id)} · {plain(probe.domain)} · {change}\n"
    for pair in pairs:
        yield f"{fenced(pair.prompt)}\n"
        for side, answer in (("Left", pair.left), ("Right", pair.right)):
            yield f"{side}, {number(answer.total)}{_modes(answer)}:\n"
            yield f"{fenced(answer.text)}\n" if answer.text is not None else "no text, only values\n"


def _modes(answer: ReportAnswer) -> str:
    return f", {plain(', '.join(answer.modes))}" if answer.modes else ""


def _method(report: CompareReport) -> Iterator[str]:
    overall, bootstrap = report.summary.battery.overall, report.summary.battery.bootstrap
    yield "## Method\n"
    yield f"{plain(f'{report.instrument} {report.version}: {report.description}')}\n"
    for fault in report.known_faults:
        yield f"- Known fault: {plain(fault)}"
    entropy = "- H\\_t = logsumexp(z) − Σ p z in nats, from raw float32 logits.\n"
    yield (
        "\n- Unit: a probe; its rephrasings and repeated answers are averaged first.\n"
        "- Change: d = right − left; improved above 0.5, regressed below −0.5.\n"
        f"- Test: {plain(overall.test.method)}; the interval holds all centers that it would not reject.\n"
        f"- Second witness: {plain(bootstrap.method)}, {signed(bootstrap.value)}, {interval(bootstrap)}.\n"
        "- Win rate: (W + ½T)/N with the Wilson interval.\n"
        "- Domains, dimensions, figures and failure modes are families of their own (Holm).\n"
        + (entropy if report.origin is None else "")
    )
    power = power_table()
    yield f"Decided pairs that show a win rate ({power[0].method}, level {power[0].level}, power 80%):\n"
    yield table_head(["true win rate", *(percent(row.win_rate) for row in power)])
    yield table_row(["pairs needed", *(str(row.n) for row in power)])
    yield (
        f"\nWritten {report.written_at[:19].replace('T', ' ')} UTC; every number was computed from the store "
        f"then. `lantern report compare {plain(report.id)}` writes it again.\n"
    )


def table_head(names: Sequence[str]) -> str:
    return f"{table_row(names)}\n{table_row(['---', *('---:' for _ in names[1:])])}"


def table_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
