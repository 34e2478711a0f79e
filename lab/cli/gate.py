"""`lantern gate`: a tuned model held against the bounds of a plan, with evidence, power and an exit code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.output import HomeOption, JsonOption, emit, notice, number, progress_bar, say, show, table
from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.curriculum.gates import GatePlan
    from lab.curriculum.measuring import Manner
    from lab.curriculum.targets import Target
    from lab.protocol import Progress
    from store.home import Home
    from store.queries.gates import StoredGate
    from store.records import GateRecord, GateRow
    from store.service import StoreService

STOPPED = 130
LISTED = 50
EXAMPLE = """Exit codes: 0 pass, 3 amber (a person decides), 4 fail; 1 is a fault and 130 a stop by Ctrl-C.

Examples:

  lantern gate ./adapters --plan base

  lantern gate last --plan seed-001 --samples 3 --json

  lantern gate evening --checkpoint 200 --plan ./my-gates.yaml --sealed

  lantern gate --list
"""


def command(
    target: Annotated[
        str, typer.Argument(metavar="RUN_OR_ADAPTER", help="A run, an adapter's path, or base.")
    ] = "last",
    plan: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A shipped plan (base, seed-001) or a YAML file.")
    ] = "base",
    model: Annotated[
        str | None,
        typer.Option(help="The base model; the run's own if not given.", show_default=False),
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Of a run: best, or a step.", show_default=False)
    ] = None,
    sealed: Annotated[
        bool, typer.Option("--sealed", help="Open the sealed probes too: once, for the last word.")
    ] = False,
    samples: Annotated[
        int | None,
        typer.Option(min=1, help="Answers to each probe, instead of the plan's.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many probes a gate: a trial.", show_default=False)
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Answers made at a time.")] = 8,
    listed: Annotated[bool, typer.Option("--list", help="List what was judged instead.")] = False,
    shown: Annotated[
        str | None, typer.Option("--show", metavar="ID", help="Show one of these again.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> int:
    """Judge a tuned model: make what answers are missing, score them, hold them against a plan's bounds."""
    from lab.cli.stored import open_store
    from store.home import Home

    where = Home.resolve(home)
    if listed or shown is not None:
        with open_store(where.path) as store:
            return _list(store, as_json) if shown is None else _show_stored(store, shown, as_json)
    return _judge(where, target, plan, model, checkpoint, sealed, samples, limit, batch_size, as_json)


command.__doc__ = f"{command.__doc__}\n\n{EXAMPLE}"


def _judge(
    where: Home,
    named: str,
    plan_name: str,
    model: str | None,
    checkpoint: str | None,
    sealed: bool,
    samples: int | None,
    limit: int | None,
    batch_size: int,
    as_json: bool,
) -> int:
    from lab.cli.workbench import workbench
    from lab.curriculum.asking import StoppedError
    from lab.curriculum.gates import EXIT_CODES, load_gates
    from lab.curriculum.measuring import Origin, run_gates
    from lab.curriculum.targets import find_targets

    found = find_targets(where, named, checkpoint)
    if len(found) > 1:
        raise LabError("--checkpoint all: a gate judges one at a time; `lantern strip` takes all of them")
    target = found[0]
    gates = adjusted(load_gates(plan_name), samples, limit)
    with workbench(where.path, model or model_of(target)) as bench:
        base = bench.session.loaded.record.name
        notice(f"{target.name} on {base}, plan {gates.name}: {len(gates.gates)} gates")
        try:
            with measuring_manner(where, batch_size) as manner:
                _, record = run_gates(
                    gates,
                    target.adapter,
                    bench.session,
                    bench.store,
                    sealed=sealed,
                    origin=Origin(target.run_id, target.step),
                    manner=manner,
                )
        except StoppedError:
            notice("stopped; the answers made so far are kept, and the same command goes on from them")
            return STOPPED
    if as_json:
        emit(record)
    else:
        show_gate(record, gates.notes)
    return EXIT_CODES[record.verdict]


def model_of(target: Target) -> str:
    """The model that a target is for: what its run says, else the one of the environment, else wick."""
    import os

    from lab.models.load import WICK

    return target.model or os.environ.get("LANTERN_MODEL") or WICK


def adjusted(plan: GatePlan, samples: int | None, limit: int | None) -> GatePlan:
    """A plan with other numbers of samples or probes; its hash says that it is not the file's."""
    import hashlib

    if samples is None and limit is None:
        return plan
    gates = plan.gates
    if limit is not None:
        gates = tuple(replace(gate, limit=min(limit, gate.limit or limit)) for gate in gates)
    changed = f"{plan.sha256} samples={samples} limit={limit}"
    return replace(
        plan,
        gates=gates,
        samples=samples or plan.samples,
        sha256=hashlib.sha256(changed.encode()).hexdigest(),
    )


@contextmanager
def measuring_manner(where: Home, batch_size: int) -> Iterator[Manner]:
    """How measuring is done from a terminal: stopped politely, with a bar, and with the user's rubrics."""
    from lab.cli.compare import stopping_politely
    from lab.curriculum.measuring import Manner
    from lab.scoring import instrument

    rubrics = where.config / "rubrics"
    with stopping_politely() as stopped, progress_bar("answers") as bar:
        task = bar.add_task("measuring", total=None, note="")
        yield Manner(
            batch_size=batch_size,
            should_stop=stopped,
            on_progress=_teller(bar, task),
            instruments=lambda name: instrument(name, rubrics),
        )


def _teller(bar: Any, task: Any) -> Callable[[Progress], None]:
    def tell(progress: Progress) -> None:
        note = f"{progress.tokens_per_second:.0f} tokens/s"
        bar.update(task, completed=progress.done, total=progress.total, note=note)

    return tell


def _list(store: StoreService, as_json: bool) -> int:
    from store.queries.gates import gates

    rows = store.query(gates, limit=None if as_json else LISTED)
    if as_json:
        emit([document(row) for row in rows])
        return 0
    if not rows:
        say("nothing was judged yet: `lantern gate RUN --plan base` does it")
        return 0
    cells = [
        [row.record.id[-8:], row.record.at[:16], row.record.plan, subject(row), row.record.verdict]
        for row in rows
    ]
    show(table(["gate", "at", "plan", "judged", "verdict"], cells))
    return 0


def _show_stored(store: StoreService, wanted: str, as_json: bool) -> int:
    from lab.curriculum.gates import EXIT_CODES
    from store.queries.gates import gate

    row = store.query(gate, one_id(store, "gate", wanted))
    assert row is not None
    if as_json:
        emit(document(row))
    else:
        say(f"{subject(row)}, judged {row.record.at[:16]}")
        show_gate(row.record)
    return EXIT_CODES[row.record.verdict]


def one_id(store: StoreService, kind: str, wanted: str) -> str:
    """The one id that begins or ends so; "last" is the newest. Raises LabError."""
    from store.queries.gates import find_ids

    found = store.query(find_ids, kind, "" if wanted == "last" else wanted)
    if not found:
        raise LabError(f"no {kind} {wanted!r} in the store")
    if len(found) > 1 and wanted != "last":
        raise LabError(f"{len(found)} {kind}s have an id like {wanted!r}: give more of it")
    return found[0]


def document(row: StoredGate) -> dict[str, Any]:
    """A stored gate for machines."""
    from lab.cli.output import plain

    return {**plain(row.record), "model_name": row.model_name, "adapter_name": row.adapter_name}


def subject(row: StoredGate) -> str:
    """What was judged, in words."""
    adapter = row.adapter_name or (row.record.adapter_id or "")[:8]
    name = row.model_name or row.record.model_id[:8]
    at = "" if row.record.step is None else f"@{row.record.step}"
    return f"{name} + {adapter}{at}" if adapter else name


def show_gate(record: GateRecord, notes: Sequence[str] = ()) -> None:
    """The rows of a verdict as a table, with the evidence of each below."""
    cells = [
        [
            f"{row.name}{' *' if row.primary else ''}{' (sealed)' if row.sealed else ''}",
            _measure(row),
            value_words(row),
            str(row.n),
            row.passes or "–",
            row.fails or "–",
            "–" if row.p_adjusted is None else f"{row.p_adjusted:.2g}",
            row.verdict,
        ]
        for row in record.rows
    ]
    headers = ["gate", "what", "value [95 %]", "n", "pass", "fail", "p of harm", "verdict"]
    show(table(headers, cells, right=(3, 4, 5, 6)))
    for row in record.rows:
        say(f"{row.name}: {row.evidence}")
    for note in notes:
        say(f"note: {note}")
    say(f"* the primary gate; the others share one level (Holm). Verdict: {record.verdict}")
    say(f"kept as gate {record.id}")


def value_words(row: GateRow) -> str:
    """A value with its interval: "-0.41 [-0.90, 0.08]"."""
    unit = " %" if row.unit == "%" else ""
    sign = "+" if row.against and (row.value or 0) > 0 else ""
    if row.lower is None or row.upper is None:
        return f"{sign}{number(row.value)}{unit}"
    return f"{sign}{number(row.value)}{unit} [{number(row.lower)}, {number(row.upper)}]"


def _measure(row: GateRow) -> str:
    what = f"{row.metric} {row.instrument}"
    if row.dimension not in ("total", "perplexity"):
        what += f" {row.dimension}"
    what += f", {row.battery}"
    if row.condition != "baseline":
        what += f" under {row.condition}"
    return f"{what} against {row.against}" if row.against else what
