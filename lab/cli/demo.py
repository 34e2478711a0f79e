"""`lantern demo`: real work on wick at once, in the lab on a terminal and as text elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.output import HomeOption, JsonOption, emit, notice, number, say, show, table
from lab.cli.workbench import ModelOption, Workbench, workbench
from lab.protocol import Ask, Event, Finished, Started, Token

if TYPE_CHECKING:
    from lab.cli.demo_training import Trained
    from lab.compare.summary import ComparisonSummary
    from store.queries import AnswerRow
    from store.records import ComparisonRecord

EXAMPLE = """Examples:

  lantern demo

  lantern demo --plain --model ./my-mlx-model
"""


def command(
    context: typer.Context,
    plain: Annotated[bool, typer.Option("--plain", help="Text instead of the lab's screens.")] = False,
    model: ModelOption = "wick",
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers.")] = 0,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Cut answers here; for slow models.", show_default=False)
    ] = None,
    trains: Annotated[
        bool, typer.Option("--train/--no-train", help="Train wick on its own answers, after the battery.")
    ] = True,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> int:
    """See the lab at work: probes answered plainly and under a kernel, then a run trained on such answers."""
    if not (plain or as_json) and sys.stdin.isatty() and sys.stdout.isatty():
        return int(context.obj(home=home, model=model, demo=True))
    from lab.cli.compare_tables import show_summary
    from lab.cli.demo_training import compare, say_gap, train
    from lab.demo_training import TRAINED_MODEL

    began = time.monotonic()
    with workbench(home, model) as bench:
        battery = _answer_all(bench, model, seed, max_tokens, home, quiet=as_json)
        rows = _rows(bench, battery)
        first = _summary(bench, battery)
        if not as_json:
            show(_table(rows))
            show_summary(battery, first, brief=True)
        trained: Trained | None = None
        if trains and bench.session.loaded.record.name == TRAINED_MODEL:
            trained = train(bench, seed, quiet=as_json)
        tuned: tuple[ComparisonRecord, ComparisonSummary] | None = None
        if trained is not None and trained.code == 0:
            against = compare(bench, model, battery, trained, max_tokens)
            tuned = against, _summary(bench, against)
    if as_json:
        emit(_document(bench, (battery, first), rows, trained, tuned))
    elif tuned is not None:
        show_summary(*tuned, brief=True)
        say_gap(first, tuned[1])
    if not as_json:
        say("`lantern compare list` and `lantern watch --list` show what was kept; `lantern` opens the lab.")
        say(f"Done in {time.monotonic() - began:.0f} s; everything is in {bench.home.database}")
    return trained.code if trained else 0


command.__doc__ = f"{command.__doc__}\n\n{EXAMPLE}"


def _answer_all(
    bench: Workbench, model: str, seed: int, max_tokens: int | None, home: Path | None, quiet: bool
) -> ComparisonRecord:
    """Ask both sides of every pair, one after the other, so that they can be read as they come."""
    from lab.cli.compare import say_how_to_go_on
    from lab.compare.plan import new_comparison, passes
    from lab.compare.sides import condition_records, side_record
    from lab.demo import demo_probes, demo_sides
    from lab.scoring import DEFAULT_INSTRUMENT, instrument

    record = bench.session.loaded.record
    notice(
        f"model {record.name}, {record.parameters / 1e6:.1f}M parameters, on {bench.session.loaded.backend}"
    )
    sides = demo_sides(model, max_tokens)
    by = instrument(DEFAULT_INSTRUMENT)
    left, right = (side_record(side, record, None) for side in sides)
    comparison = new_comparison(
        left,
        right,
        demo_probes(),
        battery="twelve core probes",
        instrument=by.name,
        version=by.version,
        seed=seed,
        name="demo",
    )
    bench.session.keep(*(kept for side in sides for kept in condition_records(side)), comparison)
    (both,) = passes(comparison, *sides)
    try:
        for event in bench.session.generate("demo", both.asks, batch_size=1):
            if not quiet:
                _say(event, both.asks)
    except KeyboardInterrupt:
        if not quiet:
            say("")
        say_how_to_go_on(bench.store, comparison, home)
        raise
    return comparison


def _say(event: Event, asks: Sequence[Ask]) -> None:
    if isinstance(event, Started):
        _say_heading(asks[event.ask], first_of_pair=event.ask % 2 == 0)
    elif isinstance(event, Token):
        say(event.token.text, end="")
    elif isinstance(event, Finished):
        say("\n")


def _document(
    bench: Workbench,
    battery: tuple[ComparisonRecord, ComparisonSummary],
    rows: Sequence[AnswerRow],
    trained: Trained | None,
    tuned: tuple[ComparisonRecord, ComparisonSummary] | None,
) -> dict[str, object]:
    from lab.cli.compare_files import document

    found = {"store": bench.home.database, **document(*battery), "answers": rows}
    if trained is not None:
        run = {"run_id": trained.folder.run_id, "adapter": trained.folder.adapter}
        found["training"] = {**run, "examples": trained.data.train, "held_out": trained.data.held_out}
        found["tuned"] = document(*tuned) if tuned else None
    return found


def _say_heading(ask: Ask, first_of_pair: bool) -> None:
    if first_of_pair:
        say(f"── {ask.probe_id}\n{ask.prompt}\n")
    say(f"[{ask.kernel_name or 'baseline'}] ", end="")


def _rows(bench: Workbench, comparison: ComparisonRecord) -> list[AnswerRow]:
    """The answers of both sides in the order in which they were asked."""
    from store.queries import run_rows

    bench.store.ingest()
    left, right = (bench.store.query(run_rows, side.run_id) for side in (comparison.left, comparison.right))
    return sorted((*left, *right), key=lambda row: row.started_at)


def _summary(bench: Workbench, comparison: ComparisonRecord) -> ComparisonSummary:
    from lab.compare.run import score_answered
    from lab.compare.summary import summarize
    from lab.scoring import instrument
    from store.queries import compared_answers

    for _ in score_answered(comparison, instrument(comparison.instrument), bench.store):
        pass
    answers = bench.store.query(compared_answers, comparison.id)
    return summarize(answers, comparison.instrument, comparison.version, planned=len(comparison.pairs))


def _table(rows: Sequence[AnswerRow]) -> object:
    cells = [
        (
            row.probe_id or "–",
            row.condition_name,
            number(row.mean_entropy_nats),
            number(row.word_entropy_nats),
            row.zone or "too short to zone",
            str(row.words),
            number(row.tokens_per_second, 0),
        )
        for row in rows
    ]
    headers = ("probe", "condition", "H_t mean, nats", "H_w, nats", "zone of H_w", "words", "tokens/s")
    return table(headers, cells, right=(2, 3, 5, 6))
