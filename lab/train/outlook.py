"""Before a run, from files alone: how long it is, how hard it presses, what it needs. Nothing is loaded."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.train.data.order import Order
from lab.train.memory import MemoryEstimate, estimate, read_shape
from lab.train.pressure import Plan, Pressure, pressure_of, warnings
from lab.train.schedule import mean_rate
from lab.train.settings import TrainSettings, from_mapping

if TYPE_CHECKING:
    from lab.textfiles import BadRow
    from store.queries.runs import RunCost

EARLIER_RUNS = 200
"""So many of the newest runs are compared with."""

CHARACTERS_A_TOKEN = 3.5
"""English in vocabularies of 32k and more has about four characters a token; a small vocabulary has fewer."""


FEWEST_UPDATES, MOST_EPOCHS = 30, 10
"""Fewer updates teach next to nothing; rows seen more often than this are learned by heart."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A run of before with the same model; `step_ms` is the median time of an update, if it made any."""

    name: str
    settings: Mapping[str, Any]
    examples: int
    step_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """A run as it would be: its settings, figures, and warnings of its data and its pressure, a line each.

    `seconds` is what an earlier run of the same work took by the step; None without one.
    """

    settings: TrainSettings
    examples: int
    held_out: int
    steps: int
    pressure: Pressure
    layers: tuple[int, int] | None
    memory: MemoryEstimate | None
    seconds: float | None
    data_warnings: tuple[str, ...]
    pressure_warnings: tuple[str, ...]


def outlook(settings: TrainSettings, earlier: Sequence[Earlier] = (), *, float_bytes: int = 4) -> Outlook:
    """How long, how hard and how large the run would be. Raises LabError where its data is of no use."""
    from lab.train.data.rows import general_rows, split_file

    data = Path(settings.data)
    train = split_file(data, "train")
    if train is None:
        raise LabError(f"{data}: there is no train.jsonl")
    rows = _read(train, settings)
    valid = split_file(data, "valid")
    held_out = _read(valid, settings).count if valid is not None else 0
    replay = len(general_rows()) if settings.replay and settings.replay.data == "general" else 0
    layers = layers_of(settings)
    said = [] if valid is not None else ["No valid.jsonl: held-out loss cannot be watched."]
    if rows.bad:
        said.append(f"{len(rows.bad)} rows cannot be used; the first: {rows.bad[0]}")
    figures, steps = pressure_of_run(settings, rows.count, layers, replay)
    before = [pressure_of_run(*_as_run(run, layers))[0] for run in earlier if run.examples]
    return Outlook(
        settings=settings,
        examples=rows.count,
        held_out=held_out,
        steps=steps,
        pressure=figures,
        layers=layers,
        memory=_memory(settings, rows.longest_characters, float_bytes),
        seconds=_seconds(settings, steps, earlier),
        data_warnings=tuple(said),
        pressure_warnings=tuple(warnings(figures, before)),
    )


def pressure_of_run(
    settings: TrainSettings, examples: int, layers: tuple[int, int] | None, replay: int = 0
) -> tuple[Pressure, int]:
    """The figures and the number of updates; without known layers all of them are taken for trained."""
    share = settings.replay.share if settings.replay else 0.0
    order = Order([1] * examples, settings.batch_size, settings.seed, [1] * replay, share)
    batches = settings.iters or max(math.ceil(settings.epochs * order.batches_per_epoch), 1)
    steps = -(-batches // settings.grad_accumulation_steps)
    trained, total = layers or (1, 1)
    plan = Plan(
        name=settings.name,
        iterations=batches,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        layers_trained=trained,
        layers_total=total,
        examples=max(1, examples),
        mean_rate=mean_rate(settings.schedule, steps),
    )
    figures = pressure_of(plan)
    # In the lab's loop the last micro-batches make an update too, however few they are: none are idle. Replay
    # is no part of the data that is passed over.
    return replace(
        figures,
        updates=steps,
        lr_updates=figures.learning_rate * steps,
        data_share=batches / order.batches_per_epoch,
    ), steps


def epochs_for_few(settings: TrainSettings, rows: int) -> int | None:
    """The passes with which so few rows make `FEWEST_UPDATES`, or as near as `MOST_EPOCHS` come.

    None where the settings make as many without, or say how many they make.
    """
    updates = math.ceil(rows / (settings.batch_size * settings.grad_accumulation_steps))
    epochs = min(math.ceil(FEWEST_UPDATES / max(updates, 1)), MOST_EPOCHS)
    return epochs if settings.iters is None and epochs > settings.epochs else None


def layers_of(settings: TrainSettings) -> tuple[int, int] | None:
    """Layers that are trained and layers that there are; None where the model is not on this disk."""
    config = _config(settings.model)
    total = config.get("num_hidden_layers") or (config.get("text_config") or {}).get("num_hidden_layers")
    if not isinstance(total, int) or total < 1:
        return None
    whole = settings.num_layers < 0
    return (total if whole else min(settings.num_layers, total)), total


def by_model(costs: Iterable[RunCost]) -> dict[str, list[Earlier]]:
    """Stored runs by the model that they were told to train, in the order in which they come."""
    found: dict[str, list[Earlier]] = {}
    for cost in costs:
        run = Earlier(cost.name, cost.settings, cost.train_examples, cost.step_ms)
        found.setdefault(str(cost.settings.get("model", "")), []).append(run)
    return found


def _as_run(
    run: Earlier, layers: tuple[int, int] | None
) -> tuple[TrainSettings, int, tuple[int, int] | None]:
    settings = replace(from_mapping(run.settings, run.name), name=run.name)
    of_run = layers_of(settings) if layers is not None else None
    return settings, run.examples, of_run


def _memory(settings: TrainSettings, longest_characters: int, float_bytes: int) -> MemoryEstimate | None:
    """None where the model is not on this disk, or of a shape that is not known."""
    folder = _model_folder(settings.model)
    config = _config(settings.model)
    if folder is None or not config:
        return None
    try:
        shape = read_shape(config)
    except LabError:
        return None
    tokens = min(settings.max_seq_length, math.ceil(longest_characters / CHARACTERS_A_TOKEN) + 16)
    stored = sum(path.stat().st_size for path in folder.glob("model*.safetensors"))
    # Of a pair both conversations are in the batch.
    rows = settings if settings.objective == "sft" else replace(settings, batch_size=2 * settings.batch_size)
    return estimate(
        shape,
        rows,
        weight_bytes=round(stored * _widening(config, float_bytes)),
        longest_row=tokens,
        float_bytes=float_bytes,
    )


def _widening(config: Mapping[str, Any], float_bytes: int) -> float:
    """On a CPU, half-precision weights are held in single precision; quantized ones stay as they are."""
    if "quantization" in config or float_bytes != 4:
        return 1.0
    return 2.0 if str(config.get("torch_dtype") or config.get("dtype")) in ("bfloat16", "float16") else 1.0


def _seconds(settings: TrainSettings, steps: int, earlier: Sequence[Earlier]) -> float | None:
    """By the newest run with the same data, rows an update and layers: a step's time goes by these."""
    for run in earlier:
        if run.step_ms is None:
            continue
        given = from_mapping(run.settings, run.name)
        if _work(given) == _work(settings):
            return steps * run.step_ms / 1e3
    return None


def _work(settings: TrainSettings) -> tuple[object, ...]:
    return (
        settings.model,
        settings.objective,
        settings.fine_tune_type,
        settings.num_layers,
        settings.batch_size,
        settings.grad_accumulation_steps,
        settings.grad_checkpoint,
        settings.data,
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """What a data file holds, and how long the longest conversation in it is."""

    count: int
    bad: tuple[BadRow, ...]
    longest_characters: int


def _read(path: Path, settings: TrainSettings) -> _Rows:
    from lab.train.data.rows import read_rows
    from lab.train.preference.data import read_pairs

    if settings.objective == "sft":
        file = read_rows(path, settings)
        said = [len(row.text) + sum(len(str(m["content"])) for m in row.messages) for row in file.rows]
        return _Rows(len(file.rows), file.bad, max(said))
    pairs = read_pairs(path, single_answers=settings.objective == "kto")
    said = [
        sum(len(m.content) for m in row.messages) + max(len(row.chosen or ""), len(row.rejected or ""))
        for row in pairs.rows
    ]
    return _Rows(len(pairs.rows), pairs.bad, max(said))


def _config(model: str) -> dict[str, Any]:
    folder = _model_folder(model)
    try:
        config = json.loads((folder / "config.json").read_text("utf-8")) if folder else {}
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _model_folder(model: str) -> Path | None:
    from lab.seeds import SEEDS

    if model == "wick":
        return SEEDS / "wick"
    path = Path(model).expanduser()
    return path if path.is_dir() else None
