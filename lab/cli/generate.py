"""`lantern generate`: one answer, streamed, with the entropy of every token, and kept."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.asks import ask_probe, ask_text
from lab.cli.output import HomeOption, JsonOption, emit_line, notice, number, say
from lab.cli.stored import one_probe
from lab.cli.workbench import ModelOption, workbench
from lab.errors import LabError
from lab.protocol import Finished, Started, Token
from lab.safetext import safe_text

if TYPE_CHECKING:
    from rich.console import Console

    from lab.decode.types import Sampling, TokenStat

EXAMPLE = """Examples:

  lantern generate "What do archives leave out?" --kernel lantern --entropy

  lantern generate --probe P11_HYPNOS_DREAM --seed 7 --json
"""


def command(
    prompt: Annotated[str | None, typer.Argument(help="The prompt; - reads it from stdin.")] = None,
    probe: Annotated[str | None, typer.Option("--probe", help="Ask the probe of this id.")] = None,
    battery: Annotated[str | None, typer.Option(help="Its battery, where several have the id.")] = None,
    model: ModelOption = "wick",
    kernel: Annotated[str | None, typer.Option("--kernel", help="A kernel by name, or a file.")] = None,
    preset: Annotated[str, typer.Option("--preset", help="A sampling preset.")] = "default",
    temperature: Annotated[float | None, typer.Option(min=0.0, help="Overrides the preset's.")] = None,
    top_p: Annotated[float | None, typer.Option(min=0.0, max=1.0)] = None,
    top_k: Annotated[int | None, typer.Option(min=0)] = None,
    min_p: Annotated[float | None, typer.Option(min=0.0, max=1.0)] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1)] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answer.")] = 0,
    entropy: Annotated[bool, typer.Option("--entropy", help="Color every token by its entropy.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Stream one answer and keep it, with the entropy of every token."""
    from lab.kernels import load as load_kernel
    from lab.probes import from_row

    chosen_kernel = load_kernel(kernel) if kernel else None
    sampling = _sampling(
        preset,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        min_p=min_p,
        max_tokens=max_tokens,
    )
    text = _prompt(prompt, probe)
    with workbench(home, model) as bench:
        if text is None:
            ask = ask_probe(
                from_row(one_probe(bench.store, str(probe), battery)), chosen_kernel, sampling, seed
            )
        else:
            ask = ask_text(text, chosen_kernel, sampling, seed)
        for event in bench.session.generate("cli", [ask]):
            if as_json:
                _print_json(event)
            else:
                _print_text(event, entropy)


command.__doc__ = f"{command.__doc__}\n\n{EXAMPLE}"


def _sampling(preset: str, **overrides: float | None) -> Sampling:
    from dataclasses import replace

    from lab.sampling import load_preset

    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    return replace(load_preset(preset), **given)


def _prompt(prompt: str | None, probe: str | None) -> str | None:
    """The text to ask, stdin read where it is meant; None when a probe is asked instead."""
    if (prompt is None) == (probe is None):
        raise LabError("generate needs a prompt or --probe ID, one of the two")
    text = sys.stdin.buffer.read().decode("utf-8", "replace") if prompt == "-" else prompt
    if text is not None and not text.strip():
        raise LabError("the prompt is empty: give some text, or - and text on stdin")
    return text


def _print_json(event: object) -> None:
    if isinstance(event, Started):
        emit_line({"type": "started", "id": event.generation_id, "prompt_tokens": event.prompt_tokens})
    elif isinstance(event, Token):
        emit_line({"type": "token", **_token_fields(event.token)})
    elif isinstance(event, Finished):
        emit_line({"type": "finished", **event.generation})


def _token_fields(token: TokenStat) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(token)


def _print_text(event: object, entropy: bool) -> None:
    if isinstance(event, Token):
        if entropy:
            _console().print(_colored(event.token), end="", soft_wrap=True, highlight=False)
        else:
            say(event.token.text, end="")
    elif isinstance(event, Finished):
        record = event.generation
        say()
        notice(
            f"{record['n_tokens']} tokens · {record['finish_reason']} · "
            f"H_t mean {number(record['mean_entropy_nats'])} p90 {number(record['p90_entropy_nats'])} nats · "
            f"{number(record['tokens_per_second'], 0)} tok/s · kept as {event.generation_id}"
        )


def _console() -> Console:
    from rich.console import Console

    return Console(soft_wrap=True)


def _colored(token: TokenStat) -> Any:
    from rich.style import Style
    from rich.text import Text

    from lab.ramp import entropy_level, is_bold, is_underlined, level_color

    level = entropy_level(token.entropy_nats)
    style = Style(color=level_color(level), underline=is_underlined(level), bold=is_bold(level))
    return Text(safe_text(token.text), style=style)
