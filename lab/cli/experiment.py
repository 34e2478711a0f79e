"""`lantern experiment`: hypothesis, configuration, measures, verdict, next change. Never overwritten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.gate import one_id
from lab.cli.output import HomeOption, JsonOption, emit, number, say, show, table

if TYPE_CHECKING:
    from store.queries.gates import Experiment

app = typer.Typer(
    help="Experiments: what was supposed, done, found, and what to change next.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Text = Annotated[str | None, typer.Option(show_default=False)]


@app.command()
def add(
    hypothesis: Annotated[
        str | None, typer.Option(help="What you expect, before the run.", show_default=False)
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Add to this experiment; last is the newest.", show_default=False),
    ] = None,
    name: Text = None,
    verdict: Annotated[str | None, typer.Option(help="What came out, in words.", show_default=False)] = None,
    next_change: Annotated[
        str | None, typer.Option("--next", help="What to change next.", show_default=False)
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            help="A run: its settings, losses, newest gate and strip are taken over.", show_default=False
        ),
    ] = None,
    gate: Annotated[list[str] | None, typer.Option(help="A gate, by id.", show_default=False)] = None,
    strip: Annotated[list[str] | None, typer.Option(help="A strip, by id.", show_default=False)] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Begin an experiment with a hypothesis, or add to one what was found. Nothing is overwritten.

    Examples:

      lantern experiment add --hypothesis "20 examples lift the accept rate by 0.2" --run last

      lantern experiment add --to last --verdict "by 0.05 only" --next "50 examples, lr 1e-4"
    """
    from lab.cli.stored import open_store
    from lab.curriculum.experiments import Said, entry
    from lab.train.folder import find_run
    from store.home import Home

    where = Home.resolve(home)
    with open_store(where.path) as store:
        store.ingest()
        record = entry(
            store,
            Said(name=name, hypothesis=hypothesis, verdict=verdict, next_change=next_change),
            experiment_id=one_id(store, "experiment", to) if to else None,
            run_ids=[find_run(where, one).run_id for one in run or ()],
            gate_ids=[one_id(store, "gate", one) for one in gate or ()],
            strip_ids=[one_id(store, "strip", one) for one in strip or ()],
        )
        store.append(record)
    if as_json:
        emit(record)
    else:
        say(f"kept as entry {record.id[-8:]} of experiment {record.experiment_id}")


@app.command("list")
def list_experiments(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List experiments as they stand now, the newest first.

    Example: lantern experiment list --json
    """
    from lab.cli.stored import open_store
    from store.queries.gates import experiments

    with open_store(home) as store:
        found = store.query(experiments)
    if as_json:
        emit(found)
        return
    if not found:
        say('no experiments yet: `lantern experiment add --hypothesis "…"` begins one')
        return
    cells = [
        [
            one.id[-8:],
            one.at[:16],
            one.name or "",
            one.hypothesis,
            one.verdict or "open",
            one.next_change or "",
        ]
        for one in found
    ]
    show(table(["id", "begun", "name", "hypothesis", "verdict", "next change"], cells))


@app.command("show")
def show_experiment(
    experiment_id: Annotated[
        str, typer.Argument(metavar="ID", help="Its id, a part of it, or last.")
    ] = "last",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show an experiment with all of its entries.

    Example: lantern experiment show last
    """
    from lab.cli.stored import open_store
    from store.queries.gates import experiment

    with open_store(home) as store:
        found = store.query(experiment, one_id(store, "experiment", experiment_id))
    assert found is not None
    if as_json:
        emit(found)
    else:
        _show(found)


def _show(one: Experiment) -> None:
    say(f"experiment {one.id}{f' ({one.name})' if one.name else ''}, begun {one.at[:16]}")
    say(f"hypothesis: {one.hypothesis}")
    for key, value in one.configuration.items():
        say(f"  {key}: {value}")
    if one.measures:
        show(
            table(
                ["measure", "value"],
                [[name, number(value, 4)] for name, value in one.measures.items()],
                right=[1],
            )
        )
    for words, ids in (("runs", one.run_ids), ("gates", one.gate_ids), ("strips", one.strip_ids)):
        if ids:
            say(f"{words}: {', '.join(id[-8:] for id in ids)}")
    say(f"verdict: {one.verdict or 'open'}")
    if one.next_change:
        say(f"next change: {one.next_change}")
    if len(one.entries) > 1:
        say(f"{len(one.entries)} entries, the last of {one.entries[-1].at[:16]}")
