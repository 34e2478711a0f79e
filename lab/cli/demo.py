"""`lantern demo`: real work on wick at once, in the lab on a terminal and as text elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.output import HomeOption, JsonOption, emit, notice, number, say, show, table
from lab.cli.workbench import ModelOption, Workbench, workbench
from lab.protocol import Ask, Finished, Started, Token
from store.journal import new_id

if TYPE_CHECKING:
    from store.queries import AnswerRow

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
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> int:
    """See the lab at work: probes answered plainly and under the kernel, with the entropy of every token."""
    if not (plain or as_json) and sys.stdin.isatty() and sys.stdout.isatty():
        return int(context.obj(home=home, model=model, demo=True))
    from lab.demo import demo_asks

    began = time.monotonic()
    run_id = new_id()
    with workbench(home, model) as bench:
        _answer_all(bench, demo_asks(seed, max_tokens), run_id, quiet=as_json)
        rows = _rows(bench, run_id)
    if as_json:
        emit({"store": bench.home.database, "run_id": run_id, "answers": rows})
    else:
        show(_table(rows))
        say(f"{len(rows)} answers in {time.monotonic() - began:.0f} s, all kept in {bench.home.database}")
    return 0


command.__doc__ = f"{command.__doc__}\n\n{EXAMPLE}"


def _answer_all(bench: Workbench, asks: Sequence[Ask], run_id: str, quiet: bool) -> None:
    record = bench.session.loaded.record
    notice(
        f"model {record.name}, {record.parameters / 1e6:.1f}M parameters, on {bench.session.loaded.backend}"
    )
    for event in bench.session.generate("demo", asks, batch_size=1, run_id=run_id):
        if quiet:
            continue
        if isinstance(event, Started):
            _say_heading(asks[event.ask], first_of_pair=event.ask % 2 == 0)
        elif isinstance(event, Token):
            say(event.token.text, end="")
        elif isinstance(event, Finished):
            say("\n")


def _say_heading(ask: Ask, first_of_pair: bool) -> None:
    if first_of_pair:
        say(f"── {ask.probe_id}\n{ask.prompt}\n")
    say(f"[{ask.kernel_name or 'baseline'}] ", end="")


def _rows(bench: Workbench, run_id: str) -> list[AnswerRow]:
    from store.queries import run_rows

    bench.store.ingest()
    return bench.store.query(run_rows, run_id)


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
