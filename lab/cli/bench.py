"""`lantern bench`: the lab measured on this machine against plain mlx-lm, interleaved, as ratios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.output import JsonOption, emit, notice, number, say, show, table
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.bench.both import DecodeFigures, TwinFigures
    from lab.bench.dpo import DpoFigures
    from lab.bench.paint import PaintFigure
    from lab.bench.storage import StorageFigures
    from lab.bench.terminal import TerminalFigures
    from lab.bench.train import TrainFigures

PARTS = ("decode", "twin", "train", "dpo", "storage", "paint", "terminal")


def command(
    parts: Annotated[list[str] | None, typer.Argument(help=f"Some of: {', '.join(PARTS)}.")] = None,
    model: Annotated[str, typer.Option("--model", help="The small model of the decode figures.")] = "wick",
    quick: Annotated[bool, typer.Option("--quick", help="Fewer repeats: a look, not a measurement.")] = False,
    peer_python: Annotated[
        Path | None,
        typer.Option("--peer-python", help="The Python of an environment with mlx-lm-lora, for dpo."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure decoding, training, storage, first paint and the terminal; takes several minutes.

    The part dpo needs mlx-lm-lora in an environment of its own, and is left out where there is none:
    python -m venv peer && peer/bin/pip install mlx-lm-lora==5.10.2 "mlx[cpu]"

    Example: lantern bench decode --json

    Example: lantern bench dpo --peer-python peer/bin/python
    """
    chosen = parts or [part for part in PARTS if part != "dpo" or peer_python is not None]
    if unknown := [part for part in chosen if part not in PARTS]:
        raise LabError(f"bench: no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    figures: dict[str, object] = {}
    if "decode" in chosen:
        figures["decode"] = _decode(model, quick, as_json)
    if "twin" in chosen:
        figures["twin"] = _twin(model, quick, as_json)
    if "train" in chosen:
        figures["train"] = _train(model, quick, as_json)
    if "dpo" in chosen:
        if peer_python is None:
            raise LabError("bench dpo: give --peer-python, the Python of an environment with mlx-lm-lora")
        figures["dpo"] = _dpo(peer_python, model, quick, as_json)
    if "storage" in chosen:
        figures["storage"] = _storage(quick, as_json)
    if "paint" in chosen:
        figures["paint"] = _paint(quick, as_json)
    if "terminal" in chosen:
        figures["terminal"] = _terminal(quick, as_json)
    if as_json:
        emit(figures)


def _decode(model: str, quick: bool, quiet: bool) -> Sequence[DecodeFigures]:
    from lab.bench.both import Plan, decode_figures_by_blas

    notice("decoding: the lab and mlx-lm in turns, under each BLAS there is")
    plan = Plan(wick_turns=8, llama_turns=4, prompts=8, model=model) if quick else Plan(model=model)
    results = decode_figures_by_blas(plan)
    if not quiet:
        for result in results:
            _show_decode(result)
    return results


def _show_decode(result: DecodeFigures) -> None:
    streams = [
        (
            f"{stream['parameters'] / 1e6:.1f}M",
            number(stream["temperature"], 1),
            number(stream["ours_ms_per_token"]),
            number(stream["peer_ms_per_token"]),
            number(stream["ratio"], 3),
        )
        for stream in result.streams
    ]
    headers = ("model", "temperature", "lab, ms/token", "mlx-lm, ms/token", "ratio")
    lab = f"the lab on {result.streams[0]['computed_by']}"
    title = f"{result.backend}: stream with all statistics and top-5 against mlx_lm.stream_generate; {lab}"
    show(table(headers, streams, right=(1, 2, 3, 4), title=title))
    batteries = [
        (
            what,
            ", ".join(battery["conditions"]),
            str(battery["answers"]),
            number(battery["ours_answers_per_s"]),
            number(battery["peer_answers_per_s"]),
            number(battery["gain"]),
            *_against(battery["bar"], battery["holds"], "≥"),
        )
        for what, battery in (
            *(("battery", battery) for battery in result.batteries),
            ("distilled, kept and scored", result.distillation),
        )
    ]
    columns = ("work", "conditions", "answers", "lab, answers/s", "mlx-lm, answers/s", "gain", "bar", "holds")
    title = f"{result.backend}: answers at batch 8 against mlx_lm.generate one by one; {lab}"
    show(table(columns, batteries, right=(2, 3, 4, 5), title=title))


def _twin(model: str, quick: bool, quiet: bool) -> Sequence[TwinFigures]:
    from lab.bench.both import TwinPlan, twin_figures_by_blas

    notice("twin decoding: base and adapters in one batch and one after the other, under each BLAS there is")
    results = twin_figures_by_blas(TwinPlan(4, 48, 2, 8, model) if quick else TwinPlan(model=model))
    if not quiet:
        for result in results:
            _show_twin(result)
    return results


def _show_twin(result: TwinFigures) -> None:
    rows = [
        (
            f"{cost['parameters'] / 1e6:.1f}M",
            str(cost["variants"]),
            number(cost["together_ms_per_token"]),
            number(cost["apart_ms_per_token"]),
            number(cost["peer_ms_per_token"]),
            number(cost["peer_ratio"], 3),
            number(cost["ratio"], 3),
            *_against(cost["bar"], cost["holds"], "≤"),
        )
        for cost in result.costs
    ]
    headers = ("model", "variants", "together", "apart", "mlx-lm", "/ mlx-lm", "/ apart", "bar", "holds")
    title = f"{result.backend}: ms a token of each variant, in one batch and one variant after the other"
    show(table(headers, rows, right=(1, 2, 3, 4, 5, 6, 7), title=title))


def _against(bar: float | None, holds: bool | None, sign: str) -> tuple[str, str]:
    """A bar, and whether it holds, as cells."""
    return ("", "") if bar is None else (f"{sign} {bar:.2f}", "yes" if holds else "no")


def _train(model: str, quick: bool, quiet: bool) -> TrainFigures:
    from lab.bench.train import train_figures

    notice("training: the lab and mlx_lm.lora in turns over the same data; memory; local ranks")
    figures = train_figures(model, quick)
    if not quiet:
        _show_train(figures)
    return figures


def _show_train(figures: TrainFigures) -> None:
    rows = [
        (
            speed.model,
            speed.data,
            number(speed.ours_tokens_per_second, 0),
            number(speed.theirs_tokens_per_second, 0),
            number(speed.ratio_cpu, 2),
            number(speed.ratio, 2),
            *_against(speed.bar, speed.holds, "≥"),
        )
        for speed in figures.speeds
    ]
    headers = ("model", "data", "ours tok/s", "mlx_lm.lora", "CPU ratio", "ratio", "bar", "holds")
    title = f"training with the control unit on, {figures.speeds[0].backend}"
    show(table(headers, rows, right=(2, 3, 4, 5, 6), title=title))
    memory, ranks = figures.memory, figures.ranks
    bar, holds = _against(memory.bar, memory.holds, "≤")
    say(
        f"peak memory, {memory.model}: {memory.ours_bytes / 2**20:.0f} MiB against "
        f"{memory.theirs_bytes / 2**20:.0f} MiB, ratio {memory.ratio:.2f} (bar {bar}: {holds})"
    )
    bar, holds = _against(ranks.bar, ranks.holds, "≥")
    say(
        f"{ranks.ranks} ranks on {ranks.model}, {ranks.batch_size} rows a step: {ranks.ranked:.0f} tok/s; "
        f"one process with as many BLAS threads as a rank has {ranks.one_core:.0f}, ratio {ranks.ratio:.2f} "
        f"(bar {bar}: {holds}); one with a thread a core {ranks.all_cores:.0f}"
    )


def _dpo(peer_python: Path, model: str, quick: bool, quiet: bool) -> Sequence[DpoFigures]:
    from lab.bench.dpo import dpo_figures

    notice("DPO: the lab and mlx-lm-lora in turns over the same pairs, on two models; memory")
    results = dpo_figures(peer_python, model, quick)
    if not quiet:
        for result in results:
            _show_dpo(result)
    return results


def _show_dpo(result: DpoFigures) -> None:
    rows = [
        (bar.name, f"≤ {bar.bar:.2f}", number(bar.measured, 3), "holds" if bar.holds else "does not hold")
        for bar in result.bars
    ]
    say(
        f"{result.model}, {result.backend}: a step {result.first_step_s * 1e3:.0f} ms in the first epoch, "
        f"{result.later_step_s * 1e3:.0f} ms later; mlx-lm-lora {result.peer_step_s * 1e3:.0f} ms; "
        f"in processor time {result.first_ratio_cpu:.2f} and {result.later_ratio_cpu:.2f} of it"
    )
    show(table(("ours / mlx-lm-lora", "bar", "measured", ""), rows, right=(1, 2), title=result.model))


def _storage(quick: bool, quiet: bool) -> StorageFigures:
    from lab.bench.storage import measure_storage

    notice("storage: answers of 300 tokens into a journal and into DuckDB")
    figures = measure_storage(400 if quick else 4_000)
    if not quiet:
        say(
            f"storage: {figures.journal_per_s:,.0f} answers/s journaled, {figures.durable_ms:.1f} ms for one "
            f"made durable, {figures.ingest_per_s:,.0f}/s ingested, {figures.rebuild_per_s:,.0f}/s rebuilt"
        )
    return figures


def _paint(quick: bool, quiet: bool) -> PaintFigure:
    from lab.bench.paint import measure_first_paint

    notice("first paint: the lab on a pseudo-terminal of 120×40")
    figure = measure_first_paint(3 if quick else 9)
    if not quiet:
        say(f"first paint: {figure.paint_s:.3f} s; a bare interpreter takes {figure.interpreter_s:.3f} s")
    return figure


def _terminal(quick: bool, quiet: bool) -> TerminalFigures:
    from lab.bench.terminal import TerminalPlan, measure_terminal

    plan = TerminalPlan(1, 1_000, 20_000, 5_000, 1_000) if quick else TerminalPlan()
    notice(
        f"the terminal: every key while a battery is generated, the tape, a list of {plan.probes:,} probes, "
        f"verdicts among {plan.pairs:,} pairs"
    )
    figures = measure_terminal(plan)
    if not quiet:
        _show_terminal(figures)
    return figures


def _show_terminal(figures: TerminalFigures) -> None:
    """Where the platform tells it also without the waits for a core of a busy machine, and the CPU time."""
    title = "from key to painted answer, while a battery is generated"
    _show_keys((*figures.keys, figures.all_keys), title)
    slow = [key["name"] for key in figures.keys if not key["holds"]]
    say("every key's median is within 50 ms" if not slow else f"above 50 ms: {', '.join(slow)}")
    tape = figures.tape
    say(
        f"tape: {tape['first_ms_per_token']:.2f} ms of CPU a token in the first {tape['span']}, "
        f"{tape['last_ms_per_token']:.2f} in the last {tape['span']} of {tape['tokens']:,}"
    )
    lists = [
        (row["name"], str(row["n"]), number(row["median_ms"], 0), number(row["p95_ms"], 0))
        for row in figures.lists
    ]
    headers = ("list", "n", "median, ms", "p95, ms")
    title = f"a list of {figures.probes:,} probes, key to painted rows"
    show(table(headers, lists, right=(1, 2, 3), title=title))
    _show_keys(
        figures.comparing, f"scrolling a comparison of {figures.compared:,} pairs, key to painted rows"
    )
    title = (
        f"judging among {figures.pairs:,} pairs, key to the next card painted; a verdict is on disk before"
    )
    _show_keys(figures.judging, title)


def _show_keys(figures: Sequence[Mapping[str, Any]], title: str) -> None:
    keys = [
        (
            key["name"],
            str(key["n"]),
            number(key["median_ms"], 0),
            number(key["p95_ms"], 0),
            number(key["unqueued_median_ms"], 0),
            number(key["unqueued_p95_ms"], 0),
            number(key["cpu_median_ms"], 0),
            "holds" if key["holds"] else "too slow",
        )
        for key in figures
    ]
    headers = ("key", "n", "median, ms", "p95", "median less waits", "p95 less", "CPU", "≤ 50")
    show(table(headers, keys, right=(1, 2, 3, 4, 5, 6), title=title))
