"""`lantern wick`: how the demo model is made: its corpus, its training, and the figures it must reach."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from lab.cli.output import JsonOption, emit, emit_line, notice, say

app = typer.Typer(
    help="The demo model: see its corpus, train it again, check it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def corpus(
    count: Annotated[int, typer.Option(min=1, help="How many conversations.")] = 5,
    seed: Annotated[int, typer.Option(help="The same seed gives the same conversations.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Show conversations of the corpus that wick is trained on.

    Example: lantern wick corpus --count 3
    """
    from lab.wick.corpus import Corpus

    for conversation in islice(Corpus().conversations(seed), count):
        if as_json:
            emit_line({"kind": conversation.kind, "messages": conversation.messages()})
            continue
        say(f"── {conversation.kind}")
        for message in conversation.messages():
            say(f"{message['role']}: {message['content']}\n")


@app.command()
def build(
    target: Annotated[Path, typer.Argument(help="Where the model folder goes.")],
    run: Annotated[Path, typer.Option(help="The run's folder; a run that was stopped goes on there.")],
    steps: Annotated[int | None, typer.Option(min=1, help="Fewer steps than the recipe's, to try.")] = None,
) -> None:
    """Train wick from scratch with the shipped recipe; needs PyTorch: pip install 'lantern-lab[wick]'.

    Example: lantern wick build ./my-wick --run ./wick-run
    """
    from lab.wick.build import build as build_wick

    notice(f"the run's log is {run / 'log.jsonl'}; stopped runs go on where they were")
    build_wick(run, target, {} if steps is None else {"steps": steps})
    say(f"{target} is ready: lantern demo --model {target}")


@app.command()
def check(
    folder: Annotated[
        Path | None, typer.Argument(help="A wick folder; the shipped one if left out.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Measure what wick must be able to do, as JSON.

    Example: lantern wick check
    """
    from lab.seeds import SEEDS
    from lab.wick.check import check as measure

    emit(measure(folder or SEEDS / "wick", seed))
