"""`lantern adapter`: what an adapter has learned, other layouts, fusing, and the lint of published cards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.output import HomeOption, JsonOption, emit, number, say, show, table

if TYPE_CHECKING:
    from lab.adapters.anatomy import Anatomy
    from lab.models.adapters import Adapter

app = typer.Typer(
    help="Adapters: take one apart, convert, fuse, check a published card.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AdapterArgument = Annotated[Path, typer.Argument(help="An adapter folder or a checkpoint file in one.")]
ModelOption = Annotated[str, typer.Option("--model", help="The model it belongs to.", envvar="LANTERN_MODEL")]


@app.command()
def analyse(
    adapter: AdapterArgument,
    initial: Annotated[
        Path | None,
        typer.Option(
            help="Its checkpoint before the first update; step 0 in its folder if left out.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many modules to list.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Norms of every module, the ones that changed most, A against B, sparsity.

    Example: lantern adapter analyse ./adapters
    """
    from lab.adapters.folders import analyse as take_apart

    found, anatomy = take_apart(adapter, initial)
    if as_json:
        emit(
            {"adapter": found.record, "anatomy": anatomy, "top": [module.name for module in anatomy.top(top)]}
        )
        return
    _show(found, anatomy, top)


@app.command()
def lint(
    card: Annotated[Path, typer.Argument(help="A Markdown adapter card.")], as_json: JsonOption = False
) -> None:
    """Read a published adapter card and name every row that contradicts the card's own formulas.

    Exit code 1 when something is found. Example: lantern adapter lint README.md
    """
    from lab.textfiles import read_text
    from lab.train.scu.lint import lint as read_card
    from lab.train.scu.lint import rows_of

    text = read_text(card)
    found = read_card(text)
    if as_json:
        emit({"rows": len(rows_of(text)), "findings": found})
    else:
        for finding in found:
            say(f"{card}:{finding.line}: {finding.message} [{finding.rule}]")
        say(f"{len(rows_of(text))} rows read, {len(found)} contradictions")
    if found:
        raise typer.Exit(1)


@app.command()
def export(
    adapter: AdapterArgument,
    target: Annotated[Path, typer.Argument(help="The new PEFT folder.")],
    model: ModelOption = "wick",
) -> None:
    """Write the adapter in PEFT's layout, for transformers.

    Example: lantern adapter export ./adapters ./peft --model my/base
    """
    from lab.adapters.folders import export_peft

    export_peft(adapter, target, model)
    say(f"{target} is ready: PeftModel.from_pretrained(base, {str(target)!r})")


@app.command(name="import")
def import_(
    source: Annotated[Path, typer.Argument(help="A PEFT folder.")],
    target: Annotated[Path, typer.Argument(help="The new adapter folder.")],
    model: ModelOption = "wick",
) -> None:
    """Write a PEFT LoRA in mlx-lm's layout.

    Example: lantern adapter import ./peft ./adapters --model ./base
    """
    from lab.adapters.folders import import_peft

    record = import_peft(source, target, model).record
    say(f"{target} is ready: LoRA of rank {record.rank}, scale {record.scale:g}, {record.num_layers} layers")


@app.command()
def fuse(
    adapter: AdapterArgument,
    target: Annotated[Path, typer.Argument(help="The new model folder.")],
    model: ModelOption = "wick",
    dequantize: Annotated[bool, typer.Option("--dequantize", help="Write full-precision weights.")] = False,
    gguf: Annotated[
        bool, typer.Option("--gguf", help="Write model.gguf as well (llama, mistral, mixtral).")
    ] = False,
) -> None:
    """Work the adapter into the model's weights and write that as a model of its own.

    Example: lantern adapter fuse ./adapters ./fused --model ./base
    """
    from lab.adapters.folders import fuse as work_in

    work_in(model, adapter, target, dequantize, gguf)
    say(f"{target} is ready: lantern --model {target}")


@app.command()
def card(
    run: Annotated[str, typer.Argument(help="A run: its id, the end of it, its name, or last.")],
    out: Annotated[
        Path | None, typer.Option(help="Where to; stdout if left out.", show_default=False)
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write the card of the adapter that came out of a run; every figure is computed now.

    Example: lantern adapter card last --out README.md
    """
    from lab.adapters.folders import card_of
    from lab.outfiles import write_file
    from lab.train.folder import find_run
    from store.home import Home

    where = Home.resolve(home)
    text = card_of(where, find_run(where, run))
    if out is None:
        say(text, end="")
    else:
        say(f"written: {write_file(out, text)}")


@app.command()
def rollback(
    run: Annotated[str, typer.Argument(help="A run: its id, the end of it, its name, or last.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Put the adapter of before a run where the run put its own; the run's stays among its checkpoints.

    Example: lantern adapter rollback last
    """
    from lab.train.folder import find_run
    from lab.train.rollback import roll_back
    from store.home import Home

    where = Home.resolve(home)
    done = roll_back(where, find_run(where, run))
    if as_json:
        emit(done)
    else:
        say(f"{done.adapter} is {done.words}")


def _show(found: Adapter, anatomy: Anatomy, top: int) -> None:
    record = found.record
    say(f"{record.name}: {record.fine_tune_type}, rank {record.rank}, scale {number(record.scale, 1)}")
    say(f"{anatomy.parameters:,} weights, {anatomy.near_zero:.2%} of them nearly zero (|w| < 1e-6)")
    if anatomy.sum_squares_from_init is None:
        say(f"Σw² {anatomy.sum_squares:.4g}; its start is not known, so neither is the distance from it")
    else:
        say(f"Σw² {anatomy.sum_squares:.4g}, Σ(w − w₀)² {anatomy.sum_squares_from_init:.4g}")
    rows = [
        [
            module.name,
            number(module.change_l2, 3),
            number(module.a_l2, 3),
            number(module.b_l2, 3),
            number(module.moved_l2, 3),
        ]
        for module in anatomy.top(top)
    ]
    headers = ("module", "‖scale·A·B‖", "‖A‖", "‖B‖", "‖A − A₀‖")
    show(table(headers, rows, right=(1, 2, 3, 4), title="Modules by the change they make"))
    parts = [
        [name, f"{part.parameters:,}", f"{part.std:.5f}", number(part.l2, 3)]
        for name, part in (("A (down)", anatomy.a), ("B (up)", anatomy.b))
    ]
    show(table(("matrices", "weights", "std", "L2"), parts, right=(1, 2, 3), title="A against B"))
