"""`lantern pairs import|export`: preference pairs in the files of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.output import HomeOption, JsonOption, emit, notice, say
from lab.cli.stored import open_store
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.preference.writing import Written

LISTED = 20
NO_GATES = "none"


def import_file(
    file: Annotated[Path, typer.Argument(help="A file of pairs: .jsonl, .json, or Argilla's .parquet.")],
    form: Annotated[
        str, typer.Option("--format", help="What it is in; auto tells it row by row from the columns.")
    ] = "auto",
    rater: Annotated[str, typer.Option(help="Whose the preferences are that it states.")] = "imported",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Bring in preference pairs, with the preferences that they state; also logs with corrections.

    Read are TRL (explicit, conversational, implicit, KTO), mlx-lm-lora, alignment-handbook and distilabel,
    LLaMA-Factory's ShareGPT and Alpaca pairs, Argilla, and logs of {messages, actual, corrected}.
    Exit code 1 when rows could not be read; the good ones are kept.

    Examples:

      lantern pairs import ultrafeedback.jsonl

      lantern pairs import labelled.parquet --rater bea
    """
    from lab.preference.importing import import_pairs

    with open_store(home) as store:
        done = import_pairs(store, file, form=form, rater=rater)
    if as_json:
        emit(done)
    else:
        for bad in done.bad[:LISTED]:
            notice(f"{file.name}: {bad}")
        if len(done.bad) > LISTED:
            notice(f"{file.name}: {len(done.bad) - LISTED} more rows; --json lists all")
        if done.here:
            say(f"{done.here} pairs are in the store already")
        was = "were here already" if done.known else "kept"
        of = f" as import {done.id}" if done.id else ""
        say(f"{done.pairs} pairs ({', '.join(done.formats)}) {was}{of}, {done.judged} verdicts by {rater}")
    if done.bad:
        raise typer.Exit(1)


def export_file(
    out: Annotated[Path, typer.Option(help="The file; with --split the folder of train and valid.")],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="trl, trl-chat, trl-implicit, kto, mlx-lm-lora, handbook, sharegpt, alpaca, argilla or log.",
        ),
    ] = "trl-chat",
    rater: Annotated[
        list[str] | None, typer.Option(help="Only verdicts of this rater (repeatable).", show_default=False)
    ] = None,
    split: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Hold out this share, whole probes at a time.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed holds out the same probes.")] = 0,
    policy: Annotated[
        str | None,
        typer.Option(help='Only answers of this model, such as "wick + tuned".', show_default=False),
    ] = None,
    gates: Annotated[
        list[str] | None,
        typer.Option(
            help="Batteries not to train on, instead of the shipped gates' (repeatable); or none.",
            show_default=False,
        ),
    ] = None,
    instrument: Annotated[
        str | None, typer.Option("--instrument", "-i", help="Whose totals go along as scores.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Write the pairs that verdicts decided, and say what was left out and why.

    Left out are ties, both bad, skips, what was undone, verdicts that contradict each other, equal texts,
    probes of gates, and with --policy the answers of other models.

    Examples:

      lantern pairs export --out pairs.jsonl --rater ada

      lantern pairs export --out ./data --split 0.1 --format mlx-lm-lora

      lantern pairs export --out label-these.parquet --format argilla
    """
    from lab.preference.writing import format_named, selection_of, write_selection
    from lab.scoring import instrument as find

    of = format_named(form)
    if not split and out.suffix != f".{of.container}":
        raise LabError(f"{out}: {form} is a .{of.container} file: end the name so, or give --split")
    with open_store(home) as store:
        by = find(instrument, store.home.config / "rubrics") if instrument else None
        chosen = selection_of(
            store,
            raters=rater or (),
            policy=policy,
            gates=() if gates == [NO_GATES] else gates,
            instrument=(by.name, by.version) if by else None,
        )
        done = write_selection(chosen, out, form, store.home, share=split, seed=seed)
    if as_json:
        emit({**{name: getattr(done, name) for name in done.__slots__}, "reasons": done.reasons})
        return
    tell_written(done)


def reasons_in_words(done: Written) -> list[str]:
    """What was left out and why, a line a reason."""
    return [f"left out: {n}, {reason}" for reason, n in done.reasons.items()]


def tell_written(done: Written) -> None:
    """Say what was written and what was left out."""
    for note in done.notes:
        notice(note)
    for words in reasons_in_words(done):
        say(words)
    held_out = f", {done.valid} held out" if done.valid else ""
    say(f"{done.train + done.valid} pairs written{held_out}: {', '.join(map(str, done.files))}")
