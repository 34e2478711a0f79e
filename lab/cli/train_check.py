"""A run before it starts, on a terminal: how hard it presses, what it needs, rows as the model sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.cli.output import say, show

if TYPE_CHECKING:
    from rich.text import Text

    from lab.train.check import Check, ShownRow
    from lab.train.outlook import Outlook

ROW_CHARACTERS = 1200


def show_check(planned: Outlook, seen: Check) -> None:
    """Pressure, memory, time, what the data holds, and one real batch with what is only read dimmed."""
    say(f"{planned.settings.name}, before it starts\n")
    for label, text in _figures(planned, seen):
        say(f"{label:<13} {text}")
    for line in (*planned.pressure_warnings, *seen.notices):
        say(f"▲ {line}")
    if seen.overlaps:
        say("▲ the training data gives benchmark probes away:")
        for line in seen.overlaps:
            say(f"    {line}")
    say(f"\nThe first batch ({len(seen.batch)} rows): dim text is only read, the rest is learned.")
    for row in seen.batch:
        show(row_text(row))


def row_text(row: ShownRow, most: int = ROW_CHARACTERS) -> Text:
    """A row as the model sees it. What is not learned is dimmed, and in brackets for eyes without colors."""
    from rich.text import Text

    text = Text(f"\n{row.title}\n", style="bold")
    for piece in row.pieces:
        shown = (
            piece.text
            if len(piece.text) <= most
            else f"{piece.text[: most // 2]} … {piece.text[-most // 2 :]}"
        )
        text.append(
            shown if piece.learned else f"⟦{shown}⟧",
            style="not bold" if piece.learned else "not bold dim",
        )
    return text


def _figures(planned: Outlook, seen: Check) -> list[tuple[str, str]]:
    pressure, settings, measured = planned.pressure, planned.settings, seen.measured
    of_layers = " in {} of {} layers".format(*planned.layers) if planned.layers else ""
    return [
        ("data", f"{seen.examples:,} examples, {seen.held_out:,} held out, {seen.replay:,} replay"),
        (
            "updates",
            f"{seen.steps:,} of {settings.batch_size} × {settings.grad_accumulation_steps} rows, "
            f"{pressure.data_share:.2g} × the data, {seen.tokens:,} counted tokens",
        ),
        (
            "trained",
            f"{seen.trainable_parameters:,} weights{of_layers}",
        ),
        ("lr × updates", f"{pressure.learning_rate:.3g} × {seen.steps:,} = {pressure.lr_updates:.3g}"),
        ("pressure", f"{pressure.pressure:.3g}  (mean lr × examples seen × share of layers)"),
        ("padding", f"{seen.padded_share:.1%} of a pass"),
        (
            "measured",
            f"{measured.step_ms:,.0f} ms an update on the largest batch ({measured.batch_tokens:,} tokens), "
            f"{measured.tokens_per_second:,.0f} tokens/s on {seen.backend}",
        ),
        ("memory", _memory(planned, measured.peak_memory_bytes)),
        ("time", f"about {_duration(measured.run_seconds)}, evaluations not counted"),
    ]


def _memory(planned: Outlook, measured: int) -> str:
    said = f"{measured / 1e9:.2f} GB at the peak, measured"
    if planned.memory is None:
        return said
    return f"{said}; {planned.memory.total / 1e9:.2f} GB estimated from the config"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
