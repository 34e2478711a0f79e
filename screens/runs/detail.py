"""Gates, strips, experiments and adapters in full, as text for a pane of some width. Pure."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content

from lab.safetext import safe_line, safe_text
from screens.formats import MISSING, clip, compact_number, count, local_time, plural, short_id
from screens.runs.source import judged_on
from screens.widgets.bars import trend

if TYPE_CHECKING:
    from store.queries.adapters import AdapterRow
    from store.queries.gates import Experiment, StoredGate, StoredStrip
    from store.records import GateRow, Shift, StripRow

VERDICT_STYLES = {"pass": "bold $success", "amber": "bold $warning", "fail": "bold $error"}
VERDICT_MARKS = {"pass": "✓", "amber": "~", "fail": "✗"}
STATE_STYLES = {
    "ok": "$success",
    "warn": "bold $warning",
    "rollback": "bold $error",
    "shown": "$muted",
    "withheld": "$muted italic",
}
STATE_MARKS = {"ok": "✓", "warn": "▲", "rollback": "✗", "shown": "·", "withheld": "…"}
SHOWN_SHIFTS = 8
TREND_WIDTH = 12
NAME_WIDTH = 30
ENTRY_FIELDS = (
    "name",
    "hypothesis",
    "measures",
    "verdict",
    "next_change",
    "run_ids",
    "gate_ids",
    "strip_ids",
)


def gate_detail(stored: StoredGate, width: int) -> Content:
    """A judged plan: the verdict, and every gate with its evidence and its power."""
    record = stored.record
    head = _heading(f"{record.plan} {record.version}", record.verdict.upper(), VERDICT_STYLES[record.verdict])
    lines = [
        head,
        _muted(
            f"{stored.model_name or record.model_id[:12]} · {judged_on(stored.adapter_name, record.step)} · "
            f"{plural(len(record.generation_ids), 'answer')} · {local_time(record.at)}"
        ),
    ]
    if record.sealed:
        lines.append(_muted("The sealed probes were opened for this verdict."))
    for row in record.rows:
        lines += [Content(""), *_gate_lines(row, width)]
    lines += [
        Content(""),
        *_note("★ is the primary gate, named beforehand; the others are one family (Holm).", width),
    ]
    return _joined(lines)


def _gate_lines(row: GateRow, width: int) -> Iterator[Content]:
    style = VERDICT_STYLES[row.verdict]
    name = f"{safe_line(row.name)}{' ★' if row.primary else ''}{' (sealed)' if row.sealed else ''}"
    yield Content.assemble(
        (f"{VERDICT_MARKS[row.verdict]} ", style),
        (name, "bold"),
        ("  ", ""),
        (_value(row.value, row.unit), style),
        (_interval(row.lower, row.upper, row.confidence), "$muted"),
    )
    measured = f"{row.metric} of {row.instrument} {row.version} {row.dimension}"
    asked = f"{row.battery} under {row.condition}, n = {count(row.n)}"
    against = f", against {row.against}" if row.against else ""
    yield from _note(f"{measured} · {asked}{against}", width, indent=2)
    bounds = [f"pass {row.passes}" if row.passes else "", f"fail {row.fails}" if row.fails else ""]
    tested = "" if row.p_adjusted is None else f"p {row.p_adjusted:.3g} at level {row.level:g}"
    power = (
        "" if row.detectable is None else f"finds harm of {compact_number(row.detectable)} with 80 % chance"
    )
    yield from _note(" · ".join(part for part in (*bounds, tested, power) if part), width, indent=2)
    yield from _wrapped(row.evidence, width, "", indent=2)


def strip_detail(stored: StoredStrip, checkpoints: Sequence[StoredStrip], width: int) -> Content:
    """A safety strip: each monitor beside its reference and over the checkpoints; the strongest shifts."""
    record = stored.record
    lines = [
        _heading(
            judged_on(stored.adapter_name, record.step), record.state.upper(), STATE_STYLES[record.state]
        ),
        _muted(
            f"{stored.model_name or record.model_id[:12]} · against {stored.reference_name or 'the base'} · "
            f"{local_time(record.at)}"
        ),
    ]
    groups: dict[str, list[StripRow]] = defaultdict(list)
    for row in record.rows:
        groups[row.group].append(row)
    for group, rows in groups.items():
        lines += [Content(""), Content.styled(safe_line(group), "bold $primary")]
        for row in rows:
            lines += _monitor(row, _course(row, checkpoints), width)
    by_measure: dict[str, list[Shift]] = defaultdict(list)
    for shift in record.shifts:
        by_measure[shift.measure].append(shift)
    for measure, shifts in by_measure.items():
        lines += [Content(""), Content.styled(safe_line(measure), "bold $primary")]
        lines += _shifts(shifts, width)
    return _joined(lines)


def _monitor(row: StripRow, course: Sequence[float], width: int) -> Iterator[Content]:
    style = STATE_STYLES[row.state]
    name = clip(safe_line(row.name), min(NAME_WIDTH, max(12, width // 3)))
    room = min(NAME_WIDTH, max(12, width // 3)) - cell_len(name)
    if row.state == "withheld":
        figures = Content.styled("withheld", style)
    else:
        before = "" if row.reference is None else f"{_value(row.reference, '')} → "
        figures = Content.assemble((before, "$muted"), (_value(row.value, row.unit), "bold"))
        if row.change is not None:
            figures += Content.styled(f"  {row.change:+.3g}", style)
            figures += Content.styled(_interval(row.lower, row.upper, 0.95), "$muted")
    line = Content.assemble((f"{STATE_MARKS[row.state]} ", style), name, " " * (room + 1)) + figures
    if len(course) > 1 and line.cell_length + TREND_WIDTH + 2 <= width:
        line += Content.styled(f"  {trend(course, TREND_WIDTH)}", "$secondary")
    yield line
    if row.state in ("warn", "rollback", "withheld"):
        bounds = " · ".join(
            part
            for part in (
                row.warn and f"warns {row.warn}",
                row.rollback and f"rolls back {row.rollback}",
            )
            if part
        )
        yield from _note(" · ".join(part for part in (row.evidence, bounds) if part), width, indent=2)


def _course(row: StripRow, checkpoints: Sequence[StoredStrip]) -> list[float]:
    """The monitor's values over the run's checkpoints."""
    return [
        other.value
        for strip in checkpoints
        for other in strip.record.rows
        if (other.group, other.name) == (row.group, row.name) and other.value is not None
    ]


def _shifts(shifts: Sequence[Shift], width: int) -> Iterator[Content]:
    most = max((shift.value for shift in shifts), default=0.0)
    for shift in shifts[:SHOWN_SHIFTS]:
        place = f"layer {shift.layer}" + ("" if shift.head is None else f" head {shift.head}")
        bar = round(min(1.0, shift.value / most) * max(0, min(30, width - 32))) if most > 0 else 0
        yield Content.assemble(f"  {place:<18}", (f"{shift.value:8.4f} ", "bold"), ("▇" * bar, "$secondary"))
    if len(shifts) > SHOWN_SHIFTS:
        yield _muted(f"  and {len(shifts) - SHOWN_SHIFTS:,} more, weaker")


def experiment_detail(one: Experiment, width: int) -> Content:
    """An experiment as it stands, and its entries."""
    word, style = ("decided", "bold $success") if one.verdict else ("open", "bold $warning")
    lines = [_heading(one.name or "Experiment", word, style), _muted(f"begun {local_time(one.at)}")]
    for title, text in (
        ("Hypothesis", one.hypothesis),
        ("Verdict", one.verdict),
        ("Next change", one.next_change),
    ):
        if text:
            lines += [Content(""), Content.styled(title, "bold $primary"), *_wrapped(text, width, "")]
    tables = (("Measures", one.measures.items()), ("Configuration", one.configuration.items()))
    for title, values in tables:
        if values:
            lines += [Content(""), Content.styled(title, "bold $primary")]
            lines += [_pair(str(key), _said(value)) for key, value in values]
    linked = (("runs", one.run_ids), ("gates", one.gate_ids), ("strips", one.strip_ids))
    if any(ids for _, ids in linked):
        lines.append(Content(""))
        lines += [_pair(name, ", ".join(map(short_id, ids))) for name, ids in linked if ids]
    lines += [Content(""), Content.styled(plural(len(one.entries), "entry"), "bold $primary")]
    for entry in one.entries:
        told = (
            "name",
            "hypothesis",
            "measures",
            "verdict",
            "next_change",
            "run_ids",
            "gate_ids",
            "strip_ids",
        )
        said = ", ".join(name.replace("_", " ") for name in told if getattr(entry, name))
        lines.append(_pair(local_time(entry.at), said or "configuration"))
    return _joined(lines)


def adapter_detail(row: AdapterRow, width: int) -> Content:
    """An adapter: what it is, where it comes from, where it lies."""
    parts = [row.fine_tune_type]
    parts += [f"rank {row.rank}"] if row.rank is not None else []
    parts += [f"scale {row.scale:g}"] if row.scale is not None else []
    parts += [plural(row.num_layers, "layer")] if row.num_layers is not None else []
    made = "elsewhere, or not by a run of this store"
    if row.run_id is not None:
        made = f"run {row.run_name} ({short_id(row.run_id)}), step {count(row.step)}, {row.reason}"
    lines = [
        _heading(row.run_name or row.name, row.fine_tune_type, "$muted"),
        _muted(local_time(row.at)),
        Content(""),
        _pair("kind", ", ".join(parts)),
        _pair("weights", f"{row.parameters:,}"),
        _pair("base", row.base_name or row.base_model_id or "not known"),
        _pair("made by", made),
        _pair("held-out", MISSING if row.valid_loss_nats is None else f"{row.valid_loss_nats:.4f} nats"),
        _pair("answers", f"{row.n_answers:,} in the store"),
        Content(""),
        *_wrapped(row.id, width, "$muted"),
        *_wrapped(row.path, width, "$muted"),
    ]
    return _joined(lines)


def _heading(title: str, word: str, style: str) -> Content:
    return Content.assemble(
        (safe_line(title), "bold $foreground"), "  ", (f" {safe_line(word)} ", f"{style} reverse")
    )


def _pair(label: str, text: str) -> Content:
    return Content.assemble((f"{safe_line(label):<14} ", "$muted"), safe_line(text))


def _muted(text: str) -> Content:
    return Content.styled(safe_line(text), "$muted")


def _note(text: str, width: int, *, indent: int = 0) -> Iterator[Content]:
    yield from _wrapped(text, width, "$muted", indent=indent)


def _wrapped(text: str, width: int, style: str, *, indent: int = 0) -> Iterator[Content]:
    """Foreign text in lines that fit, its own line breaks kept."""
    for line in safe_text(text).splitlines() or [""]:
        pieces = textwrap.wrap(line, max(20, width - indent)) or [""]
        yield from (Content.styled(f"{'':<{indent}}{piece}", style) for piece in pieces)


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return MISSING
    shown = f"{value:.4g}"
    return f"{shown} {safe_line(unit)}".strip()


def _interval(lower: float | None, upper: float | None, confidence: float) -> str:
    if lower is None or upper is None:
        return ""
    return f"  [{lower:.4g}, {upper:.4g}] {100 * confidence:g} %"


def _said(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _joined(lines: Iterable[Content]) -> Content:
    return Content("\n").join(lines)
