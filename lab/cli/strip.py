"""`lantern strip`: the safety strip of adapters or of every checkpoint of a run, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.gate import STOPPED, measuring_manner, model_of, one_id
from lab.cli.output import HomeOption, JsonOption, emit, notice, number, plain, say, show, table
from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.curriculum.strip_settings import StripSettings
    from lab.curriculum.targets import Target
    from store.home import Home
    from store.records import StripRecord, StripRow
    from store.service import StoreService

LISTED = 50
HEADS = 8
EXIT_CODES: Mapping[str, int] = {"warn": 3, "rollback": 4}
MARKS: Mapping[str, str] = {"warn": " !", "rollback": " !!"}
EXAMPLE = """Exit codes: 0 nothing past its bound, 3 a warning, 4 a way back is offered; 1 is a fault, 130 is
a stop by Ctrl-C. `lantern adapter rollback RUN` goes back.

Examples:

  lantern strip last --checkpoint all

  lantern strip ./tuned-on-10 ./tuned-on-50 --behavioral ./data

  lantern strip evening --reference ./last-weeks-adapter --bounds ./strict.yaml --json

  lantern strip --trend evening
"""


def command(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN_OR_ADAPTER]...", help="Runs or paths of adapters.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Of a run: all, best (the default) or a step.", show_default=False)
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(help="An adapter to hold it against; the base if not given.", show_default=False),
    ] = None,
    behavioral: Annotated[
        str | None,
        typer.Option(
            help="Held-out data of what was trained; the run's own if not given.", show_default=False
        ),
    ] = None,
    bounds: Annotated[
        Path | None,
        typer.Option(help="Settings and bounds in YAML instead of the shipped ones.", show_default=False),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The base model; the run's own if not given.", show_default=False)
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Answers made at a time.")] = 8,
    trend: Annotated[
        str | None,
        typer.Option("--trend", metavar="RUN", help="Show the strips of a run by step.", show_default=False),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the strips there are.")] = False,
    shown: Annotated[
        str | None, typer.Option("--show", metavar="ID", help="Show one of these again.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> int:
    """Measure what else training changed: perplexity, refusals, sycophancy, capability, style, attention."""
    from lab.cli.stored import open_store
    from store.home import Home

    where = Home.resolve(home)
    if listed or shown is not None or trend is not None:
        with open_store(where.path) as store:
            return _told(store, where, trend, shown, as_json)
    return _measure(
        where, targets or ["last"], checkpoint, reference, behavioral, bounds, model, batch_size, as_json
    )


command.__doc__ = f"{command.__doc__}\n\n{EXAMPLE}"


def _measure(
    where: Home,
    named: Sequence[str],
    checkpoint: str | None,
    reference: str | None,
    behavioral: str | None,
    bounds: Path | None,
    model: str | None,
    batch_size: int,
    as_json: bool,
) -> int:
    from lab.cli.workbench import workbench
    from lab.curriculum.asking import StoppedError
    from lab.curriculum.strip_settings import DEFAULT, load_settings
    from lab.curriculum.targets import find_targets

    settings = load_settings(bounds or DEFAULT)
    targets = [target for name in named for target in find_targets(where, name, checkpoint)]
    models = list(dict.fromkeys(model or model_of(target) for target in targets))
    if len(models) > 1:
        raise LabError(f"these are of different models ({', '.join(models)}): strips of one model at a time")
    if any(target.adapter is None for target in targets):
        raise LabError("base: a strip is taken of an adapter, held against the base")
    against = find_targets(where, reference)[0].adapter if reference else None
    records: list[StripRecord] = []
    with workbench(where.path, models[0]) as bench:
        try:
            with measuring_manner(where, batch_size) as manner:
                for target in targets:
                    notice(f"{target.name} on {bench.session.loaded.record.name}")
                    records.append(_one(bench, target, settings, against, behavioral, manner))
        except StoppedError:
            notice("stopped; what is finished is kept, and the same command goes on from it")
            if not records:
                return STOPPED
    if as_json:
        emit(records)
    else:
        show_strips(records, [target.name for target in targets])
    return max(EXIT_CODES.get(record.state, 0) for record in records)


def _one(
    bench: Any,
    target: Target,
    settings: StripSettings,
    reference: Path | None,
    behavioral: str | None,
    manner: Any,
) -> StripRecord:
    from lab.curriculum.measuring import Origin
    from lab.curriculum.strips import take_strip

    assert target.adapter is not None
    return take_strip(
        bench.session,
        bench.store,
        target.adapter,
        settings,
        reference=reference,
        behavioral=behavioral or target.valid_data,
        origin=Origin(target.run_id, target.step),
        manner=manner,
    )


def _told(store: StoreService, where: Home, trend: str | None, shown: str | None, as_json: bool) -> int:
    from lab.train.folder import find_run
    from store.queries.gates import strip, strip_trend, strips

    if shown is not None:
        found = [store.query(strip, one_id(store, "strip", shown))]
    elif trend is not None:
        found = [*store.query(strip_trend, find_run(where, trend).run_id)]
        if not found:
            raise LabError(
                f"{trend}: no strip of it yet; `lantern strip {trend} --checkpoint all` takes them"
            )
    else:
        return _list(store.query(strips, limit=None if as_json else LISTED), as_json)
    records = [row.record for row in found if row is not None]
    if as_json:
        emit(records)
        return 0
    show_strips(records, [_name(row) for row in found])
    return 0


def _list(rows: Sequence[Any], as_json: bool) -> int:
    if as_json:
        emit([{**plain(row.record), "adapter_name": row.adapter_name} for row in rows])
        return 0
    if not rows:
        say("no strip was taken yet: `lantern strip RUN --checkpoint all` does it")
        return 0
    cells = [[row.record.id[-8:], row.record.at[:16], _name(row), row.record.state] for row in rows]
    show(table(["strip", "at", "adapter", "state"], cells))
    return 0


def _name(row: Any) -> str:
    record = row.record
    name = row.adapter_name or (record.adapter_id or "base")[:8]
    return name if record.step is None or "@" in name else f"{name}@{record.step}"


def show_strips(records: Sequence[StripRecord], names: Sequence[str]) -> None:
    """Strips side by side: a row a monitor, a column an adapter; of a single one, the evidence as well."""
    names = names[: len(records)]
    keys = list(dict.fromkeys((row.group, row.name) for record in records for row in record.rows))
    cells = []
    for group, name in keys:
        rows = [_find(record, group, name) for record in records]
        first = next(row for row in rows if row is not None)
        limits = " ".join(part for part in (_said("warn", first.warn), _said("back", first.rollback)) if part)
        reference = number(first.reference, 3) if len(records) == 1 or first.reference is not None else ""
        cells.append([f"{group}: {name}", reference, *(_cell(row) for row in rows), limits])
    show(table(["monitor", "reference", *names, "bounds on Δ"], cells, right=range(1, len(names) + 2)))
    if len(records) == 1:
        _show_evidence(records[0])
    for record, name in zip(records, names, strict=True):
        say(f"{name}: {_state_words(record)}; kept as strip {record.id}")


def _said(word: str, bound: str | None) -> str:
    return f"{word} {bound}".replace(" ", "\N{NO-BREAK SPACE}") if bound else ""


def _find(record: StripRecord, group: str, name: str) -> StripRow | None:
    return next((row for row in record.rows if (row.group, row.name) == (group, name)), None)


def _cell(row: StripRow | None) -> str:
    """ "11.2 (Δ +3.1 % [2.6, 3.7]) !" """
    if row is None:
        return ""
    if row.state == "withheld":
        return "withheld"
    if row.change is None:
        return number(row.value, 3)
    unit = " %" if row.unit == "%" else ""
    interval = "" if row.lower is None else f" [{number(row.lower, 2)}, {number(row.upper, 2)}]"
    return f"{number(row.value, 3)} (Δ {row.change:+.2f}{unit}{interval}){MARKS.get(row.state, '')}"


def _show_evidence(record: StripRecord) -> None:
    for row in record.rows:
        if row.evidence:
            say(f"{row.group}, {row.name}: {row.evidence}")
    measures = dict.fromkeys(shift.measure for shift in record.shifts if shift.head is not None)
    for measure in measures:
        some = [shift for shift in record.shifts if shift.measure == measure][:HEADS]
        ranked = ", ".join(f"{shift.layer}.{shift.head} {shift.value:.4f}" for shift in some)
        say(f"{measure} by layer.head (both from 0), strongest first: {ranked}")


def _state_words(record: StripRecord) -> str:
    if record.state == "rollback":
        return "a way back is offered (!!): see `lantern adapter rollback --help`"
    return "warns (!)" if record.state == "warn" else "nothing past its bound"
