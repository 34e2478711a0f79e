"""The tree of commands, and the one place where faults become a line and an exit code.

Exit codes: 0 done, 1 a fault said in one line, 2 wrong usage, 130 stopped by Ctrl-C (finished work is kept).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from typer.core import TyperGroup

from lab.errors import LabError
from store.errors import StoreError

COMMANDS = {
    "demo": "lab.cli.demo",
    "generate": "lab.cli.generate",
    "entropy": "lab.cli.entropy",
    "score": "lab.cli.score",
    "train": "lab.cli.train",
    "watch": "lab.cli.watch",
    "compare": "lab.cli.compare",
    "pairs": "lab.cli.pairs",
    "distill": "lab.cli.distill",
    "curriculum": "lab.cli.curriculum",
    "report": "lab.cli.report",
    "gate": "lab.cli.gate",
    "strip": "lab.cli.strip",
    "experiment": "lab.cli.experiment",
    "probes": "lab.cli.probes",
    "adapter": "lab.cli.adapter",
    "store": "lab.cli.store",
    "doctor": "lab.cli.doctor",
    "bench": "lab.cli.bench",
    "wick": "lab.cli.wick",
}


class OpenLab(Protocol):
    """Opens the terminal lab; the screens hand it in, so that the command line does not import them."""

    def __call__(self, home: Path | None = None, model: str | None = None, demo: bool = False) -> int: ...


def run(arguments: Sequence[str], open_lab: OpenLab) -> int:
    """Run one command line and return its exit code."""
    try:
        result = _app(open_lab)(list(arguments), standalone_mode=False, prog_name="lantern")
    except (LabError, StoreError) as error:
        return _fault(str(error))
    except _StoppedError:
        # The terminal has put ^C behind whatever was printed last.
        line = "\n" if sys.stderr.isatty() else ""
        print(f"{line}lantern: stopped; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if not hasattr(error, "exit_code") or not hasattr(error, "show"):
            raise
        error.show()
        return int(error.exit_code)
    return int(result or 0)


class _StoppedError(Exception):
    """Ctrl-C, as something that Typer passes on: of KeyboardInterrupt it makes an exit code alone."""


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise _StoppedError from stop


def _fault(message: str) -> int:
    from lab.safetext import safe_line

    print(f"lantern: {safe_line(message)}", file=sys.stderr)
    return 1


def _app(open_lab: OpenLab) -> Callable[..., int | None]:
    app = typer.Typer(
        name="lantern",
        cls=_Commands,
        help="A terminal lab for people who fine-tune small language models on their own machine.",
        epilog="Without a command the lab opens on this terminal.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=True,
        no_args_is_help=False,
    )

    @app.callback(invoke_without_command=True)
    def lab(
        context: typer.Context,
        home: Annotated[
            Path | None, typer.Option("--home", help="The lab's home directory.", show_default=False)
        ] = None,
        model: Annotated[
            str | None,
            typer.Option(
                "--model",
                help="A model folder, a hub id, or wick; that of last time if not given.",
                envvar="LANTERN_MODEL",
                show_default=False,
            ),
        ] = None,
        serve: Annotated[
            bool, typer.Option("--serve", help="Open the lab in a browser on this machine.")
        ] = False,
        port: Annotated[int, typer.Option("--port", help="The port for --serve.")] = 8000,
        version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
    ) -> None:
        if version:
            typer.echo(f"lantern {importlib.metadata.version('lantern-lab')}")
            raise typer.Exit
        if home is not None:
            os.environ["LANTERN_HOME"] = str(home)
        if model is not None:
            os.environ["LANTERN_MODEL"] = model
        context.obj = open_lab
        if serve:
            from lab.cli.serve import serve as serve_lab

            if context.invoked_subcommand is not None:
                raise LabError("--serve opens the lab; it goes with no other command")
            serve_lab(port)
            raise typer.Exit(0)
        if context.invoked_subcommand is None:
            raise typer.Exit(open_lab(home=home, model=model))

    for name, module in COMMANDS.items():
        commands = importlib.import_module(module)
        if hasattr(commands, "app"):
            app.add_typer(commands.app, name=name)
        else:
            app.command(name)(commands.command)
    return app
